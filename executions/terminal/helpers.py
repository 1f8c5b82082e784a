"""What a run needs to move, started for the time of the command where it is not there: a worker, and a model.

Beside a running ``up`` nothing is started. Alone, the command brings a worker and, where the deployment has no real
model, the offline one; if ``up`` ends meanwhile, it does so from then on.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from pathlib import Path

from django.conf import settings

from executions.services import liveness
from executions.terminal.children import Child
from executions.terminal.display import Display
from executions.terminal.exits import ExitCode, Stop

HOST = "127.0.0.1"
LOOK_SECONDS = 2.0
MODEL_START_SECONDS = 15.0
# A child that ends this often, each time after so short a life, will not do better the next time.
MOST_SHORT_LIVES = 4
SHORT_LIFE_SECONDS = 10.0
# The worker gives calls in flight six seconds, then gives them back.
WORKER_STOP_SECONDS = 9.0

ROOT = Path(__file__).resolve().parents[2]


class Helpers:
    """Watches that somebody works, and starts who is missing."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._children: list[Child] = []
        self._short_lives = 0
        self._look_at = 0.0

    @property
    def pids(self) -> dict[str, int | None]:
        """The processes that were started, by name."""
        return {child.name: child.pid for child in self._children}

    def tend(self) -> None:
        """Look, every now and then, whether work goes on; start or restart what it needs.

        :raises Stop: what was started ends again and again.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if self._children:
            self._restart_ended(now)
        elif not has_live_worker():
            self._start()

    def revive(self) -> None:
        """As :meth:`tend` while the database is away: whoever ended for want of it is started again, uncounted.

        A worker that starts brings the embedded database back.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        for child in self._children:
            if not child.is_running:
                child.start()

    def _start(self) -> None:
        environment = {} if os.environ.get("COMBINE_LOG_LEVEL") else {"COMBINE_LOG_LEVEL": "warning"}
        if settings.COMBINE_OFFLINE_MODEL:
            port = settings.COMBINE_OFFLINE_MODEL_PORT
            if not answers_as_model(port):
                if is_listening(port):
                    port = _free_port()
                self._children.append(_model(port, environment))
            environment["COMBINE_OFFLINE_MODEL_PORT"] = str(port)
        command = [sys.executable, str(ROOT / "manage.py"), "worker"]
        self._children.append(Child("worker", command, environment, stop_seconds=WORKER_STOP_SECONDS))
        self._display.note("No worker is running: this command brings its own, as long as it lasts.")
        for child in self._children:
            child.start()
        if settings.COMBINE_OFFLINE_MODEL:
            _wait_for_model(port, MODEL_START_SECONDS)

    def _restart_ended(self, now: float) -> None:
        for child in self._children:
            if child.is_running:
                continue
            is_short = now - child.started_at < SHORT_LIFE_SECONDS
            self._short_lives = self._short_lives + 1 if is_short else 1
            if self._short_lives >= MOST_SHORT_LIVES:
                raise Stop(
                    ExitCode.CONFIGURATION,
                    f"The {child.name} that this command started ends again and again. It said:\n{child.last_words()}",
                )
            child.start()

    def stop(self) -> None:
        """Stop what was started, the worker before the model that it calls."""
        try:
            for child in reversed(self._children):
                child.stop()
        finally:
            for child in self._children:
                child.close()
            self._children = []


def has_live_worker() -> bool:
    """Whether a worker, anywhere, has reported within the last seconds."""
    return liveness.workers().alive_count > 0


def is_listening(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers_as_model(port: int) -> bool:
    """Whether the offline model is at home there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/livez")
        answer = json.loads(connection.getresponse().read(1_000))
        return isinstance(answer, dict) and answer.get("model") == "offline"
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _model(port: int, environment: dict[str, str]) -> Child:
    packages = os.pathsep.join(str(directory) for directory in settings.COMBINE_PACKAGES)
    command = [sys.executable, "-m", "executions.llm.offline", "--port", str(port), "--packages", packages]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return Child("offline model", command, {**environment, "PYTHONPATH": path}, stop_seconds=2.0)


def _wait_for_model(port: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not answers_as_model(port) and time.monotonic() < deadline:
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])
