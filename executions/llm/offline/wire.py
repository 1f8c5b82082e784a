"""A bare HTTP/1.1 server on ``asyncio.Protocol``, for the test model only.

A framework costs more per request than everything else the test model does, and it hides what the
fault tests are about: bytes that stop in mid-stream, and sockets that the other side has closed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    body: bytes


class HttpConnection(asyncio.Protocol):
    """One keep-alive connection: hands each complete request to ``handler``, which writes through this object."""

    def __init__(self, handler: Callable[[HttpConnection, HttpRequest], None], open_connections: set[HttpConnection]):
        self._handler = handler
        self._open_connections = open_connections
        self._buffer = b""
        self._body_end = -1
        self._transport: asyncio.Transport | None = None
        self.on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._open_connections.discard(self)
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None:
            head_end = self._buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = self._buffer[:head_end]
            length = _CONTENT_LENGTH.search(head)
            body_start = head_end + 4
            body_end = body_start + (int(length[1]) if length else 0)
            if len(self._buffer) < body_end:
                return
            method, path, _ = head[: head.index(b"\r\n")].decode("latin-1").split(" ", 2)
            body = self._buffer[body_start:body_end]
            self._buffer = self._buffer[body_end:]
            self._handler(self, HttpRequest(method, path, body))

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def respond(self, status: int, body: bytes, *, content_type: str = "application/json", headers: str = "") -> None:
        """Write a whole answer; the connection stays open."""
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self.write(head.encode("latin-1") + body)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close after what has been written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\nrequest-id: %s\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


def stream_head(request_id: str) -> bytes:
    """Return the head of an event stream of unknown length."""
    return STREAM_HEAD % request_id.encode("latin-1")


def stream_chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
