"""How short messages go from process to process: PostgreSQL's NOTIFY, or Redis pub/sub where ``REDIS_URL`` is set.

Whatever is carried may be lost, and nothing depends on it: readers of events also poll, and live text is only shown.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar, Final

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.sql import SQL, Identifier

from documents import database

logger = logging.getLogger(__name__)

# Executions that have new events; what models are writing; which executions are watched; who shall say so again;
# accounts whose access has changed.
EVENTS: Final = "combine_events"
TEXT: Final = "combine_text"
WATCHED: Final = "combine_watched"
WHO_WATCHES: Final = "combine_who_watches"
ACCESS: Final = "combine_access"

# PostgreSQL refuses a payload of 8,000 bytes.
MAX_PAYLOAD = 7_900
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3}
_NOTIFY = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload"

Take = Callable[[str, str], None]


class CarrierFault(Exception):
    """Nobody, or not everybody, was told."""


class Carrier(ABC):
    """One per process and event loop."""

    faults: ClassVar[tuple[type[Exception], ...]]

    async def listen(self, channels: Sequence[str], take: Take, on_connect: Callable[[], None]) -> None:
        """Hand on messages until cancelled. A connection that is lost is made anew; ``on_connect`` is told each time.

        Between two connections messages are lost.
        """
        wait = _FIRST_WAIT
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async for channel, payload in self._messages(channels, on_connect):
                    _hand_over(channel, payload, take)
            except self.faults as error:
                if loop.time() - began > _LONGEST_WAIT:
                    wait = _FIRST_WAIT
                if wait == _FIRST_WAIT:  # once, however long it takes
                    facts = {"action": "listener_lost", "error": type(error).__name__}
                    logger.warning("The listener lost its connection; events are polled for meanwhile", extra=facts)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def send(self, channel: str, payloads: Sequence[str]) -> None:
        """:raises CarrierFault: it may not have arrived."""
        try:
            await self._send(channel, payloads)
        except self.faults as error:
            raise CarrierFault(type(error).__name__) from error

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    def _messages(self, channels: Sequence[str], on_connect: Callable[[], None]) -> AsyncIterator[tuple[str, str]]: ...

    @abstractmethod
    async def _send(self, channel: str, payloads: Sequence[str]) -> None: ...


class PostgresCarrier(Carrier):
    """Two autocommit connections, each opened when it is first needed: one listens, one sends."""

    faults = (psycopg.Error, OSError)

    def __init__(self) -> None:
        self._sender: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    async def _messages(
        self, channels: Sequence[str], on_connect: Callable[[], None]
    ) -> AsyncIterator[tuple[str, str]]:
        async with await self._connect("combine listener") as connection:
            for channel in channels:
                await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
            on_connect()
            async for notice in connection.notifies():
                yield notice.channel, notice.payload

    async def _send(self, channel: str, payloads: Sequence[str]) -> None:
        async with self._lock:
            try:
                if self._sender is None:
                    self._sender = await self._connect("combine sender")
                await self._sender.execute(_NOTIFY, (channel, list(payloads)))
            except BaseException:
                await self.aclose()
                raise

    async def _connect(self, name: str) -> psycopg.AsyncConnection[Any]:
        given = connections["default"].get_connection_params()
        ours = {key: value for key, value in given.items() if key not in ("cursor_factory", "context")}
        return await psycopg.AsyncConnection.connect(
            **{**ours, **_KEEPALIVES, "application_name": name, "prepare_threshold": 1}, autocommit=True
        )


def new_carrier() -> Carrier:
    """Return the deployment's carrier."""
    if settings.REDIS_URL is None:
        return PostgresCarrier()
    carrier: Carrier = _redis_module().RedisCarrier(settings.REDIS_URL)
    return carrier


def send_now(channel: str, payloads: Sequence[str]) -> None:
    """Send from a place that sends seldom and has no event loop, outside any transaction. Losing it is no fault."""
    if settings.REDIS_URL is None:
        database.execute(_NOTIFY, (channel, list(payloads)))
    else:
        _redis_module().seldom_used(settings.REDIS_URL).send(channel, payloads)


def _redis_module() -> Any:
    # The client takes 10 MB, which processes that do not use it are spared.
    return importlib.import_module("executions.redis_carrier")


def _hand_over(channel: str, payload: str, take: Take) -> None:
    try:
        take(channel, payload)
    except ValueError:  # written by somebody else, or by another version
        logger.warning("A message could not be read", extra={"action": "message_unreadable", "channel": channel})
