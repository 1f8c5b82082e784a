"""A receiver on a real socket that does what a test tells it, and remembers what it was sent."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer: a status, headers and a body; or something that writes to the connection by itself."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    act: Callable[[BaseHTTPRequestHandler], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class Receiver:
    """Answers with the replies it was given, in order, then with ``default``."""

    def __init__(self, *replies: Reply, default: Reply | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.at_once = 0
        self.most_at_once = 0
        self.is_closing = threading.Event()
        self._replies = deque(replies)
        self._default = default or Reply()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Wait until that many requests have come."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} requests came"
            time.sleep(0.01)

    def take(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            return self._replies.popleft() if self._replies else self._default

    def begin(self) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)

    def end(self) -> None:
        with self._lock:
            self.at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: tests break connections on purpose."""


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.begin()
            try:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = receiver.take(Received(path=self.path, headers=headers, body=body, at=time.time()))
                if reply.act is not None:
                    with contextlib.suppress(OSError):
                        reply.act(self)
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
            finally:
                receiver.end()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler
