"""One answer of the test model on its way: bytes, pauses and faults."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable

from executions.llm.offline import sse
from executions.llm.offline.replies import Reply
from executions.llm.offline.wire import STREAM_END, HttpConnection, stream_chunk, stream_head
from executions.llm.values import JSON

_PAGE = b"<!DOCTYPE html><html><body><h1>Welcome to the hotel network</h1></body></html>"
_BROKEN_EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":\n\n'
_PING_SECONDS = 0.1
_HANGING = ("hang", "hang_mid", "pings")


class End(enum.Enum):
    """How an answer ended: whole, by the fault that was asked for, or because the other side hung up."""

    FINISHED = enum.auto()
    FAULTED = enum.auto()
    DISCONNECTED = enum.auto()


class Transmission:
    """Sends ``text`` as ``reply`` says and calls ``on_end`` once."""

    def __init__(
        self,
        connection: HttpConnection,
        body: JSON,
        reply: Reply,
        text: str,
        number: int,
        *,
        on_end: Callable[[End], None],
    ) -> None:
        self._connection = connection
        self._body = body
        self._reply = reply
        self._text = text
        self._number = number
        self._on_end = on_end
        self._fault = reply.fault or ""
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: list[str] = []
        connection.on_lost = self._lost

    def begin(self) -> None:
        """Send the first of it. To one who has hung up nothing is sent."""
        if self._connection.on_lost is None:
            return
        self._after(self._reply.start_delay, self._send_head)

    def _after(self, delay: float, step: Callable[[], None]) -> None:
        """Run ``step``: at once if there is nothing to wait for, so that a reply without pauses is one go."""
        if delay > 0:
            self._timer = asyncio.get_running_loop().call_later(delay, step)
        else:
            step()

    def _lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connection.on_lost = None
        self._on_end(End.DISCONNECTED)

    def _end(self) -> None:
        self._connection.on_lost = None
        self._on_end(End.FAULTED if self._fault and self._fault != "tool_use" else End.FINISHED)

    def _send_head(self) -> None:
        kind, _, detail = self._fault.partition(":")
        if kind == "hang":
            return
        if kind == "close":
            self._cut()
        elif kind == "status":
            self._refuse(int(detail))
        elif kind == "redirect":
            self._whole(302, b"", headers="Location: http://127.0.0.1:9/elsewhere\r\n")
        elif kind == "html":
            self._whole(200, _PAGE, content_type="text/html")
        elif kind == "json":
            self._whole(200, b'{"ok": true}')
        elif not self._body.get("stream"):
            self._after(self._reply.delay, self._send_message)
        else:
            self._begin_stream()

    def _cut(self) -> None:
        self._end()
        self._connection.abort()

    def _refuse(self, status: int) -> None:
        reply = self._reply
        body = sse.error_body(
            reply.error_type or "api_error",
            reply.error_message,
            error_code=reply.error_code,
            request_id=self._request_id,
        )
        headers = f"request-id: {self._request_id}\r\n"
        if reply.retry_after is not None:
            headers += f"retry-after: {reply.retry_after}\r\n"
        self._whole(status, body, headers=headers)

    def _whole(self, status: int, body: bytes, *, content_type: str = "application/json", headers: str = "") -> None:
        self._connection.respond(status, body, content_type=content_type, headers=headers)
        self._end()

    def _send_message(self) -> None:
        message = sse.message_body(
            message_id=self.message_id,
            model=self._body.get("model", ""),
            text=self._text * self._reply.repeat,
            stop_reason=self._reply.stop_reason or "end_turn",
            usage=self.usage,
        )
        self._whole(200, json.dumps(message).encode(), headers=f"request-id: {self._request_id}\r\n")

    def _begin_stream(self) -> None:
        head = stream_head(self._request_id)
        if self._fault == "html_stream":
            self._connection.write(head + stream_chunk(_PAGE) + STREAM_END)
            return self._end()
        if self._fault == "no_start":
            self._connection.write(head + STREAM_END)
            return self._end()
        start = sse.message_start(
            message_id=self.message_id, model=self._body.get("model", ""), usage=self._input_usage
        )
        self._pieces = list(sse.split_text(self._text, self._reply.chunk_count)) * self._reply.repeat
        self._pieces.reverse()
        opening = start + sse.TEXT_BLOCK_START
        if self._fault == "tool_use":
            opening = start + _tool_use()
            self._pieces = []
        if self._fault and self._fault != "tool_use":
            return self._send_half(head, opening)
        if self._reply.delay > 0 or (self._reply.chunk_delay > 0 and self._pieces):
            self._connection.write(head + stream_chunk(opening))
            return self._after(self._reply.delay, self._send_piece)
        return self._send_rest(head, opening)

    def _send_piece(self) -> None:
        """Send the next piece and wait, or, without a pause between pieces, all that is left."""
        if self._reply.chunk_delay <= 0 or not self._pieces:
            return self._send_rest(b"", b"")
        self._connection.write(stream_chunk(sse.text_delta(self._pieces.pop())))
        if not self._pieces:
            return self._send_rest(b"", b"")
        return self._after(self._reply.chunk_delay, self._send_piece)

    def _send_rest(self, head: bytes, opening: bytes) -> None:
        events = [opening, *(sse.text_delta(piece) for piece in reversed(self._pieces)), self._closing()]
        self._connection.write(head + stream_chunk(b"".join(events)) + STREAM_END)
        self._end()

    def _closing(self) -> bytes:
        delta = sse.message_delta(stop_reason=self._reply.stop_reason, output_tokens=self._output_tokens)
        return sse.BLOCK_STOP + delta + sse.MESSAGE_STOP

    def _send_half(self, head: bytes, opening: bytes) -> None:
        half = self._text[: max(1, len(self._text) // 2)]
        self._connection.write(head + stream_chunk(opening + sse.text_delta(half)))
        self._after(self._reply.delay, self._fail)

    def _fail(self) -> None:
        kind, _, detail = self._fault.partition(":")
        if kind == "cut":
            self._cut()
        elif kind == "pings":
            self._connection.write(stream_chunk(sse.PING))
            self._after(_PING_SECONDS, self._fail)
        elif kind == "error":
            self._finish_with(sse.error(detail, self._reply.error_message))
        elif kind == "bad_json":
            self._finish_with(_BROKEN_EVENT)
        elif kind == "no_stop":
            self._finish_with(b"")
        elif kind not in _HANGING:
            raise ValueError(f"unknown fault: {self._fault}")

    def _finish_with(self, data: bytes) -> None:
        self._connection.write((stream_chunk(data) if data else b"") + STREAM_END)
        self._end()

    @property
    def _request_id(self) -> str:
        return f"req_scripted_{self._number}"

    @property
    def message_id(self) -> str:
        return f"msg_scripted_{self._number}"

    @property
    def usage(self) -> JSON:
        """What the whole answer comes to."""
        return {**self._input_usage, "output_tokens": self._output_tokens}

    @property
    def _input_usage(self) -> JSON:
        given = {key: value for key, value in self._reply.usage.items() if key != "output_tokens"}
        return {"input_tokens": len(sse.prompt_text(self._body)) // 4, **given}

    @property
    def _output_tokens(self) -> int:
        return int(self._reply.usage.get("output_tokens", max(1, len(self._text) * self._reply.repeat // 4)))


def _tool_use() -> bytes:
    block = {"type": "tool_use", "id": "toolu_1", "name": "accept_document", "input": {}}
    return sse.event("content_block_start", {"index": 0, "content_block": block})
