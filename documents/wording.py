"""Two texts side by side, word by word. Pure, and bounded: hostile texts cost a coarser answer, never the server.

The comparison is Myers' greedy one: its time grows with how much was changed, and that is what is bounded. What
changed more than the bound allows is compared by lines, and after that shown as the whole old and the whole new text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PieceKind = Literal["same", "added", "removed", "skipped"]

# Steps of one comparison of words, and of all that one page makes.
_STEPS_PER_TEXT = 1_000_000
STEPS_PER_PAGE = 4_000_000
_MOST_EDITS = 400
_MOST_CHARACTERS_BY_WORD = 200_000
# So much of an unchanged run is shown at either end; what is between is counted.
_CONTEXT = 160

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both, only in the old, only in the new; or left out, then ``text`` says how much."""

    kind: PieceKind
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` parts that are the same in both sequences, from ``old`` and from ``new`` on."""

    old: int
    new: int
    length: int


class Effort:
    """What is left of the steps that one page may spend on comparing."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS_PER_PAGE) -> None:
        self.left = steps


def compare_texts(old: str, new: str, effort: Effort | None = None) -> tuple[Piece, ...]:
    """Return the pieces that make both texts: those not added are ``old``, those not removed are ``new``."""
    effort = effort or Effort()
    patterns = [_LINES] if max(len(old), len(new)) > _MOST_CHARACTERS_BY_WORD else [_WORDS, _LINES]
    for pattern in patterns:
        a, b = pattern.findall(old), pattern.findall(new)
        found = matching_runs(a, b, effort)
        if found is not None:
            return _pieces(a, b, _without_slivers(a, b, found))
    return _present([("removed", old), ("added", new)])


def folded(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Shorten what is the same in both to what stands beside a change."""
    shown: list[Piece] = []
    for at, piece in enumerate(pieces):
        shown += _folded_piece(piece, is_first=at == 0, is_last=at == len(pieces) - 1)
    return tuple(shown)


def matching_runs(a: Sequence[str], b: Sequence[str], effort: Effort) -> list[Run] | None:
    """Return what both have in common, in order; ``None`` where finding it takes more steps than there are left."""
    start = 0
    while start < len(a) and start < len(b) and a[start] == b[start]:
        start += 1
    end = 0
    while end < len(a) - start and end < len(b) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middle = _middle(a[start : len(a) - end], b[start : len(b) - end], effort)
    if middle is None:
        return None
    runs = [Run(0, 0, start)] if start else []
    runs += [Run(run.old + start, run.new + start, run.length) for run in middle]
    if end:
        runs.append(Run(len(a) - end, len(b) - end, end))
    return runs


def _middle(a: Sequence[str], b: Sequence[str], effort: Effort) -> list[Run] | None:
    if not a or not b:
        return []
    steps = min(_STEPS_PER_TEXT, effort.left)
    limit = min(_MOST_EDITS, steps // (len(a) + len(b)), len(a) + len(b))
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(limit + 1):
        trail.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            x = _start(furthest, diagonal, edits)
            y = x - diagonal
            before = x
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            effort.left -= x - before + 1
            if x >= len(a) and y >= len(b):
                return _walk_back(trail, len(a), len(b))
    return None


def _start(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """Return where a path on this diagonal begins: one down from the next one, or one right from the one before."""
    if diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _walk_back(trail: Sequence[dict[int, int]], x: int, y: int) -> list[Run]:
    runs: list[Run] = []
    for edits in range(len(trail) - 1, -1, -1):
        furthest, diagonal = trail[edits], x - y
        start = _start(furthest, diagonal, edits)
        if x > start:
            runs.append(Run(start, start - diagonal, x - start))
        is_down = diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])
        x, y = (start, start - diagonal - 1) if is_down else (start - 1, start - diagonal)
    return runs[::-1]


def _without_slivers(a: Sequence[str], b: Sequence[str], runs: Sequence[Run]) -> list[Run]:
    """Drop runs of mere white space between two changes: a sentence that was rewritten reads as one change."""
    ends = [(0, 0), *((run.old + run.length, run.new + run.length) for run in runs)]
    starts = [*((run.old, run.new) for run in runs), (len(a), len(b))]
    kept = []
    for at, run in enumerate(runs):
        is_between = ends[at] != starts[at] and ends[at + 1] != starts[at + 1]
        if not (is_between and not "".join(a[run.old : run.old + run.length]).strip()):
            kept.append(run)
    return kept


def _pieces(a: Sequence[str], b: Sequence[str], runs: Sequence[Run]) -> tuple[Piece, ...]:
    found: list[tuple[PieceKind, str]] = []
    x = y = 0
    for run in [*runs, Run(len(a), len(b), 0)]:
        found.append(("removed", "".join(a[x : run.old])))
        found.append(("added", "".join(b[y : run.new])))
        found.append(("same", "".join(a[run.old : run.old + run.length])))
        x, y = run.old + run.length, run.new + run.length
    return _present(found)


def _present(found: Sequence[tuple[PieceKind, str]]) -> tuple[Piece, ...]:
    return tuple(Piece(kind, text) for kind, text in found if text)


def _folded_piece(piece: Piece, *, is_first: bool, is_last: bool) -> list[Piece]:
    head = 0 if is_first else _CONTEXT
    tail = 0 if is_last else _CONTEXT
    left_out = len(piece.text) - head - tail
    if piece.kind != "same" or left_out < _CONTEXT:
        return [piece]
    ends = [Piece("same", piece.text[:head])] if head else []
    ends.append(Piece("skipped", f"{left_out:,} unchanged characters"))
    return [*ends, Piece("same", piece.text[-tail:])] if tail else ends
