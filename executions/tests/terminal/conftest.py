"""A worker at work beside the command: a thread that drives whatever is active, with the test's script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from executions.models import Execution
from executions.tests.driving import Script, Scripted, drive
from executions.tests.pretend_worker import PretendWorker


class _WorkerThread(threading.Thread):
    def __init__(self, script: Script) -> None:
        super().__init__(name="worker", daemon=True)
        self._script = script
        self._stopping = threading.Event()
        self.registered = threading.Event()
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            worker = PretendWorker()
            self.registered.set()
            while not self._stopping.wait(0.02):
                for execution_id in Execution.objects.filter(status__in=("pending", "running")).values_list(
                    "pk", flat=True
                ):
                    drive(execution_id, self._script, worker)
        except BaseException as problem:
            self.problem = problem
            raise
        finally:
            self.registered.set()
            connection.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=60)
        assert self.problem is None


@pytest.fixture
def at_work(transactional_db: None) -> Iterator[Callable[..., None]]:
    """Return a function that starts the worker; it ends with the test."""
    threads: list[_WorkerThread] = []

    def begin(script: Script | None = None) -> None:
        thread = _WorkerThread(script or Scripted())
        thread.start()
        thread.registered.wait(timeout=60)
        threads.append(thread)

    yield begin
    for thread in threads:
        thread.stop()
