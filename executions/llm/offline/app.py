"""The offline model's web application: the Messages API, as far as The Combine speaks it. Bare ASGI, no Django."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from executions.llm.offline import sse
from executions.llm.offline.author import OfflineAuthor
from executions.llm.values import JSON, OFFLINE_MESSAGE_ID_PREFIX

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 32_000_000
_DELTAS = 20
_CHARS_PER_TOKEN = 4
_SMALLEST_CACHED_TOKENS = 1_024
_REMEMBERED_PREFIXES = 1_000


class OfflineModel:
    """An ASGI application. ``seconds_per_document`` is how long an answer takes to be written."""

    def __init__(self, author: OfflineAuthor, *, seconds_per_document: float = 1.0) -> None:
        self._author = author
        self._pause = seconds_per_document / _DELTAS
        self._cache = PrefixCache()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = _Exchange(receive, send)
        route = (scope["method"], scope["path"])
        if route == ("POST", "/v1/messages"):
            await self._answer(exchange)
        elif route == ("POST", "/v1/messages/count_tokens"):
            body = await exchange.read_request(("model", "messages"))
            if body is not None:
                await exchange.respond(200, {"input_tokens": _tokens(sse.prompt_text(body))})
        elif route in (("GET", "/livez"), ("HEAD", "/livez")):
            await exchange.respond(200, {"status": "ok", "model": "offline"})
        else:
            await exchange.refuse(404, "not_found_error", f"no such address: {scope['path']}")

    async def _answer(self, exchange: _Exchange) -> None:
        body = await exchange.read_request(("model", "messages", "max_tokens"))
        if body is None:
            return
        # In a thread: a sample is checked against its schema, and other streams go on meanwhile.
        text = await asyncio.to_thread(self._author.answer, body)
        text, stop_reason = _cut(text, body["max_tokens"])
        message_id = f"{OFFLINE_MESSAGE_ID_PREFIX}{uuid.uuid4().hex}"
        usage = {**self._cache.usage(body), "output_tokens": _tokens(text)}
        model = str(body["model"])
        if not body.get("stream"):
            message = sse.message_body(
                message_id=message_id, model=model, text=text, stop_reason=stop_reason, usage=usage
            )
            await exchange.respond(200, message)
            return
        pieces = list(sse.split_text(text, _DELTAS))
        opening = sse.message_start(message_id=message_id, model=model, usage=usage)
        if not await exchange.begin_stream(opening + sse.TEXT_BLOCK_START + sse.PING):
            return
        for piece in pieces:
            if not await exchange.stream(sse.text_delta(piece), after=self._pause):
                return
        ending = sse.message_delta(stop_reason=stop_reason, output_tokens=usage["output_tokens"])
        await exchange.end_stream(sse.BLOCK_STOP + ending + sse.MESSAGE_STOP)


class PrefixCache:
    """Plausible cache figures: a prefix is written when it is first seen and read when it comes again."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def usage(self, body: JSON) -> JSON:
        """Return the input's usage for a request, and remember its prefixes."""
        digest = hashlib.sha256(str(body.get("model")).encode())
        total = read = written = 0
        blocks = [*_blocks(body.get("system")), *(b for m in body["messages"] for b in _blocks(m.get("content")))]
        for block in blocks:
            digest.update(block.get("text", "").encode("utf-8", "replace"))
            total += _tokens(block.get("text", ""))
            if "cache_control" not in block or total < _SMALLEST_CACHED_TOKENS:
                continue
            key = digest.digest()
            if key in self._seen:
                self._seen.move_to_end(key)
                read = total
            else:
                self._seen[key] = None
                written = total - read
        while len(self._seen) > _REMEMBERED_PREFIXES:
            self._seen.popitem(last=False)
        return {
            "input_tokens": max(1, total - read - written),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._request_id = f"req_offline_{uuid.uuid4().hex[:24]}"
        self._hang_up: asyncio.Task[None] | None = None

    async def read_request(self, required: tuple[str, ...]) -> JSON | None:
        """Return the body, or answer what is wrong with it and return ``None``."""
        raw = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            raw += message.get("body", b"")
            if len(raw) > MAX_BODY_BYTES:
                await self.refuse(413, "request_too_large", "the request is larger than 32 MB")
                return None
            if not message.get("more_body"):
                break
        problem = "the body is no JSON object"
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            problem = _request_problem(body, required)
            if not problem:
                return body
        await self.refuse(400, "invalid_request_error", problem)
        return None

    async def respond(self, status: int, value: JSON) -> None:
        await self._start(status, b"application/json")
        await self._send({"type": "http.response.body", "body": json.dumps(value).encode()})

    async def refuse(self, status: int, error_type: str, words: str) -> None:
        body = sse.error_body(error_type, words, request_id=self._request_id)
        await self._start(status, b"application/json")
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, data: bytes) -> bool:
        self._hang_up = asyncio.create_task(self._wait_for_hang_up())
        await self._start(200, b"text/event-stream; charset=utf-8")
        return await self.stream(data, after=0)

    async def stream(self, data: bytes, *, after: float) -> bool:
        """Send the next piece after a pause. Return whether anybody still listens."""
        assert self._hang_up is not None
        if after > 0:
            await asyncio.wait({self._hang_up}, timeout=after)
        if self._hang_up.done():
            return False
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        return True

    async def end_stream(self, data: bytes) -> None:
        assert self._hang_up is not None
        self._hang_up.cancel()
        await self._send({"type": "http.response.body", "body": data})

    async def _start(self, status: int, content_type: bytes) -> None:
        headers = [(b"content-type", content_type), (b"request-id", self._request_id.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _wait_for_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _request_problem(body: JSON, required: tuple[str, ...]) -> str:
    for name in required:
        if name not in body:
            return f"{name}: Field required"
    messages = body["messages"]
    if not isinstance(messages, list) or not messages or not all(isinstance(row, dict) for row in messages):
        return "messages: at least one message is required"
    if any(row.get("role") not in ("user", "assistant") for row in messages):
        return "messages: the role of a message must be user or assistant"
    max_tokens = body.get("max_tokens", 1)
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        return "max_tokens: must be a positive integer"
    return ""


def _blocks(content: Any) -> list[JSON]:
    if isinstance(content, str):
        return [{"text": content}]
    return [block for block in content or [] if isinstance(block, dict)]


def _cut(text: str, max_tokens: int) -> tuple[str, str]:
    """Return the text as far as ``max_tokens`` lets it go, and the reason why it stops there."""
    if _tokens(text) <= max_tokens:
        return text, "end_turn"
    return text[: max_tokens * _CHARS_PER_TOKEN], "max_tokens"


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)
