"""A site of its own for one scenario: a database, a model, and real worker processes, all gone in the end.

The scenario runs in a thread, whose Django connection is pointed at the site's database, so that services and
verification are called as they are. Every process that is started here is killed when the scenario ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

import psycopg
from django.db import connection
from psycopg.sql import SQL, Identifier

from combine.env import BASE_DIR
from executions.llm.offline.replies import Reply, Rule
from executions.llm.offline.scripted import JournalEntry, ScriptedModel
from executions.models import Execution
from executions.tests import invariants
from executions.tests.engine_cast import start

# How long a test waits for what must come but has no promised time: a slow machine is no failure.
ENOUGH = 90.0

QUEUE_TABLES = ("procrastinate_jobs", "procrastinate_workers", "procrastinate_events", "procrastinate_periodic_defers")

_numbers = count(1)
_copying = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a database is."""

    host: str
    port: str
    user: str
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@/{self.name}?host={quote(self.host, safe='')}&port={self.port}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.host, port=self.port, user=self.user, dbname=name, autocommit=True)

    def create(self, template: str) -> None:
        """Copy ``template``. Nobody may use it then: a web process of other tests that does has to come back later."""
        with _copying, self.connect() as admin:
            admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(template)))
            try:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (template,))
                admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(self.name), Identifier(template)))
            finally:
                admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(template)))
        with self.connect(self.name) as copy:
            # Tests that commit leave these behind: Django empties only the tables of its own models.
            copy.execute(f"TRUNCATE {', '.join(QUEUE_TABLES)} CASCADE")

    def drop(self) -> None:
        with self.connect() as admin:
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(self.name)))


class Worker:
    """One ``manage.py worker`` process. ``number`` is what the queue knows it by, where that was waited for."""

    number: int | None = None

    def __init__(self, environment: dict[str, str], log: Path, concurrency: int) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "worker", "--concurrency", str(concurrency)],
                cwd=BASE_DIR,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def send(self, number: signal.Signals) -> float:
        """Send a signal; return when."""
        self.process.send_signal(number)
        return time.monotonic()

    def wait(self, seconds: float = ENOUGH) -> int:
        """Wait for the end of the process and return its exit code."""
        return self.process.wait(seconds)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        if self.is_alive():
            self.process.kill()
        self.process.wait(60)


