"""Brings one execution's history, from where a client has it, and then its news to that client, in order, once each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from executions.api.frames import Frame
from executions.api.views.streams import Opening
from executions.streams.feeds import Ending, Feed, Watcher, in_chunks
from executions.streams.hub import Hub

logger = logging.getLogger(__name__)

CHUNK_BYTES = 32 * 1024


class Client(Protocol):
    """What a kind of connection does. Both wait where the connection takes no more for the moment."""

    async def send_frames(self, frames: Sequence[Frame]) -> None: ...

    async def send_keepalive(self) -> None: ...


class Pump:
    """One stream. How long it may wait for its client, and be silent, the hub sees to."""

    def __init__(self, hub: Hub, opening: Opening, client: Client) -> None:
        self._hub = hub
        self._opening = opening
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._last: Frame | None = None

    async def run(self) -> Ending:
        """Stream until the history is over, or for some other reason at its end; return which."""
        task = asyncio.current_task()
        assert task is not None
        watcher = Watcher(self._opening, task)
        try:
            with self._hub.watching(watcher) as feed:
                await self._send(watcher, [self._opening.connected])
                cursor = await self._replay(feed, watcher)
                if not self._is_over():
                    feed.go_live(watcher)
                    await self._follow(watcher, cursor)
        except asyncio.CancelledError:
            if watcher.ending is None:
                raise
            task.uncancel()
            facts = {"action": "stream_closed", "reason": watcher.ending.value}
            about = {"execution_id": str(self._opening.execution_id), "request_id": self._opening.request_id}
            logger.info("A stream was closed", extra=facts | about)
            return watcher.ending
        return Ending.OVER

    async def _replay(self, feed: Feed, watcher: Watcher) -> int:
        """Send what is in the history, page by page, until there is no more than what the feed will bring."""
        cursor = self._opening.after
        while cursor < feed.head:
            page = await self._hub.page(feed.execution_id, cursor)
            for chunk in in_chunks(page, CHUNK_BYTES):
                await self._send(watcher, chunk)
            assert page[-1].seq is not None
            cursor = page[-1].seq
        return cursor

    async def _follow(self, watcher: Watcher, cursor: int) -> None:
        """Send what the feed brings beyond ``cursor``, to the end of the history."""
        while not (watcher.is_idle and self._is_over()):
            await watcher.wait()
            frames = watcher.take(CHUNK_BYTES)
            await self._send(watcher, [frame for frame in frames if frame.seq is None or frame.seq > cursor])

    async def _send(self, watcher: Watcher, frames: Sequence[Frame]) -> None:
        watcher.sent_at, watcher.is_sending = self._loop.time(), True
        if frames:
            await self._client.send_frames(frames)
        else:
            await self._client.send_keepalive()
        watcher.is_sending = False
        for frame in reversed(frames):
            if frame.seq is not None:
                self._last = frame
                break

    def _is_over(self) -> bool:
        """Whether the last event that was sent ends the execution; nothing is known to follow it."""
        return self._last is not None and self._last.is_terminal
