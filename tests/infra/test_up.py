"""`manage.py up` as a whole, with everything killed that can be killed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from combine.env import BASE_DIR
from combine.ports import free_port, port_problem
from combine.postgres_home import DATABASE, SUPERUSER, find_postgres_home

BANNER_END = "Ctrl-C stops everything."


class Up:
    """One `up` with its log in a file."""

    def __init__(self, home: Path, port: int, log: Path) -> None:
        self.port = port
        self._log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "ANTHROPIC_"))}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(BASE_DIR / "manage.py"), "up"],
                stdout=file,
                stderr=file,
                env=kept | {"COMBINE_HOME": str(home), "COMBINE_PORT": str(port)},
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def wait_for_banner(self, seconds: float) -> None:
        wait_until(lambda: BANNER_END in self.text or self.process.poll() is not None, seconds=seconds)
        assert BANNER_END in self.text, self.text

    def answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/admin/login/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def children(self) -> dict[str, psutil.Process]:
        """Its processes by the last word of `manage.py web` and the like."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                command = child.as_dict(["cmdline"])["cmdline"] or [""]
                if command[-2:-1] == [str(BASE_DIR / "manage.py")]:
                    found[command[-1]] = child
        return found


def is_gone(process: psutil.Process) -> bool:
    """Nobody may be there to reap it: a zombie holds nothing."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def start_up(home: Path, tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []
    port = free_port("127.0.0.1")

    def start() -> Up:
        up = Up(home, port, tmp_path / f"up{len(started)}.log")
        started.append(up)
        return up

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait()


@pytest.mark.slow
@pytest.mark.chaos
def test_up_serves_recovers_and_leaves_nothing_behind(start_up: Callable[[], Up], home: Path) -> None:
    first = start_up()
    first.wait_for_banner(60)
    assert "PostgreSQL started" in first.text
    assert "http://127.0.0.1:" in first.text
    assert first.answers()
    token = re.findall(r"cmb_[0-9a-f]{64}", first.text)[0]

    # Whatever is killed comes back.
    killed = first.children()
    assert {"web", "worker"} <= set(killed)
    for process in killed.values():
        process.kill()
    wait_until(lambda: first.children().get("web") not in (None, killed["web"]))
    wait_until(first.answers)
    place = find_postgres_home(home)
    os.kill(int((place.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    wait_until(lambda: "PostgreSQL had ended; it was started again" in first.text)
    wait_until(first.answers)

    # kill -9 takes the processes along, but not the database, which the next start attaches to.
    tree = psutil.Process(first.process.pid).children(recursive=True)
    first.process.kill()
    first.process.wait()
    wait_until(lambda: all(is_gone(process) for process in tree), seconds=3)
    # The first thread of a process may be gone a moment before the last, which holds the socket until then.
    assert port_problem("127.0.0.1", first.port, patience=3.0) is None

    second = start_up()
    second.wait_for_banner(15)
    assert "PostgreSQL found running" in second.text
    assert token in second.text
    assert second.answers()
    with psycopg.connect(host=str(place.socket_dir), user=SUPERUSER, dbname=DATABASE) as connection:
        row = connection.execute("SELECT count(*) FROM executions_execution").fetchone()
    assert row == (1,)

    third = start_up()
    assert third.process.wait(timeout=15) == 1
    assert f"Cannot listen on 127.0.0.1 port {third.port}" in third.text
    assert "COMBINE_PORT=" in third.text
    assert "Traceback" not in third.text

    tree = psutil.Process(second.process.pid).children(recursive=True)
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(timeout=10) == 0
    assert not any(process.is_running() for process in tree)
    assert "Traceback" not in second.text
