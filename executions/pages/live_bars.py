"""Bars that show when steps waited, when a model worked and when people were asked: one time scale for a run.

Times at which nothing worked are drawn shorter, so that a wait of three days does not hide half a minute of work.
Widths are per cent, and attributes of SVG: the policy of our pages allows no inline styles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from executions.amounts import span

Part = Literal["queue", "model", "people"]

_SHORTEST_GAP = 2.0
_GAP_SHARE = 0.12
_THINNEST = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    part: Part
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One rectangle, in per cent of the width."""

    part: Part
    x: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where time was left out; ``at`` in per cent."""

    at: str
    length: str


class Scale:
    """Places in per cent for points in time between the beginning and the end of a run."""

    def __init__(self, begin: datetime, end: datetime, segments: Iterable[Segment]) -> None:
        self.begin, self.end = begin, max(end, begin + timedelta(milliseconds=1))
        self.gaps: list[Gap] = []
        busy = list(_merged(each for each in segments if each.part == "model"))
        total = sum((last - first).total_seconds() for first, last in busy)
        self._longest_gap = max(total * _GAP_SHARE, _SHORTEST_GAP)
        self._points = [(self.begin, 0.0)]
        gaps: list[tuple[float, float, timedelta]] = []
        for first, last in [*busy, (self.end, self.end)]:
            before, at = self._points[-1]
            wait = (first - before).total_seconds()
            if wait > 0:
                shown = min(wait, self._longest_gap)
                if shown < wait:
                    gaps.append((at, shown, first - before))
                at += shown
                self._points.append((first, at))
            if last > first:
                self._points.append((last, at + (last - first).total_seconds()))
        self._length = self._points[-1][1] or 1.0
        self.gaps = [Gap(at=_percent(at + shown / 2, self._length), length=span(left)) for at, shown, left in gaps]

    def place(self, at: datetime) -> float:
        """Return where ``at`` is, from 0 to 100."""
        at = min(max(at, self.begin), self.end)
        low, high = 0, len(self._points) - 1
        while low < high - 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._points[middle][0] <= at else (low, middle)
        (first, x), (last, y) = self._points[low], self._points[high]
        length = (last - first).total_seconds()
        share = (at - first).total_seconds() / length if length else 0.0
        return (x + (y - x) * share) / self._length * 100

    def drawn(self, segments: Sequence[Segment]) -> list[Drawn]:
        found = []
        for each in segments:
            x, end = self.place(each.begin), self.place(each.end)
            width = max(end - x, _THINNEST)
            found.append(Drawn(part=each.part, x=f"{min(x, 100 - width):.2f}%", width=f"{width:.2f}%"))
        return found


def lengths(segments: Iterable[Segment]) -> dict[Part, timedelta]:
    """Return how long each part took in all."""
    found: dict[Part, timedelta] = {}
    for each in segments:
        found[each.part] = found.get(each.part, timedelta()) + (each.end - each.begin)
    return found


def fill_with_queue(ready: datetime | None, end: datetime, known: Sequence[Segment]) -> list[Segment]:
    """Return the segments of a step: what is known, and the waiting for a worker (or for another try) between."""
    known = sorted(known, key=lambda each: each.begin)
    found: list[Segment] = []
    at = ready if ready is not None else (known[0].begin if known else end)
    for each in known:
        if each.begin > at:
            found.append(Segment(part="queue", begin=at, end=each.begin))
        found.append(each)
        at = max(at, each.end)
    if end > at:
        found.append(Segment(part="queue", begin=at, end=end))
    return found


def _merged(segments: Iterable[Segment]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times at which anything was going on, in order, without overlaps."""
    current: tuple[datetime, datetime] | None = None
    for each in sorted(segments, key=lambda one: one.begin):
        if current is not None and each.begin <= current[1]:
            current = (current[0], max(current[1], each.end))
            continue
        if current is not None:
            yield current
        current = (each.begin, each.end)
    if current is not None:
        yield current


def _percent(value: float, whole: float) -> str:
    return f"{value / whole * 100:.2f}%"
