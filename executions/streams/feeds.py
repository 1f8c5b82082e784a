"""One execution's news, on its way from one reader to all who watch it in this process. In memory, one event loop.

A :class:`Feed` knows how far the history has been read (``head``) and hands each frame to every :class:`Watcher` that
has come as far. Frames are shared; a watcher that is slow holds references to those that it has not been sent, up to
a limit in bytes. Live text is the first to be left out.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from executions.api.frames import Frame, output_frame
from executions.api.views.streams import Opening
from executions.live_text import KEPT_CHARACTERS, Piece

# What one watcher may be behind: more, and its stream is closed, to be resumed by the last id that it got.
MAX_QUEUED_BYTES = 256 * 1024
# Live text is dropped for whoever is further behind than this.
TEXT_ROOM_BYTES = 32 * 1024
_MAX_HELD_PIECES = 512
# What ends a text: another attempt, or something that is known by then.
_TEXT_GOES_ON = frozenset({"step_started"})


class Ending(enum.Enum):
    """Why a stream was closed by us."""

    OVER = "over"
    TOO_SLOW = "too_slow"
    SIGNED_OUT = "signed_out"
    NOT_VISIBLE = "not_visible"
    GOING_AWAY = "going_away"


class Watcher:
    """One open stream: who has it, since when, what it must still be sent, and when it was sent something."""

    def __init__(self, opening: Opening, task: asyncio.Task[Any]) -> None:
        self.opening = opening
        self.ending: Ending | None = None
        self.since = self.sent_at = asyncio.get_running_loop().time()
        self.is_sending = False
        self._task = task
        self._queue: deque[Frame] = deque()
        self._queued_bytes = 0
        self._has_frames = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        return not self._queue

    def push(self, frames: Sequence[Frame]) -> None:
        """Have events sent. Whoever has let too much of what was before pile up is shut out instead."""
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self.end(Ending.TOO_SLOW)
        if self.ending is None:
            self._add(frames)

    def push_text(self, frame: Frame) -> None:
        """Have live text sent, if there is room."""
        if self.ending is None and self._queued_bytes <= TEXT_ROOM_BYTES:
            self._add([frame])

    def take(self, size: int) -> list[Frame]:
        """Return what waits, about ``size`` bytes at most, and forget it."""
        frames: list[Frame] = []
        while self._queue and size > 0:
            frame = self._queue.popleft()
            frames.append(frame)
            self._queued_bytes -= len(frame.data)
            size -= len(frame.data)
        if not self._queue:
            self._has_frames.clear()
        return frames

    async def wait(self) -> None:
        """Wait for frames, or for :meth:`nudge`."""
        await self._has_frames.wait()

    def nudge(self) -> None:
        """Have something sent, even if there is nothing to say."""
        self._has_frames.set()

    def end(self, ending: Ending) -> None:
        """Break the stream off, wherever it is."""
        if self.ending is None:
            self.ending = ending
            self._queue.clear()
            self._task.cancel()

    def _add(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._queue.append(frame)
            self._queued_bytes += len(frame.data)
        self._has_frames.set()


@dataclass(slots=True)
class _Text:
    """What a call has written so far, or the end of it."""

    key: str
    step_id: str
    attempt: int
    kept: str
    end: int


class Feed:
    """What happens in one execution."""

    def __init__(self, execution_id: UUID, head: int) -> None:
        self.execution_id = execution_id
        self.head = head
        self.watchers: set[Watcher] = set()
        # Set while events are known to be there that were not read yet.
        self.is_behind = False
        self._live: set[Watcher] = set()
        self._texts: dict[str, _Text] = {}
        # By path: the call whose text is over, so that what of it comes late is not shown.
        self._ended: dict[str, str] = {}
        self._held: list[Piece] = []

    def go_live(self, watcher: Watcher) -> None:
        """Hand a watcher, who has the history up to ``head`` or beyond, whatever comes; first the texts under way."""
        self._live.add(watcher)
        for path, text in self._texts.items():
            watcher.push_text(self._frame(path, text, text.kept))

    def leave(self, watcher: Watcher) -> None:
        self.watchers.discard(watcher)
        self._live.discard(watcher)

    def take_events(self, frames: Sequence[Frame]) -> None:
        """Hand on the events that follow ``head``."""
        new = [frame for frame in frames if frame.seq is not None and frame.seq > self.head]
        if not new:
            return
        assert new[-1].seq is not None
        self.head = new[-1].seq
        for frame in new:
            self._end_texts(frame)
        for watcher in list(self._live):
            watcher.push(new)

    def take_text(self, piece: Piece) -> None:
        """Hand on live text. While the feed is behind it waits: its step may not have begun for the watchers."""
        if self.is_behind:
            if len(self._held) < _MAX_HELD_PIECES:
                self._held.append(piece)
            return
        new = self._new_in(piece)
        if new:
            frame = self._frame(piece.path, self._texts[piece.path], new)
            for watcher in self._live:
                watcher.push_text(frame)

    def release_text(self) -> None:
        """Hand on the text that had to wait for the events before it."""
        held, self._held = self._held, []
        for piece in held:
            self.take_text(piece)

    def _new_in(self, piece: Piece) -> str:
        """Add a piece to its text; return what of it was not there."""
        if self._ended.get(piece.path) == piece.key:
            return ""
        text = self._texts.get(piece.path)
        if text is None or text.key != piece.key:
            text = _Text(piece.key, piece.step_id, piece.attempt, "", piece.offset)
            self._texts[piece.path] = text
        # Where something was lost in between, the reader misses that: the finished document has it all.
        new = piece.text[max(text.end - piece.offset, 0) :]
        text.kept = (text.kept + new)[-KEPT_CHARACTERS:]
        text.end = max(text.end, piece.offset + len(piece.text))
        return new

    def _end_texts(self, frame: Frame) -> None:
        if frame.event_type in _TEXT_GOES_ON:
            return
        paths = list(self._texts) if frame.is_terminal else [frame.path or ""]
        for path in paths:
            if (text := self._texts.pop(path, None)) is not None:
                self._ended[path] = text.key

    def _frame(self, path: str, text: _Text, new: str) -> Frame:
        return output_frame(self.execution_id, path=path, step_id=text.step_id, attempt=text.attempt, text=new)


def in_chunks(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Cut frames into lists of about ``size`` bytes."""
    chunk: list[Frame] = []
    length = 0
    for frame in frames:
        chunk.append(frame)
        length += len(frame.data)
        if length >= size:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk
