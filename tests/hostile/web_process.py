"""A web process as it is in production: ``manage.py web`` on the test database."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

from combine.env import BASE_DIR
from combine.ports import free_port
from tests.acceptance.site import Place
from tests.hostile.corpus import Answer


class WebProcess:
    """A context manager. Whatever it says is kept in ``log``."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.port = free_port("127.0.0.1")
        self.log = home / f"web-{self.port}.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "ANTHROPIC_"))}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "web"],
                cwd=BASE_DIR,
                env={
                    **kept,
                    "DJANGO_SETTINGS_MODULE": "combine.settings",
                    "DATABASE_URL": _test_database().url,
                    "COMBINE_HOME": str(home),
                    "COMBINE_PORT": str(self.port),
                    "COMBINE_LOG_LEVEL": "warning",
                    **environment,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.get("/livez").status == 200:
                    return self
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        if exc is not None:
            exc.add_note(self.log.read_text(errors="replace")[-4000:])

    def connect(self, seconds: float = 5) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def get(self, path: str, **headers: str) -> Answer:
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
        return self.exchange("\r\n".join([*lines, "", ""]).encode())

    def exchange(self, raw: bytes) -> Answer:
        """Send bytes, and read one answer."""
        begun = time.monotonic()
        with self.connect() as connection:
            with suppress(ConnectionError):  # refused before all was sent: the answer is there to read
                connection.sendall(raw)
            return read_answer(connection, begun)

    def peak_memory(self) -> int:
        """Return the most memory that the process ever had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def written(self) -> int:
        """Return how many bytes the process has written by now, to files and elsewhere."""
        facts = dict(line.split(": ") for line in Path(f"/proc/{self.process.pid}/io").read_text().splitlines())
        return int(facts["wchar"])


def read_answer(connection: socket.socket, begun: float) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    content = response.read()
    return Answer(
        status=response.status,
        content_type=response.headers.get("Content-Type", ""),
        request_id=response.headers.get("X-Request-ID"),
        content=content,
        seconds=time.monotonic() - begun,
    )


def _test_database() -> Place:
    server = settings.DATABASES["default"]
    return Place(host=server["HOST"], port=str(server["PORT"]), user=server["USER"], name=server["NAME"])
