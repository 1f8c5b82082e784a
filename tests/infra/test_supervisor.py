"""The supervisor with small children: they are started again, stopped in order, and never outlive it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.infra.conftest import python_environment

# A supervisor of two: "first" starts a grandchild, "last" is stopped after it. Each says its pid.
_SUPERVISOR = """
import sys
from combine.supervised import ChildSpec
from combine.supervisor import Log, Supervisor
child = sys.argv[1]
Supervisor([
    ChildSpec(name="first", command=(sys.executable, "-c", child, "first"), stop_seconds=float(sys.argv[2])),
    ChildSpec(name="last", command=(sys.executable, "-c", child, "last"), stop_rank=1, stop_seconds=1.0),
], Log()).run()
print("supervisor done", flush=True)
"""

_CHILD = """
import os, signal, subprocess, sys, time
name = sys.argv[1]
grandchild = subprocess.Popen(["sleep", "300"]) if name == "first" else None
def stop(number, frame):
    print("stopping", flush=True)
    if grandchild: grandchild.terminate()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(0))
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(300)
"""

_STUBBORN_CHILD = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(300)
"""


class Running:
    """A supervisor in a process of its own, and what it has logged."""

    def __init__(self, log: Path, child: str, stop_seconds: float) -> None:
        self._log = log
        self._file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, child, str(stop_seconds)],
            stdout=self._file,
            stderr=self._file,
            env=python_environment(),
        )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"^{name} +\| pid (\d+)$", self.text, re.MULTILINE)]

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        if self.process.poll() is None:
            for process in self.tree():
                process.kill()
            self.process.kill()
        self.process.wait()
        self._file.close()


def wait_until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start_supervisor(child: str = _CHILD, *, stop_seconds: float = 5.0) -> Running:
        running = Running(tmp_path / f"log{len(started)}", child, stop_seconds)
        started.append(running)
        wait_until(lambda: bool(running.pids("first") and running.pids("last")))
        return running

    yield start_supervisor
    for running in started:
        running.close()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGUSR1, "ended with exit code 0")]
)
def test_a_child_that_ends_in_any_way_is_started_again(
    start: Callable[..., Running], number: signal.Signals, said: str
) -> None:
    running = start()
    grandchildren = psutil.Process(running.pids("first")[0]).children()

    os.kill(running.pids("first")[0], number)

    wait_until(lambda: len(running.pids("first")) == 2)
    assert f"first {said}; starting it again in 0.2 s" in running.text
    assert len(grandchildren) == 1
    wait_until(lambda: all(is_gone(process) for process in grandchildren))
    assert len(running.pids("last")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_children_in_order(start: Callable[..., Running], number: signal.Signals) -> None:
    running = start()
    tree = running.tree()

    running.process.send_signal(number)

    assert running.process.wait(timeout=5) == 0
    stopping = re.findall(r"^(\w+) +\| stopping", running.text, re.MULTILINE)
    assert stopping == ["first", "last"]
    assert running.text.endswith("supervisor done\n")
    assert all(is_gone(process) for process in tree)


def test_a_child_that_ignores_the_request_is_killed_when_its_time_is_up(start: Callable[..., Running]) -> None:
    running = start(_STUBBORN_CHILD, stop_seconds=0.5)
    tree = running.tree()

    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(timeout=5) == 0
    assert all(is_gone(process) for process in tree)


def test_a_second_signal_does_not_wait(start: Callable[..., Running]) -> None:
    running = start(_STUBBORN_CHILD, stop_seconds=60)

    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)

    assert running.process.wait(timeout=5) == 0


def test_nothing_outlives_a_supervisor_killed_with_9(start: Callable[..., Running]) -> None:
    running = start()
    tree = running.tree()
    assert len(tree) == 4  # Two children, a grandchild, the guard.

    running.process.kill()

    wait_until(lambda: all(is_gone(process) for process in tree), seconds=2)


def test_a_killed_guard_is_replaced_and_knows_the_children(start: Callable[..., Running]) -> None:
    running = start()
    old = [process for process in running.tree() if "guard" in process.cmdline()]
    old[0].kill()
    wait_until(lambda: any("guard" in p.cmdline() and p != old[0] for p in running.tree() if not is_gone(p)))
    tree = running.tree()

    running.process.kill()

    wait_until(lambda: all(is_gone(process) for process in tree), seconds=2)


def test_a_supervisor_killed_while_it_starts_children_leaves_none(tmp_path: Path) -> None:
    child = f"{_CHILD}# {tmp_path}\n"  # told apart from those of other tests
    for delay in (0.05, 0.1, 0.15, 0.2, 0.25):
        running = Running(tmp_path / f"log{delay}", child, 5.0)
        time.sleep(delay)
        seen = running.tree()
        running.process.kill()
        running.close()
        wait_until(lambda seen=seen: all(is_gone(process) for process in seen), seconds=2)  # type: ignore[misc]
        wait_until(lambda: not [p for p in psutil.process_iter(["cmdline"]) if child in (p.info["cmdline"] or [])])


def test_the_log_of_a_reader_that_went_away_does_not_stop_the_work(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, _CHILD, "5"],
        stdout=subprocess.PIPE,
        env=python_environment(),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    children = psutil.Process(process.pid).children()
    os.kill(next(child.pid for child in children if "guard" not in child.cmdline()), signal.SIGKILL)
    time.sleep(0.5)

    assert process.poll() is None
    process.terminate()
    # The last print of the script itself meets the closed pipe.
    process.wait(timeout=5)
