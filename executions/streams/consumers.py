"""The two doors to a stream: server-sent events, and a WebSocket. Both are opened by the same view, through Django.

A consumer that stayed in its handler would not be told that its client has left, so the work is done in a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from executions.api.frames import KEEPALIVE, RETRY, Frame
from executions.api.views.streams import StreamResponse
from executions.streams.feeds import Ending
from executions.streams.hub import Hub
from executions.streams.pump import Pump
from executions.streams.readers import OpeningHandler

logger = logging.getLogger(__name__)

MAX_MESSAGES_A_SECOND = 20
# The last thing that is written to a client that reads nothing more may wait this long.
_LAST_WRITE_SECONDS = 1.0

# WebSocket close codes: RFC 6455, and ours, which are 4000 + the status of the same refusal.
NORMAL = 1000
AWAY = 1001
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
_CODE_OF_ENDING = {
    Ending.OVER: NORMAL,
    Ending.TOO_SLOW: TRY_AGAIN_LATER,
    Ending.SIGNED_OUT: 4401,
    Ending.NOT_VISIBLE: 4404,
    Ending.GOING_AWAY: AWAY,
}
_CODE_OF_STATUS = {204: NORMAL, 400: 4400, 401: 4401, 403: 4403, 404: 4404, 429: TRY_AGAIN_LATER, 503: TRY_AGAIN_LATER}

_opener = OpeningHandler()


class ExecutionEventStream(AsyncHttpConsumer):
    """``GET /api/v1/executions/{id}/stream``."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        self._has_begun = False
        self._is_open = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # the client has left, or the server is being stopped
            await _end(self._task)
            await self._close()

    async def http_request(self, message: Any) -> None:
        if not message.get("more_body"):
            self._task = asyncio.create_task(self._serve())

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        await self.send_body(b"".join(frame.sse for frame in frames), more_body=True)

    async def send_keepalive(self) -> None:
        await self.send_body(KEEPALIVE, more_body=True)

    async def _serve(self) -> None:
        try:
            response = await self._hub.readers.run_in_turn(partial(_opener.open, self.scope))
            self._has_begun = True
            await self.send_headers(status=response.status_code, headers=list(_headers(response)))
            if not isinstance(response, StreamResponse) or self.scope["method"] != "GET":
                await self.send_body(_content(response))
                return
            self._is_open = True
            await self.send_body(RETRY, more_body=True)
            await Pump(self._hub, response.opening, self).run()
        except Exception:  # nobody waits for this task: what is not said here is said nowhere
            logger.exception("A stream failed", extra=_failure(self.scope))
            if not self._has_begun:
                await self.send_response(500, b"")
        await self._close()

    async def _close(self) -> None:
        """End the answer in order, so that its reader comes again with the last id that it has got."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_SECONDS):
                    await self.send_body(b"")


class ExecutionSocket(AsyncWebsocketConsumer):
    """``/ws/executions/{id}``. What clients send is counted, and not read."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        self._received: deque[float] = deque(maxlen=MAX_MESSAGES_A_SECOND + 1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await _end(self._task)

    async def connect(self) -> None:
        # A refusal before this would be a bare 403, without a reason that the client could read.
        await self.accept()
        self._task = asyncio.create_task(self._serve())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        now = asyncio.get_running_loop().time()
        self._received.append(now)
        if len(self._received) > MAX_MESSAGES_A_SECOND and now - self._received[0] < 1:
            await _end(self._task)
            await self.close(POLICY_VIOLATION)

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            await self.send(text_data=frame.text)

    async def send_keepalive(self) -> None:
        """The server's own pings do this."""

    async def _serve(self) -> None:
        try:
            response = await self._hub.readers.run_in_turn(partial(_opener.open, self._opening_scope()))
            if isinstance(response, StreamResponse):
                code = _CODE_OF_ENDING[await Pump(self._hub, response.opening, self).run()]
            else:
                code = _CODE_OF_STATUS.get(response.status_code, INTERNAL_ERROR)
        except Exception:
            logger.exception("A stream failed", extra=_failure(self.scope))
            code = INTERNAL_ERROR
        await self.close(code)

    def _opening_scope(self) -> dict[str, Any]:
        """Return the scope of the HTTP request that opens the same stream."""
        execution_id = self.scope["url_route"]["kwargs"]["execution_id"]
        path = f"/api/v1/executions/{execution_id}/stream"
        return {
            **self.scope,
            "type": "http",
            "method": "GET",
            "scheme": "https" if self.scope.get("scheme") == "wss" else "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "is_websocket": True,
        }


class UnknownSocket(AsyncWebsocketConsumer):
    """Every other path of WebSockets."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(4404)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _failure(scope: Any) -> dict[str, Any]:
    """Return what the log is told of a stream that failed."""
    named = scope.get("url_route", {}).get("kwargs", {}).get("execution_id", "")
    return {"action": "stream_failed", "path": scope["path"], "execution_id": named[:64]}


def _headers(response: HttpResponseBase) -> Iterable[tuple[bytes, bytes]]:
    for name, value in response.items():
        if not (isinstance(response, StreamResponse) and name.lower() == "content-length"):
            yield name.encode("ascii"), value.encode("latin1")
    for cookie in response.cookies.values():
        yield b"Set-Cookie", cookie.output(header="").strip().encode("latin1")


def _content(response: HttpResponseBase) -> bytes:
    return response.content if isinstance(response, HttpResponse) else b""
