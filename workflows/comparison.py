"""What changed between two definitions: place by place, texts line by line. No Django, no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

Kind = Literal["added", "removed", "changed", "moved"]
Mark = Literal["same", "added", "removed", "folded"]

# Comparing lines takes time with the square of their number; beyond this a text is shown as replaced.
MAX_COMPARED_LINES = 3_000
MAX_SHOWN_LINES = 400
MAX_CHANGES = 500
_CONTEXT = 2
# Objects that are read as a whole: as JSON, line by line.
_AS_TEXT = frozenset({"schema", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    mark: Mark
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place that differs. ``place`` leads there from the outside in, in the definition's own words."""

    place: tuple[str, ...]
    kind: Kind
    lines: tuple[Line, ...] = ()

    @property
    def where(self) -> str:
        return " › ".join(self.place)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what differs, in the order of the definitions; at most :data:`MAX_CHANGES`."""
    found = []
    for change in _mappings((), before, after):
        found.append(change)
        if len(found) == MAX_CHANGES:
            break
    return found


def _values(place: tuple[str, ...], before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if place[-1] not in _AS_TEXT and isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _mappings(place, before, after)
        return
    old, new = _named(before), _named(after)
    if old is not None and new is not None:
        yield from _mappings(place, old, new)
        if list(old) != list(new) and _common(old, new) != _common(new, old):
            yield Change(place=place, kind="moved", lines=_line_changes(list(old), list(new)))
        return
    yield Change(place=place, kind="changed", lines=_line_changes(_lines(before), _lines(after)))


def _mappings(place: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in [*after, *(key for key in before if key not in after)]:
        here = (*place, key)
        if key not in before:
            yield Change(place=here, kind="added", lines=_all("added", after[key]))
        elif key not in after:
            yield Change(place=here, kind="removed", lines=_all("removed", before[key]))
        else:
            yield from _values(here, before[key], after[key])


def _named(value: Any) -> dict[str, Any] | None:
    """Return the objects of a list by what tells them apart, or ``None`` where nothing does."""
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        return None
    named = {_name(row): row for row in value}
    return named if len(named) == len(value) and "" not in named else None


def _name(row: Mapping[str, Any]) -> str:
    if "step_id" in row:
        return str(row["step_id"])
    what = row.get("doc_type") or row.get("entity_type")
    return f"{what} of {row.get('scope', '')}" if what else ""


def _common(these: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    return [key for key in these if key in others]


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines() or [""]
    if isinstance(value, Sequence | Mapping):
        return json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    if value is None:
        return ["not set"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [str(value)]


def _all(mark: Mark, value: Any) -> tuple[Line, ...]:
    return _bounded([Line(mark=mark, text=text) for text in _lines(value)])


def _line_changes(before: list[str], after: list[str]) -> tuple[Line, ...]:
    if len(before) + len(after) > MAX_COMPARED_LINES:
        half = MAX_SHOWN_LINES // 2
        gone = [Line(mark="removed", text=text) for text in before]
        return (*_bounded(gone, half), *_bounded([Line(mark="added", text=text) for text in after], half))
    found: list[Line] = []
    end = 0
    # Lines that occur all over a long text (a brace) are no landmarks: with them it takes seconds.
    for group in SequenceMatcher(None, before, after, autojunk=True).get_grouped_opcodes(_CONTEXT):
        found += _fold(group[0][1] - end)
        for what, old_from, old_to, new_from, new_to in group:
            if what == "equal":
                found += [Line(mark="same", text=text) for text in before[old_from:old_to]]
                continue
            found += [Line(mark="removed", text=text) for text in before[old_from:old_to]]
            found += [Line(mark="added", text=text) for text in after[new_from:new_to]]
        end = group[-1][2]
    return _bounded([*found, *_fold(len(before) - end)])


def _fold(count: int) -> list[Line]:
    return [Line(mark="folded", text=f"{count} unchanged line{'' if count == 1 else 's'}")] if count > 0 else []


def _bounded(lines: list[Line], most: int = MAX_SHOWN_LINES) -> tuple[Line, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:most], Line(mark="folded", text=f"{len(lines) - most} more lines"))
