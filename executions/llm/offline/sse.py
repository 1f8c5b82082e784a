"""The Messages API's event stream, as bytes: shared by the offline model and the test model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

JSON = dict[str, Any]

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
TEXT_BLOCK_START = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def event(name: str, data: JSON) -> bytes:
    """Return one event; ``type`` repeats the name, as the API does."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data}, separators=(',', ':'))}\n\n".encode()


def message_start(*, message_id: str, model: str, usage: JSON) -> bytes:
    """Return the first event. The usage holds the input's tokens; the output's are only begun."""
    message: JSON = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    return event("message_start", {"message": message})


def text_delta(text: str) -> bytes:
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":%b}}\n\n' % json.dumps(text).encode()
    )


def message_delta(*, stop_reason: str | None, output_tokens: int) -> bytes:
    """Return the event that ends the message: why it stopped and what it came to."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return event("message_delta", {"delta": delta, "usage": {"output_tokens": output_tokens}})


def error(error_type: str, message: str) -> bytes:
    return event("error", {"error": {"type": error_type, "message": message}})


def error_body(error_type: str, message: str, *, error_code: str | None = None, request_id: str = "") -> bytes:
    """Return the JSON body of an answer that is no success."""
    problem: JSON = {"type": error_type, "message": message}
    if error_code:
        problem["details"] = {"error_code": error_code}
    return json.dumps({"type": "error", "error": problem, "request_id": request_id}).encode()


def split_text(text: str, parts: int) -> Iterator[str]:
    """Yield ``text`` in at most ``parts`` pieces of about the same length (none for an empty text)."""
    size = max(1, -(-len(text) // max(1, parts)))
    return (text[start : start + size] for start in range(0, len(text), size))


def message_body(*, message_id: str, model: str, text: str, stop_reason: str, usage: JSON) -> JSON:
    """Return the answer to a request that did not ask for a stream."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def prompt_text(body: JSON) -> str:
    """Return all text of a request: the system blocks, then the messages, in order."""
    return "\n".join([*system_texts(body), *message_texts(body)])


def system_texts(body: JSON) -> list[str]:
    return _texts(body.get("system") or [])


def message_texts(body: JSON) -> list[str]:
    return [text for message in body.get("messages") or [] for text in _texts(message.get("content") or [])]


def _texts(content: str | Sequence[JSON]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if isinstance(block.get("text"), str)]