class Site:
    """A context manager: inside it Django's connection of this thread is the site's."""

    def __init__(self, place: Place, *, default: Reply | None = None, rules: Sequence[Rule] = ()) -> None:
        self.place = place
        self.model = ScriptedModel(default=default, rules=rules)
        self.workers: list[Worker] = []
        self._directory = tempfile.TemporaryDirectory(prefix="combine-site-")
        self._started = 0

    def __enter__(self) -> Self:
        self.model.__enter__()
        place = {"HOST": self.place.host, "PORT": self.place.port, "USER": self.place.user, "NAME": self.place.name}
        connection.close()
        options = {**connection.settings_dict["OPTIONS"], "application_name": "acceptance"}
        connection.settings_dict = {**connection.settings_dict, **place, "OPTIONS": options}
        number_revisions_apart()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.end()
        connection.close()
        self.model.__exit__(None, None, None)
        if exc is not None:
            for worker in self.workers:
                text = worker.log.read_text(errors="replace")
                exc.add_note(f"--- worker {worker.process.pid} ({worker.process.returncode}):\n{text[-4000:]}")
        self._directory.cleanup()

    def worker(
        self, *, faults: str = "", concurrency: int = 50, environment: Mapping[str, str] | None = None
    ) -> Worker:
        """Start a worker, perhaps one that kills itself at a fault point."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "ANTHROPIC_"))}
        variables = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "combine.settings",
            "DATABASE_URL": self.place.url,
            "COMBINE_HOME": self._directory.name,
            "COMBINE_DEMO": "0",
            "COMBINE_LOG_LEVEL": "warning",
            "COMBINE_FAULTPOINTS": faults,
            "ANTHROPIC_BASE_URL": self.model.base_url,
            "ANTHROPIC_API_KEY": "sk-test",
            **(environment or {}),
        }
        log = Path(self._directory.name) / f"worker-{len(self.workers)}.log"
        started = Worker(variables, log, concurrency)
        self.workers.append(started)
        return started

    def start(self, what: dict[str, Any], number: int = 1) -> list[Execution]:
        """Start a workflow some times; every prompt is different."""
        executions = []
        for _ in range(number):
            self._started += 1
            brief = {"wish": f"a lighthouse, number {self._started}"}
            executions.append(start(what, project=f"p{self._started}", brief=brief))
        return executions

    def wait_until(self, is_true: Callable[[], bool], what: str) -> float:
        """Wait for something, and return when it was."""
        deadline = time.monotonic() + ENOUGH
        while not is_true():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {ENOUGH:g} s: {what}\n{self.describe()}")
            time.sleep(0.05)
        return time.monotonic()

    def wait_for_end(self, executions: Sequence[Execution]) -> float:
        """Wait until these executions have completed."""
        return self.wait_until(lambda: self.in_progress(executions) == 0, "all executions complete")

    def ready_worker(self, *, concurrency: int = 50) -> float:
        """Start a worker; return when the queue knows it, which on a slow machine is seconds later."""
        before = _newest_worker()
        started = [self.worker(concurrency=concurrency)]

        def is_there() -> bool:
            # One that was paused may hold the queue's rows for a minute. As `up` does, start it again until it can.
            if not started[-1].is_alive():
                started.append(self.worker(concurrency=concurrency))
            return _newest_worker() > before

        ready = self.wait_until(is_there, "the worker is there")
        started[-1].number = _newest_worker()
        return ready

    def process_of(self, number: int) -> Worker:
        """Return the process of a worker that was waited for, by the number that the queue knows it by."""
        return next(worker for worker in self.workers if worker.number == number)

    def in_progress(self, executions: Sequence[Execution]) -> int:
        """Return how many of these executions are not completed."""
        return Execution.objects.filter(pk__in=ids(executions)).exclude(status="completed").count()

    def wait_for_calls(self, number: int) -> float:
        """Wait until the model has had that many requests."""
        return self.wait_until(lambda: len(self.model.journal) >= number, f"{number} requests")

    def finished(self) -> Counter[str]:
        """Return how often each prompt was answered to the end."""
        return Counter(entry.digest for entry in self.model.journal if entry.finished is not None)

    def requests(self) -> Counter[str]:
        """Return how often each prompt was sent."""
        return Counter(entry.digest for entry in self.model.journal)

    def entries(self, path: str) -> list[JournalEntry]:
        return [entry for entry in self.model.journal if entry.step_path == path]

    def check(self) -> None:
        """Whatever has happened, the stored rows keep every promise."""
        invariants.check()

    def describe(self) -> str:
        """Say where everything stands, for a failure's report."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.id, e.status, e.error_code, s.path, s.status, s.token, s.due_at, s.crashes"
                " FROM executions_execution e JOIN executions_step s ON s.execution_id = e.id"
                " WHERE e.status <> 'completed' ORDER BY 1, s.sort_key LIMIT 40"
            )
            steps = cursor.fetchall()
            cursor.execute("SELECT id, status, worker_id, queueing_lock, scheduled_at FROM procrastinate_jobs")
            jobs = cursor.fetchall()
            cursor.execute("SELECT id, clock_timestamp() - last_heartbeat FROM procrastinate_workers")
            workers = cursor.fetchall()
        lines = [*map(str, steps), "jobs:", *map(str, jobs), "workers:", *map(str, workers)]
        lines += [f"journal: {entry}" for entry in self.model.journal[-20:]]
        return "\n".join(lines)


def _newest_worker() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(max(id), 0) FROM procrastinate_workers")
        return int(cursor.fetchone()[0])


def number_revisions_apart() -> None:
    """Give the workflow revisions of the current database numbers that no other database of this process has.

    Definitions are kept by number for the life of a process, and a process of tests sees many databases.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('workflows_workflowrevision_id_seq', %s)", [next(_numbers) * 1_000_000])


def ids(executions: Sequence[Execution]) -> list[UUID]:
    return [execution.pk for execution in executions]
