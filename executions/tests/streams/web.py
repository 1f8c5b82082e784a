"""A web process on the test's database, and what stands beside it: a Redis of its own, an account's session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.urls import re_path
from knox.models import AuthToken

from executions.streams.consumers import ExecutionEventStream, ExecutionSocket
from executions.streams.hub import Hub
from executions.streams.timing import Timing

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"


def database_url() -> str:
    """Return where Django's connection of this process leads."""
    place = connection.settings_dict
    return f"postgresql://{place['USER']}@/{place['NAME']}?host={quote(place['HOST'], safe='')}&port={place['PORT']}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline, "the process does not listen"
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.02)


class WebProcess:
    """``manage.py web``."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "web"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "combine.settings",  # those of tests would not listen to what follows
                    "DATABASE_URL": database_url(),
                    "COMBINE_HOST": HOST,
                    "COMBINE_PORT": str(self.port),
                    "COMBINE_THROTTLE": "off",
                    **environment,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(self.port, self.process)

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)


class RedisProcess:
    """A Redis server that keeps nothing."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("there is no redis-server: install the package of that name (apt-get install redis-server)")
        self._program: str = program
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory(prefix="combine-redis-")
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        command = [self._program, "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, cwd=self._directory.name, stdout=subprocess.DEVNULL)
        wait_for(self.port, self.process)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def end(self) -> None:
        self.stop()
        self._directory.cleanup()


def bearer(user: User) -> dict[str, str]:
    """Return the header of a new token."""
    _, token = AuthToken.objects.create(user)
    return {"Authorization": f"Bearer {token}"}


def session(user: User) -> SessionStore:
    """Log an account in."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store


def cookie(store: SessionStore) -> dict[str, str]:
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={store.session_key}"}


class ThreadedServer:
    """The consumers alone, in a thread of the test's process, on another server than ours; with other timings."""

    def __init__(self, timing: Timing) -> None:
        hub = Hub(timing)
        routes: list[Any] = [
            re_path(r"^api/v1/executions/(?P<execution_id>[^/]+)/stream$", ExecutionEventStream.as_asgi(hub=hub)),  # type: ignore[arg-type]
            re_path(r"^ws/executions/(?P<execution_id>[^/]+)$", ExecutionSocket.as_asgi(hub=hub)),  # type: ignore[arg-type]
        ]
        application = ProtocolTypeRouter({"http": URLRouter(routes), "websocket": URLRouter(routes)})
        self.port = free_port()
        config = uvicorn.Config(application, host=HOST, port=self.port, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    def _run(self) -> None:
        asyncio.run(self._server.serve())


@contextlib.contextmanager
def ended(*processes: WebProcess | RedisProcess) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.end()
