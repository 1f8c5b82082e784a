"""A database that is killed in the middle of everything."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from combine import embedded_postgres
from combine.env import BASE_DIR
from combine.postgres_home import DATABASE, PORT, SUPERUSER, find_postgres_home
from executions.llm.offline.replies import Reply
from executions.models import Step
from executions.tests.engine_definitions import chain, epics
from tests.acceptance.site import Place, Site, Worker
from tests.infra.conftest import remove_home


def a_database_killed_in_the_middle_loses_nothing(_: Place) -> None:
    """PostgreSQL is killed with -9 and started again; workers end, are started again, and finish everything."""
    with _private_home() as home, Site(_place(home), default=Reply(delay=0.2)) as site:
        executions = site.start(chain(6), 10) + site.start(epics(), 5)
        with _kept_running(site, 2):
            site.wait_for_calls(30)
            postmaster = int((find_postgres_home(home).data / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            time.sleep(1.0)
            connection.close()
            embedded_postgres.ensure_running(home)
            back = time.monotonic()
            waited = site.ready_worker() - back
            took = site.wait_for_end(executions) - back - waited
        assert took < 40, f"all done {took:.1f} s after the database was back and a worker ready"
        assert not Step.objects.exclude(status="completed").exists()
        # At most the calls that were in flight were made again.
        assert max(site.requests().values()) <= 2
        site.check()


def a_database_that_drops_connections_loses_nothing(place: Place) -> None:
    """Connections are cut again and again, some of them between a commit and its answer."""
    with Site(place, default=Reply(delay=0.3)) as site:
        executions = site.start(chain(12), 12) + site.start(epics(), 6)
        dice, cut = random.Random(7), 0
        with _kept_running(site, 2):
            site.wait_for_calls(10)
            until = time.monotonic() + 8
            while time.monotonic() < until and site.in_progress(executions):
                with place.connect(place.name) as admin:
                    found = admin.execute(_WORKER_CONNECTIONS).fetchall()
                    for (pid,) in dice.sample(found, min(2, len(found))):
                        admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                        cut += 1
                time.sleep(0.15)
            site.wait_for_end(executions)
        assert cut >= 10
        assert not Step.objects.exclude(status="completed").exists()
        assert max(site.requests().values()) <= 4
        site.check()


# Not the test's own.
_WORKER_CONNECTIONS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'acceptance'
 ORDER BY pid
"""


@contextmanager
def _private_home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="combine-test-"))
    directory.chmod(0o755)
    home = directory / "home"
    home.mkdir()
    try:
        embedded_postgres.ensure_running(home)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "DATABASE_"))}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=BASE_DIR,
            env={**kept, "COMBINE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "combine.settings"},
            check=True,
            timeout=120,
        )
        yield home
    finally:
        remove_home(home)
        shutil.rmtree(directory, ignore_errors=True)


def _place(home: Path) -> Place:
    return Place(host=str(find_postgres_home(home).socket_dir), port=str(PORT), user=SUPERUSER, name=DATABASE)


@contextmanager
def _kept_running(site: Site, number: int) -> Iterator[None]:
    """Keep that many workers running, as the supervisor does."""
    is_over = threading.Event()

    def keep() -> None:
        running: list[Worker] = []
        while not is_over.wait(0.2):
            running = [worker for worker in running if worker.is_alive()]
            while len(running) < number:
                running.append(site.worker())

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()
