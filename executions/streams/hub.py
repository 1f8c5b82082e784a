"""What all streams of a web process share: one reader of new events, one listener, one announcer, one guard.

A wake-up only says "there is more". Feeds that were woken are read together, with one statement, while those that
are woken meanwhile wait for the next one. Underneath, every feed is looked at every second or two, so that a wake-up
that was lost delays, and no event is missed. All of it runs only while something is watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Final
from uuid import UUID

from django.db import Error as DatabaseFault

from executions.api.frames import Frame
from executions.carriers import ACCESS, EVENTS, TEXT, WATCHED, WHO_WATCHES, Carrier, new_carrier, send_now
from executions.live_text import pieces_of
from executions.notifications import ANNOUNCE_SECONDS, EVERYBODY, announcement, unpacked
from executions.streams import readers
from executions.streams.feeds import Ending, Feed, Watcher
from executions.streams.guard import Guard
from executions.streams.readers import Readers
from executions.streams.timing import Timing

logger = logging.getLogger(__name__)

# Feeds read with one statement.
READ_WIDTH = 64
# A worker may not yet have heard that somebody watches: a new feed is looked at again this soon.
_DOUBTS: Final = (0.05, 0.3)
LINGER_SECONDS = 10.0
_TICK_SECONDS = 1.0
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0


_hubs: weakref.WeakSet[Hub] = weakref.WeakSet()


def open_stream_count() -> int:
    """Return how many streams this process serves."""
    return sum(hub.stream_count for hub in _hubs)


class Hub:
    """One per process."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.readers = Readers()
        self.guard = Guard(self.readers, self.timing.look)
        self._name = uuid.uuid4().hex[:12]
        self._feeds: dict[UUID, Feed] = {}
        self._behind: dict[UUID, Feed] = {}
        self._is_behind = asyncio.Event()
        self._announced = asyncio.Event()
        self._new: set[UUID] = set()
        self._pages: dict[tuple[UUID, int], asyncio.Task[list[Frame]]] = {}
        self._running: asyncio.Task[None] | None = None
        self._stopping: asyncio.TimerHandle | None = None
        _hubs.add(self)

    @property
    def stream_count(self) -> int:
        return sum(len(feed.watchers) for feed in self._feeds.values())

    @contextlib.contextmanager
    def watching(self, watcher: Watcher) -> Iterator[Feed]:
        """Have an execution's news while the block lasts."""
        opening = watcher.opening
        feed = self._feeds.get(opening.execution_id)
        if feed is None:
            feed = self._feeds[opening.execution_id] = Feed(opening.execution_id, opening.last_seq)
            self._begin(feed)
        elif feed.head < opening.last_seq:
            self._wake([feed])  # this watcher has seen more than the feed
        feed.watchers.add(watcher)
        self.guard.add(watcher)
        try:
            yield feed
        finally:
            self.guard.remove(watcher)
            feed.leave(watcher)
            if not feed.watchers:
                self._feeds.pop(opening.execution_id, None)
                self._behind.pop(opening.execution_id, None)
            if not self._feeds:
                # Not at once: a page that is loaded anew comes back.
                self._stopping = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    async def page(self, execution_id: UUID, after: int) -> list[Frame]:
        """Return the events after one, as many as make a page. Who asks for the same at the same time shares it."""
        key = (execution_id, after)
        task = self._pages.get(key)
        if task is None:
            task = self._pages[key] = asyncio.create_task(self._read_page(execution_id, after))
            task.add_done_callback(lambda _: self._pages.pop(key, None))
        return await asyncio.shield(task)

    async def _read_page(self, execution_id: UUID, after: int) -> list[Frame]:
        found = await self.readers.run_in_turn(partial(readers.following, {execution_id: after}))
        return found.get(execution_id, [])

    def _begin(self, feed: Feed) -> None:
        if self._stopping is not None:
            self._stopping.cancel()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        self._new.add(feed.execution_id)
        self._announced.set()
        self._wake([feed])
        for seconds in _DOUBTS:
            asyncio.get_running_loop().call_later(seconds, self._wake, [feed])

    def _stop(self) -> None:
        if self._running is not None and not self._feeds:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        carrier = new_carrier()
        parts = (
            partial(self._listen, carrier),
            self._announce,
            self._read,
            self._poll,
            self._tick,
            self.guard.run,
        )
        tasks = [asyncio.create_task(_again_and_again(part)) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await carrier.aclose()

    def _wake(self, feeds: Iterable[Feed]) -> None:
        for feed in feeds:
            if self._feeds.get(feed.execution_id) is feed:
                feed.is_behind = True
                self._behind[feed.execution_id] = feed
        if self._behind:
            self._is_behind.set()

    async def _read(self) -> None:
        while True:
            await self._is_behind.wait()
            batch = [self._behind.pop(key) for key in list(self._behind)[:READ_WIDTH]]
            if not self._behind:
                self._is_behind.clear()
            known = {feed.execution_id: feed.head for feed in batch}
            try:
                found = await self.readers.run(partial(readers.following, known)) if known else {}
            except Exception:
                self._wake(batch)
                raise
            for feed in batch:
                self._hand_on(feed, found.get(feed.execution_id, []))

    def _hand_on(self, feed: Feed, frames: list[Frame]) -> None:
        feed.take_events(frames)
        if len(frames) == readers.PAGE:
            self._wake([feed])
        feed.is_behind = feed.execution_id in self._behind
        if not feed.is_behind:
            feed.release_text()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self.timing.poll)
            if not self._feeds:
                continue
            heads = await self.readers.run(partial(readers.heads, list(self._feeds)))
            feeds = (self._feeds.get(execution_id) for execution_id, head in heads.items())
            self._wake([feed for feed in feeds if feed is not None and heads[feed.execution_id] > feed.head])

    async def _tick(self) -> None:
        """See to what streams do as time goes by: one clock for all of them, instead of two timers for every frame."""
        timing, loop = self.timing, asyncio.get_running_loop()
        seconds = min(_TICK_SECONDS, timing.keepalive / 4)
        while True:
            await asyncio.sleep(seconds)
            now = loop.time()
            for watcher in [watcher for feed in self._feeds.values() for watcher in feed.watchers]:
                if watcher.is_sending and now - watcher.sent_at > timing.send:
                    watcher.end(Ending.TOO_SLOW)
                elif now - watcher.since > timing.lifetime:
                    watcher.end(Ending.GOING_AWAY)
                elif not watcher.is_sending and now - watcher.sent_at > timing.keepalive - seconds:
                    watcher.nudge()

    async def _listen(self, carrier: Carrier) -> None:
        await carrier.listen([EVENTS, TEXT, WHO_WATCHES, ACCESS], self._hear, self._hear_again)

    def _hear_again(self) -> None:
        """Take what may have been missed for granted: the listener has just been connected."""
        self._wake(list(self._feeds.values()))
        self._say_all()

    def _hear(self, channel: str, payload: str) -> None:
        if channel == EVENTS:
            found = map(self._feeds.get, unpacked(payload))
            self._wake([feed for feed in found if feed is not None])
        elif channel == TEXT:
            for piece in pieces_of(payload):
                if (feed := self._feeds.get(piece.execution_id)) is not None:
                    feed.take_text(piece)
        elif channel == WHO_WATCHES:
            self._say_all()
        elif channel == ACCESS:
            self.guard.look_now(None if payload == EVERYBODY else {int(each) for each in payload.split(",")})

    def _say_all(self) -> None:
        self._new.update(self._feeds)
        self._announced.set()

    async def _announce(self) -> None:
        """Say what is watched here: what is new at once, and all of it every few seconds."""
        while True:
            try:
                async with asyncio.timeout(ANNOUNCE_SECONDS):
                    await self._announced.wait()
            except TimeoutError:
                self._new.update(self._feeds)
            self._announced.clear()
            new, self._new = self._new & self._feeds.keys(), set()
            if new:
                await self.readers.run(partial(send_now, WATCHED, list(announcement(self._name, new))))


async def _again_and_again(part: Callable[[], Awaitable[None]]) -> None:
    """Run something that never ends; where it fails, for want of a database, say, begin again."""
    wait = _FIRST_WAIT
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await part()
        except DatabaseFault as error:
            logger.warning(
                "Streams wait for the database", extra={"action": "hub_waits", "error": type(error).__name__}
            )
        except Exception:  # all streams of the process depend on it
            logger.exception("A part of the streams failed", extra={"action": "hub_failed"})
        if asyncio.get_running_loop().time() - began > _LONGEST_WAIT:
            wait = _FIRST_WAIT
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
