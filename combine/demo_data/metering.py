"""What a call of the demo would have used, and how long it would have taken, by the pace of the real models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from executions.llm.pricing import TokenCounts
from executions.llm.values import JSON, ModelRequest

_CACHE_LASTS = timedelta(minutes=5)
_SMALLEST_CACHED_TOKENS = 1_024
_BYTES_PER_TOKEN = 3.8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """Seconds until a model begins, tokens that it writes in a second, and the share that it thinks before."""

    first_seconds: float
    tokens_per_second: float
    thinking: float


_PACES = {
    "haiku": _Pace(first_seconds=0.5, tokens_per_second=150, thinking=0),
    "sonnet": _Pace(first_seconds=1.1, tokens_per_second=72, thinking=0),
    "opus": _Pace(first_seconds=1.9, tokens_per_second=48, thinking=0.6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    usage: JSON
    latency: timedelta
    first_token: timedelta

    @property
    def latency_ms(self) -> int:
        return round(self.latency / timedelta(milliseconds=1))

    @property
    def ttft_ms(self) -> int:
        return round(self.first_token / timedelta(milliseconds=1))


class Meter:
    """Counts tokens, remembers which prompts the provider has in its cache, and draws how long an answer takes."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._cached: dict[bytes, datetime] = {}

    def measure(self, request: ModelRequest, text: str, now: datetime) -> Measured:
        pace = next((pace for family, pace in _PACES.items() if family in request.model), _PACES["sonnet"])
        written = max(1, _tokens(text))
        thinking = round(written * pace.thinking * self._rng.uniform(0.6, 1.4))
        usage = {
            **self._input(request, now, output=written + thinking).to_usage(),
            "output_tokens_details": {"thinking_tokens": thinking},
        }
        first = pace.first_seconds * self._rng.lognormvariate(0, 0.35)
        rest = (written + thinking) / (pace.tokens_per_second * self._rng.lognormvariate(0, 0.18))
        return Measured(usage=usage, latency=timedelta(seconds=first + rest), first_token=timedelta(seconds=first))

    def _input(self, request: ModelRequest, now: datetime, *, output: int) -> TokenCounts:
        """Split the prompt into what is read from the cache, what is written to it and the rest."""
        digest = hashlib.sha256(request.model.encode())
        total = read = written = 0
        for block in _blocks(request):
            digest.update(block["text"].encode())
            total += _tokens(block["text"])
            if "cache_control" not in block or total < _SMALLEST_CACHED_TOKENS:
                continue
            key = digest.digest()
            if self._cached.get(key, now) > now:
                read, written = total, 0
            else:
                written = total - read
            self._cached[key] = now + _CACHE_LASTS
        return TokenCounts(input=max(1, total - read - written), output=output, cache_read=read, cache_write_5m=written)


def _blocks(request: ModelRequest) -> Iterator[dict[str, Any]]:
    yield from request.system
    for message in request.messages:
        content = message["content"]
        yield from [{"text": content}] if isinstance(content, str) else content


def _tokens(text: str) -> int:
    return round(len(text.encode()) / _BYTES_PER_TOKEN)
