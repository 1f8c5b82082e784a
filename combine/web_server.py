"""Daphne with what it lacks: a limit on request bodies, and a shutdown that lets short requests finish.

Daphne hands a request to the application only when it has all of the body, so a limit inside the application would
come after a body of any size has been stored. Here what is over the limit is answered with 413 and thrown away.
"""

# Daphne first: it chooses the Twisted reactor at import.
from daphne.server import Server  # isort: skip

import asyncio
import json
import re
import uuid
from http import HTTPStatus
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import defer
from twisted.internet import reactor as _reactor

# Twisted's stubs call the module an interface, which mypy then takes for a class.
reactor: Any = _reactor

BODY_LIMIT = 2_000_000
DISCARD_SECONDS = 30
# Of the supervisor's seven seconds for web and workers.
DRAIN_SECONDS = 5
WEBSOCKET_MESSAGE_LIMIT = 64 * 1024
WEBSOCKET_RESTARTING = 1012

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class BoundedRequest(WebRequest):  # type: ignore[misc] # Daphne has no types
    """A request whose body is never stored beyond the limit."""

    _received = 0
    _is_refused = False

    def gotLength(self, length: int | None) -> None:
        # A refused body is not stored, so none of it needs to be expected.
        super().gotLength(0 if (length or 0) > BODY_LIMIT else length)
        if (length or 0) > BODY_LIMIT:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > BODY_LIMIT and not self._is_refused:
            self._refuse()
        if not self._is_refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        if not self._is_refused:
            return super().process()
        self.channel.loseConnection()
        return None

    def _refuse(self) -> None:
        """Answer at once, then read on and throw away: a client that is still sending would not see the answer."""
        self._is_refused = True
        detail = f"The body of a request may have {BODY_LIMIT:,} bytes."
        headers, body = _problem(413, detail, "BODY_TOO_LARGE", self._asked_id)
        lines = [b"HTTP/1.1 413 Content Too Large", *(b": ".join(header) for header in headers), b"Connection: close"]
        self.channel.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        reactor.callLater(DISCARD_SECONDS, self._give_up)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's own errors: malformed requests, and an application that failed."""
        code = "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
        headers, content = _problem(status, body, code, self._asked_id)
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": content})

    def handle_exception(self, exception: Exception) -> None:
        """An answer that has begun can only be cut. (Daphne would begin another, fail, and stop looking after all
        its connections from then on.)"""
        if self._response_started:
            self._give_up()
        else:
            super().handle_exception(exception)

    @property
    def _asked_id(self) -> bytes:
        return bytes(self.requestHeaders.getRawHeaders(b"x-request-id", [b""])[0])

    def _give_up(self) -> None:
        if self.channel is not None and self.channel.transport is not None:
            self.channel.transport.abortConnection()


def _problem(status: int, detail: str, code: str, asked_id: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of an answer that no application gave (RFC 9457, as the API's own)."""
    request_id = asked_id if _REQUEST_ID.fullmatch(asked_id) else str(uuid.uuid4()).encode()
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id.decode(),
    }
    body = json.dumps(problem).encode()
    headers = [
        (b"Content-Type", b"application/problem+json"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"X-Request-ID", request_id),
    ]
    return headers, body


class WebServer(Server):  # type: ignore[misc]
    """Daphne's server with our request class and our shutdown."""

    def __init__(self, application: Any, *, host: str, port: int) -> None:
        escaped = host.replace("\\", "\\\\").replace(":", "\\:")
        super().__init__(
            application,
            endpoints=[f"tcp:port={port}:interface={escaped}"],
            websocket_max_message_size=WEBSOCKET_MESSAGE_LIMIT,
            websocket_max_frame_size=WEBSOCKET_MESSAGE_LIMIT,
            server_name="",
            verbosity=1,
        )
        self.ports: list[Any] = []
        self.listen_problem: str | None = None

    def run(self) -> None:
        HTTPFactory.buildProtocol = _build_protocol
        super().run()

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    def listen_error(self, failure: Any) -> None:
        self.listen_problem = failure.getErrorMessage()
        # Not at once: the reactor may not be running yet, and would then start without a listener.
        reactor.callLater(0, self.stop)

    def kill_all_applications(self) -> Any:
        """Close the door, end streams and sockets, give requests in flight some seconds."""
        for port in self.ports:
            port.stopListening()
        finishing = set()
        for protocol, details in list(self.connections.items()):
            application = details.get("application_instance")
            if application is None or application.done():
                continue
            if isinstance(protocol, WebSocketProtocol):
                protocol.handle_reply({"type": "websocket.close", "code": WEBSOCKET_RESTARTING})
            elif not protocol._response_started:
                finishing.add(application)
                continue
            application.cancel()
        return defer.Deferred.fromFuture(asyncio.ensure_future(_finish(finishing)))


async def _finish(applications: set[asyncio.Future[None]]) -> None:
    if applications:
        _, late = await asyncio.wait(applications, timeout=DRAIN_SECONDS)
        for application in late:
            application.cancel()
    # One more turn, for what was written last to leave.
    await asyncio.sleep(0.05)


_daphne_build_protocol = HTTPFactory.buildProtocol


def _build_protocol(factory: HTTPFactory, address: Any) -> Any:
    protocol = _daphne_build_protocol(factory, address)
    # An HTTP/2 or TLS channel wraps the protocol; both ends understand this attribute.
    protocol.requestFactory = BoundedRequest
    return protocol
