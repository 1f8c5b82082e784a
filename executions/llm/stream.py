"""Reads the Messages API's event stream: bytes in, one message out.

The SDK's own stream builds a model object per event, accumulates, and ends a stream that stops in
the middle without a word. Here an event is a ``json.loads``, and a message is only a message when its
``message_stop`` has come.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from executions.llm.classify import error_from_stream_event
from executions.llm.errors import OutputTooLarge, ProtocolError, ProxyGarbage, Truncated
from executions.llm.values import JSON, CallProgress, ModelResponse

TEXT_BLOCKS = frozenset({"text", "thinking", "redacted_thinking"})
FINAL_STOP_REASONS = frozenset({"end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded", "refusal"})
_MAX_EVENT_BYTES = 4_000_000


class MessageReader:
    """The state of one answer. ``progress`` is updated in place while it comes."""

    def __init__(
        self,
        progress: CallProgress,
        *,
        max_text_bytes: int,
        on_text: Callable[[str], None] | None,
        on_usage: Callable[[JSON], None] | None,
    ) -> None:
        self._progress = progress
        self._max_text_bytes = max_text_bytes
        self._on_text = on_text
        self._on_usage = on_usage
        self._buffer = b""
        self._texts: list[str] = []
        progress.texts = self._texts
        self._text_bytes = 0
        self._stop_reason: str | None = None
        self._stop_details: JSON | None = None
        self._handlers: dict[str, Callable[[JSON], None]] = {
            "content_block_delta": self._block_delta,
            "content_block_start": self._block_start,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }
        self._has_new_usage = False
        self.is_complete = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body. Return whether the message went on: pings are no progress.

        :raises LLMError: when what came is an error, or nothing that we can use.
        """
        if b"\r" in data:
            data = data.replace(b"\r", b"")
        whole, separator, self._buffer = (self._buffer + data).rpartition(b"\n\n")
        if len(self._buffer) > _MAX_EVENT_BYTES:
            raise ProxyGarbage("the model's stream holds an event without end", progress=self._progress)
        if not separator:
            return False
        first_new = len(self._texts)
        has_progress = False
        for event in whole.decode("utf-8", "replace").split("\n\n"):
            has_progress = self._take(event) or has_progress
        self._tell(first_new)
        return has_progress

    def response(self) -> ModelResponse:
        """Return the finished message. :raises LLMError: if the stream ended before it did."""
        progress = self._progress
        if progress.message_id is None and self._buffer.strip():
            raise ProxyGarbage("the model's stream is no event stream", progress=progress)
        if not self.is_complete:
            raise Truncated("the model's stream ended before the message did", progress=progress)
        if self._stop_reason is None:
            raise Truncated("the model's message ended without a stop reason", progress=progress)
        if self._stop_reason not in FINAL_STOP_REASONS:
            raise ProtocolError(f"unexpected stop reason {self._stop_reason[:64]!r}", progress=progress)
        return ModelResponse(
            text="".join(self._texts),
            stop_reason=self._stop_reason,
            usage=progress.usage,
            model=progress.model or "",
            message_id=progress.message_id or "",
            request_id=progress.request_id,
            latency_ms=progress.latency_ms,
            ttft_ms=progress.ttft_ms,
            stop_details=self._stop_details,
        )

    def _tell(self, first_new: int) -> None:
        """Tell what is new, once per read: watchers want pieces, not every token."""
        if self._on_text is not None and len(self._texts) > first_new:
            self._on_text("".join(self._texts[first_new:]))
        if self._on_usage is not None and self._has_new_usage:
            self._has_new_usage = False
            self._on_usage(self._progress.usage)

    def _take(self, event: str) -> bool:
        if event.startswith("event: ping"):
            return False
        data = _event_data(event)
        if not data:
            return self._refuse_foreign(event)
        try:
            payload = json.loads(data)
            kind = payload["type"]
            handler = self._handlers.get(kind)
            if handler is not None:
                handler(payload)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # ValueError includes JSONDecodeError. The text is not quoted: it may be the model's.
            raise ProxyGarbage("the model's stream holds an event that is none", progress=self._progress) from None
        return bool(kind != "ping")

    def _refuse_foreign(self, event: str) -> bool:
        """Accept comments and blank lines; anything else without data is not an event stream."""
        if all(line.startswith((":", "event:", "id:", "retry:")) or not line for line in event.split("\n")):
            return False
        raise ProxyGarbage("the model's stream is no event stream", progress=self._progress)

    def _message_start(self, payload: JSON) -> None:
        message = payload["message"]
        self._progress.message_id = str(message["id"])
        self._progress.model = str(message["model"])
        self._update_usage(message.get("usage"))

    def _block_start(self, payload: JSON) -> None:
        block = payload["content_block"]
        if block["type"] not in TEXT_BLOCKS:
            raise ProtocolError(f"unexpected content of type {str(block['type'])[:64]!r}", progress=self._progress)
        if block["type"] == "text" and block.get("text"):
            self._add_text(block["text"])

    def _block_delta(self, payload: JSON) -> None:
        delta = payload["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            self._add_text(delta["text"])
        elif kind == "input_json_delta":
            raise ProtocolError("unexpected tool input", progress=self._progress)

    def _add_text(self, text: str) -> None:
        self._texts.append(text)
        self._progress.text_chars += len(text)
        self._text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._text_bytes > self._max_text_bytes:
            raise OutputTooLarge(f"the model wrote more than {self._max_text_bytes:,} bytes", progress=self._progress)

    def _message_delta(self, payload: JSON) -> None:
        delta = payload["delta"]
        self._stop_reason = delta.get("stop_reason") or self._stop_reason
        self._stop_details = delta.get("stop_details") or self._stop_details
        self._update_usage(payload.get("usage"))

    def _message_stop(self, payload: JSON) -> None:
        if self._progress.message_id is None:
            raise ProxyGarbage("the model's stream ended a message that it never began", progress=self._progress)
        self.is_complete = True

    def _error(self, payload: JSON) -> None:
        raise error_from_stream_event(payload, self._progress)

    def _update_usage(self, usage: Any) -> None:
        """Merge what is reported now: later figures are cumulative, and ``null`` says nothing."""
        if isinstance(usage, dict):
            self._progress.usage.update({key: value for key, value in usage.items() if value is not None})
            self._has_new_usage = True


def _event_data(event: str) -> str:
    """Return the data of one event: of the API's two lines, or of any that the format allows."""
    name, _, data = event.partition("\n")
    if data.startswith("data: ") and name.startswith("event:") and "\n" not in data:
        return data[6:]
    return "\n".join(line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:"))
