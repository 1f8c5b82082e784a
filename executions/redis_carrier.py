"""Redis pub/sub as the carrier; see ``executions.carriers``. Imported only where ``REDIS_URL`` is set."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

import redis
import redis.asyncio

from executions.carriers import Carrier

logger = logging.getLogger(__name__)

_TIMEOUT = 1.0
_SHORT_TIMEOUT = 0.5
# How long a process that sends seldom leaves a dead server alone.
_PAUSE = 5.0
_FAULTS = (redis.RedisError, OSError)


class RedisCarrier(Carrier):
    """A client for each direction: a subscribed connection can do nothing else."""

    faults = _FAULTS

    def __init__(self, url: str) -> None:
        self._url = url
        self._sender: redis.asyncio.Redis | None = None

    async def aclose(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.aclose()

    async def _messages(
        self, channels: Sequence[str], on_connect: Callable[[], None]
    ) -> AsyncIterator[tuple[str, str]]:
        async with self._client() as client, client.pubsub() as subscription:
            await subscription.subscribe(*channels)
            waiting = len(channels)
            while True:
                # The timeout lets the client ask now and then whether the server is still there.
                message = await subscription.get_message(timeout=5.0)
                if message is not None and message["type"] == "message":
                    yield message["channel"], message["data"]
                elif message is not None and message["type"] == "subscribe":
                    waiting -= 1
                    if not waiting:
                        on_connect()

    async def _send(self, channel: str, payloads: Sequence[str]) -> None:
        if self._sender is None:
            self._sender = self._client()
        async with self._sender.pipeline(transaction=False) as pipeline:
            for payload in payloads:
                pipeline.publish(channel, payload)
            await pipeline.execute()

    def _client(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(
            self._url,
            decode_responses=True,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            health_check_interval=5,
        )


class SeldomUsed:
    """A blocking client. A server that does not answer is left alone for a while: callers are not to wait for it."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=_SHORT_TIMEOUT, socket_connect_timeout=_SHORT_TIMEOUT)
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def send(self, channel: str, payloads: Sequence[str]) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            with self._lock, self._client.pipeline(transaction=False) as pipeline:
                for payload in payloads:
                    pipeline.publish(channel, payload)
                pipeline.execute()
        except _FAULTS as error:
            self._silent_until = time.monotonic() + _PAUSE
            facts = {"action": "redis_unreachable", "error": type(error).__name__}
            logger.warning("Redis does not answer; watchers are not told", extra=facts)


@functools.lru_cache(maxsize=4)
def seldom_used(url: str) -> SeldomUsed:
    return SeldomUsed(url)
