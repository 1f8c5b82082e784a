"""What models are writing at this moment, for those who watch: sampled, sent, never stored.

Nothing is done while a call runs: its text stands in the call's progress anyway. Five times a second, and only while
somebody watches the execution, what is new in it is taken and sent together. Whoever begins to watch in the middle of
a step is sent what has been written so far (the last part of it, if it is long).

Measured without Redis: 300 steps that write 72 kB a second together, watched, are 34 NOTIFY a second and 3 % of a core.

A :class:`Piece` says which text it belongs to and where in it it begins, so that a reader that gets one twice, or from
the beginning again because somebody else has just come, takes only what is new to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from executions.carriers import MAX_PAYLOAD, new_carrier
from executions.llm.values import CallProgress
from executions.notifications import Outlet, use_outlet
from executions.values import Claim

SAMPLE_SECONDS = 0.2
# Of a text that is new to somebody, as much as this; and at most this much of all texts in one sampling.
KEPT_CHARACTERS = 16_000
MAX_SAMPLE = 64_000
# A piece is cut so that it fits a payload whatever its characters are (at most 6 bytes each, as JSON).
_PIECE_CHARACTERS = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some text that a model has written for an attempt; ``key`` names the call, ``offset`` counts characters."""

    execution_id: UUID
    key: str
    path: str
    step_id: str
    attempt: int
    offset: int
    text: str


@dataclass(slots=True)
class _Call:
    """A call that is under way, and how far its text has been sent."""

    claim: Claim
    progress: CallProgress
    index: int = 0
    offset: int = 0

    def take(self, room: int) -> str:
        """Return what is new, cut at its beginning if there is more than ``room``; the offset moves along."""
        parts = self.progress.texts
        new = "".join(parts[self.index :])
        self.index = len(parts)
        self.offset += len(new)
        return new[-room:] if room else ""


@dataclass(slots=True)
class LiveText:
    """A worker's calls that are under way, by execution."""

    outlet: Outlet
    _calls: dict[UUID, dict[UUID, _Call]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outlet.on_new_watcher = self._begin_again

    def begin(self, claim: Claim, progress: CallProgress) -> None:
        self._calls.setdefault(claim.execution_id, {})[claim.token] = _Call(claim, progress)

    def end(self, claim: Claim) -> None:
        calls = self._calls.get(claim.execution_id)
        if calls is not None:
            calls.pop(claim.token, None)
            if not calls:
                del self._calls[claim.execution_id]

    async def run(self) -> None:
        """Sample and send while somebody watches, until cancelled."""
        while True:
            await self.outlet.is_watched.wait()
            await asyncio.sleep(SAMPLE_SECONDS)
            # Where earlier text has not left yet, this sampling is left out: the next one takes more at once.
            if self.outlet.can_say:
                pieces = list(self._sample(self.outlet.watched()))
                if pieces:
                    self.outlet.say(list(payloads(pieces)))

    def _begin_again(self, execution_id: UUID) -> None:
        for call in self._calls.get(execution_id, {}).values():
            call.index = call.offset = 0

    def _sample(self, watched: Collection[UUID]) -> Iterator[Piece]:
        room = MAX_SAMPLE
        for execution_id in watched:
            for call in self._calls.get(execution_id, {}).values():
                text = call.take(min(room, KEPT_CHARACTERS))
                room -= len(text)
                begin = call.offset - len(text)
                for cut in range(0, len(text), _PIECE_CHARACTERS):
                    yield _piece(call.claim, begin + cut, text[cut : cut + _PIECE_CHARACTERS])


@asynccontextmanager
async def telling_watchers() -> AsyncIterator[LiveText]:
    """Have watchers told, while the block lasts, of the events that this worker writes and of what its models write."""
    outlet = Outlet(new_carrier())
    live_text = LiveText(outlet)
    tasks = [asyncio.create_task(outlet.run()), asyncio.create_task(live_text.run())]
    use_outlet(outlet)
    try:
        yield live_text
    finally:
        use_outlet(None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _piece(claim: Claim, offset: int, text: str) -> Piece:
    return Piece(
        execution_id=claim.execution_id,
        key=claim.call_id.hex,
        path=claim.path,
        step_id=claim.step_id,
        attempt=claim.attempt,
        offset=offset,
        text=text,
    )


def payloads(pieces: Iterable[Piece]) -> Iterator[str]:
    """Write pieces into as few payloads as they need: one JSON array a piece, one piece a line."""
    lines: list[str] = []
    size = 0
    for piece in pieces:
        values = [piece.execution_id.hex, piece.key, piece.path, piece.step_id, piece.attempt, piece.offset, piece.text]
        line = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace").decode()
        length = len(line.encode()) + 1
        if lines and size + length > MAX_PAYLOAD:
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += length
    if lines:
        yield "\n".join(lines)


def pieces_of(payload: str) -> Iterator[Piece]:
    """Read a payload; pieces that follow each other are put together. :raises ValueError: it is none."""
    last: Piece | None = None
    for line in payload.split("\n"):
        execution_id, key, path, step_id, attempt, offset, text = json.loads(line)
        if last is not None and last.key == key and last.offset + len(last.text) == offset:
            last = replace(last, text=last.text + text)
            continue
        if last is not None:
            yield last
        last = Piece(
            execution_id=UUID(execution_id),
            key=key,
            path=path,
            step_id=step_id,
            attempt=attempt,
            offset=offset,
            text=text,
        )
    if last is not None:
        yield last
