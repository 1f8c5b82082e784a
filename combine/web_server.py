"""Daphne with what it lacks: a limit on bodies, problem details for what is not even HTTP, and a shutdown that lets
short requests finish.

Daphne hands a request to the application only when it has all of the body, so a limit inside the application would
come after a body of any size has been stored. Here what is over the limit is answered with 413 and thrown away.
"""

# Daphne first: it chooses the Twisted reactor at import.
from daphne.server import Server  # isort: skip

import asyncio
import gc
import json
import re
import uuid
from http import HTTPStatus
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import defer
from twisted.internet import reactor as _reactor
from twisted.web import http as _http

from combine.write_flow import SocketFlow, WriteFlow

# Twisted's stubs call the module an interface, which mypy then takes for a class; most of the other is untyped.
reactor: Any = _reactor
http: Any = _http

BODY_LIMIT = 2_000_000
DISCARD_SECONDS = 30
# Open streams are many objects, and hardly any in cycles; Python's default looks every 700.
GC_THRESHOLD = 20_000
# Of the supervisor's seven seconds for web and workers.
DRAIN_SECONDS = 5
WEBSOCKET_MESSAGE_LIMIT = 64 * 1024
WEBSOCKET_NORMAL = 1000
WEBSOCKET_RESTARTING = 1012

# RFC 9110's name, where Python still has an older one.
_TITLES = {413: "Content Too Large"}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# More digits than any length has. (Twisted would fail on thousands of them, and close without an answer.)
_LENGTH_DIGITS = 20


class BoundedChannel(http.HTTPChannel):  # type: ignore[misc]
    """A connection that answers malformed requests as all others are answered."""

    def headerReceived(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and len(value.strip()) > _LENGTH_DIGITS:
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(super().headerReceived(line))

    def lineLengthExceeded(self, line: bytes) -> None:
        self._respondToBadRequestAndDisconnect()

    def _respondToBadRequestAndDisconnect(self) -> None:
        headers, body = _problem(400, "This is no HTTP request that we take.", "BAD_REQUEST", b"")
        self.transport.write(_last_message(400, headers, body))
        self.loseConnection()


class BoundedRequest(WebRequest):  # type: ignore[misc] # Daphne has no types
    """A request whose body is never stored beyond the limit."""

    flow: WriteFlow | None = None
    _received = 0
    _is_refused = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would read forms, at length and for nobody: the application has the body.
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)

    def handle_reply(self, message: Any) -> None:
        if message.get("type") == "http.response.start" and self.channel is not None:
            self.flow = _flow_of(self.channel)
            if (b"Content-Type", b"text/event-stream") in message.get("headers", ()):
                self.flow.limit_kernel()
        super().handle_reply(message)

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
            # Daphne would believe any client that says where the site is mounted.
            self.requestHeaders.removeHeader(b"daphne-root-path")
            return super().process()
        self.channel.loseConnection()
        return None

    def _refuse(self) -> None:
        """Answer at once, then read on and throw away: a client that is still sending would not see the answer."""
        self._is_refused = True
        self.requestHeaders.removeHeader(b"expect")  # "100 Continue" is not what follows
        detail = f"The body of a request may have {BODY_LIMIT:,} bytes."
        headers, body = _problem(413, detail, "BODY_TOO_LARGE", self._asked_id)
        self.channel.transport.write(_last_message(413, headers, body))
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
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
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


def _last_message(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """An answer as it goes over a connection that ends with it."""
    first = f"HTTP/1.1 {status} {_TITLES.get(status) or HTTPStatus(status).phrase}".encode()
    lines = [first, *(b": ".join(header) for header in headers), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class BoundedSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket whose limits are for what comes in, and that may be closed with every code there is."""

    # Otherwise a message over the limit ends the connection, and its sender is not told why (1009).
    failByDrop = False
    maxMessagePayloadSize: int
    flow: WriteFlow | None = None

    def onOpen(self) -> None:
        super().onOpen()
        # In place of the HTTP channel's, which pauses what it has handed over.
        self.flow = SocketFlow(self.transport)
        self.flow.limit_kernel()
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.flow, True)

    def serverSend(self, content: Any, binary: bool = False) -> None:
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().serverSend(content, binary)
        finally:
            self.maxMessagePayloadSize = limit

    def serverClose(self, code: int | None = None) -> None:
        # Not sendClose: that refuses the codes with which servers say that they go, or are too busy.
        self.sendCloseFrame(code=WEBSOCKET_NORMAL if code is None else code)


class WebServer(Server):  # type: ignore[misc]
    """Daphne's server with our protocols, back-pressure and our shutdown."""

    def __init__(self, application: Any, *, host: str, port: int) -> None:
        escaped = host.replace("\\", "\\\\").replace(":", "\\:")
        super().__init__(
            application,
            endpoints=[f"tcp:port={port}:interface={escaped}"],
            websocket_max_message_size=WEBSOCKET_MESSAGE_LIMIT,
            websocket_max_frame_size=WEBSOCKET_MESSAGE_LIMIT,
            # How long a socket may be open is for the application to say, which knows how to say it.
            websocket_timeout=-1,
            server_name="",
            verbosity=1,
        )
        self.ports: list[Any] = []
        self.listen_problem: str | None = None

    def run(self) -> None:
        HTTPFactory.protocol = lambda _: http._GenericHTTPChannelProtocol(BoundedChannel())
        HTTPFactory.buildProtocol = _build_protocol
        WebSocketFactory.protocol = BoundedSocket
        # What was imported stays. (Measured: each look at all of it stops every request for 90 ms.)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        super().run()

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Pass a message of the application on; it comes back when the connection can take more."""
        await super().handle_reply(protocol, message)
        if protocol.flow is not None and (message.get("more_body") or message["type"] == "websocket.send"):
            await protocol.flow.until_writable()

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
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.05)


def _flow_of(channel: Any) -> WriteFlow:
    """Return the flow of an HTTP connection, made for its first answer: what is left of one holds up the next."""
    flow: WriteFlow | None = getattr(channel, "combine_flow", None)
    if flow is None:
        flow = channel.combine_flow = WriteFlow(channel.transport)
        channel.registerProducer(flow, True)
    return flow


_daphne_build_protocol = HTTPFactory.buildProtocol


def _build_protocol(factory: HTTPFactory, address: Any) -> Any:
    protocol = _daphne_build_protocol(factory, address)
    # An HTTP/2 or TLS channel wraps the protocol; both ends understand this attribute.
    protocol.requestFactory = BoundedRequest
    return protocol
