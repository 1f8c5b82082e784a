"""Telling those who watch an execution that it has new events. Hints only: sent after commit, and free to be lost.

``publish`` is the one call for whoever writes events. In a worker it hands the ids to the :class:`Outlet`, which keeps
only those that somebody watches and sends them together, at most every few milliseconds. (Measured: a NOTIFY inside
the transaction costs more than half of the throughput.) In every other process, where events are written seldom, it
sends at once.

Web processes say which executions they watch, every few seconds and whenever one is added. What was not said again
for a while is watched no more. So a worker that nobody watches sends nothing.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Final
from uuid import UUID

from django.db import Error as DatabaseFault
from django.db import transaction

from executions.carriers import (
    ACCESS,
    EVENTS,
    MAX_PAYLOAD,
    TEXT,
    WATCHED,
    WHO_WATCHES,
    Carrier,
    CarrierFault,
    send_now,
)

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS = 5.0
ANNOUNCED_FOR_SECONDS = 15.0
# The least time between two sendings. The first after a silence goes at once.
PAUSE_SECONDS = 0.005
EVERYBODY: Final = "*"

_ID_CHARACTERS = 22


def publish(execution_ids: Collection[UUID]) -> None:
    """Tell watchers that these executions have new events, once the transaction has committed."""
    outlet = _outlet
    if outlet is None:
        if execution_ids:
            transaction.on_commit(partial(_send_seldom, EVENTS, list(packed(execution_ids))), robust=True)
    elif outlet.watches_any:
        transaction.on_commit(partial(outlet.add, execution_ids), robust=True)


def publish_access_change(user_ids: Iterable[int] | None) -> None:
    """Have open streams look again, once the transaction has committed, at what these accounts (None: all) may see."""
    who = EVERYBODY if user_ids is None else ",".join(map(str, user_ids))
    if who:
        payload = who if len(who) <= MAX_PAYLOAD else EVERYBODY
        transaction.on_commit(partial(_send_seldom, ACCESS, [payload]), robust=True)


def _send_seldom(channel: str, payloads: list[str]) -> None:
    try:
        send_now(channel, payloads)
    except DatabaseFault as error:  # what was to be told of is committed; readers find it by polling
        logger.warning("Watchers were not told", extra={"action": "not_told", "error": type(error).__name__})


def packed(execution_ids: Iterable[UUID]) -> Iterator[str]:
    """Write ids into as few payloads as they need."""
    texts = [base64.urlsafe_b64encode(each.bytes)[:_ID_CHARACTERS].decode() for each in execution_ids]
    per_payload = MAX_PAYLOAD // _ID_CHARACTERS
    for begin in range(0, len(texts), per_payload):
        yield "".join(texts[begin : begin + per_payload])


def unpacked(payload: str) -> Iterator[UUID]:
    """Read the ids of a payload."""
    for begin in range(0, len(payload), _ID_CHARACTERS):
        yield UUID(bytes=base64.urlsafe_b64decode(payload[begin : begin + _ID_CHARACTERS] + "=="))


class Outlet:
    """A worker's side: what is watched, and what those who watch it are still to be told.

    ``on_new_watcher`` is called with an execution that a process has begun to watch.
    """

    def __init__(self, carrier: Carrier, *, announced_for: float = ANNOUNCED_FOR_SECONDS) -> None:
        self.on_new_watcher: Callable[[UUID], None] = lambda _: None
        self.is_watched = asyncio.Event()
        self._carrier = carrier
        self._announced_for = announced_for
        self._loop = asyncio.get_running_loop()
        # By execution: until when which process watches it. Replaced, never changed, so that any thread may look.
        self._watched: dict[UUID, dict[str, float]] = {}
        self._ids: set[UUID] = set()
        self._texts: list[str] = []
        self._has_news = asyncio.Event()

    @property
    def watches_any(self) -> bool:
        return bool(self._watched)

    def watched(self) -> Collection[UUID]:
        return self._watched.keys()

    def add(self, execution_ids: Collection[UUID]) -> None:
        """Note that executions have new events. From any thread."""
        watched = self._watched
        news = [each for each in execution_ids if each in watched]
        if news:
            self._loop.call_soon_threadsafe(self._note, news)

    @property
    def can_say(self) -> bool:
        """Whether the live text of before has left."""
        return not self._texts

    def say(self, texts: list[str]) -> None:
        """Have payloads of live text sent."""
        self._texts = texts
        self._has_news.set()

    async def run(self) -> None:
        """Listen and send, until cancelled."""
        tasks = [asyncio.create_task(part) for part in (self._listen(), self._send(), self._forget())]
        try:
            await asyncio.gather(*tasks)
        except Exception:  # a worker does its work also where nobody can be told of it
            logger.exception("Watchers are told no more", extra={"action": "outlet_failed"})
        finally:
            self._watched = {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._carrier.aclose()

    def _note(self, execution_ids: list[UUID]) -> None:
        self._ids.update(execution_ids)
        self._has_news.set()

    async def _send(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            ids, self._ids = self._ids, set()
            try:
                # Text first: it was written before the events that follow it.
                if self._texts:
                    await self._carrier.send(TEXT, self._texts)
                if ids:
                    await self._carrier.send(EVENTS, list(packed(ids)))
            except CarrierFault as error:
                logger.warning("Watchers were not told", extra={"action": "not_told", "error": str(error)})
                await asyncio.sleep(0.5)
            finally:
                self._texts = []
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        await self._carrier.listen([WATCHED], self._hear, self._ask)

    def _ask(self) -> None:
        """Have web processes say at once what they watch: this worker is new, or was away."""
        self._asking = asyncio.create_task(self._send_question())

    async def _send_question(self) -> None:
        try:
            await self._carrier.send(WHO_WATCHES, [""])
        except CarrierFault:
            return  # they say it every few seconds anyway

    def _hear(self, _channel: str, payload: str) -> None:
        process, _, ids = payload.partition(" ")
        until = time.monotonic() + self._announced_for
        watched = dict(self._watched)
        new = []
        for execution_id in unpacked(ids):
            by = watched.get(execution_id, {})
            if process not in by:
                new.append(execution_id)
            watched[execution_id] = {**by, process: until}
        self._watched = watched
        self.is_watched.set()
        for execution_id in new:
            self.on_new_watcher(execution_id)

    async def _forget(self) -> None:
        """Drop what was not said again for a while."""
        while True:
            await self.is_watched.wait()
            await asyncio.sleep(self._announced_for / 3)
            now = time.monotonic()
            current = {
                execution_id: {process: until for process, until in by.items() if until > now}
                for execution_id, by in self._watched.items()
            }
            self._watched = {execution_id: by for execution_id, by in current.items() if by}
            if not self._watched:
                self.is_watched.clear()


def announcement(process: str, execution_ids: Iterable[UUID]) -> Iterator[str]:
    """Write the payloads in which a web process says what it watches."""
    for ids in packed(execution_ids):
        yield f"{process} {ids}"


_outlet: Outlet | None = None


def use_outlet(outlet: Outlet | None) -> None:
    """Have :func:`publish` hand everything to a worker's outlet from now on, or (None) send by itself again."""
    global _outlet
    _outlet = outlet
