"""What changed between two versions of a document, as plain data for templates: field by field, item by item.

Items of a list are matched by their id where all have one, so that a moved item is said to be moved and not removed
and added; other lists are matched by what their items hold. Whatever did not change is named, not shown. Like
:mod:`documents.rendering` this makes no HTML, and it is bounded: what is too much is counted, never dropped in silence.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from documents.canonical import canonical_json, pointer
from documents.rendering import MAX_DEPTH, Arranger, Node, humanised, pointer_keys, value_at, visible
from documents.schema_view import SchemaView
from documents.wording import Effort, Piece, Run, compare_texts, folded, matching_runs

MAX_CHANGES = 300
_MOST_NAMES = 12
# Two texts of a list without ids are one text that was changed if they share so much of their words.
_ALIKE = 0.4

ChangeKind = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place that is not as it was. Texts have ``pieces``; what was added or removed has a ``node``.

    ``pointer`` leads into the new version, for what was removed into the old one. ``moved`` says from where to where.
    """

    kind: ChangeKind
    title: str
    pointer: str
    pieces: tuple[Piece, ...] = ()
    before: Node | None = None
    after: Node | None = None
    moved: str = ""
    children: tuple[Change, ...] = ()
    unchanged: tuple[str, ...] = ()
    unchanged_count: int = 0

    @property
    def unnamed_count(self) -> int:
        """How many unchanged fields or items are counted only."""
        return self.unchanged_count - len(self.unchanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All changes between two versions. ``left_out`` counts those that there was no room for."""

    root: Change | None
    left_out: int = 0

    @property
    def is_same(self) -> bool:
        return self.root is None

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return the changes of the outermost fields; of a document that is no object the one change."""
        if self.root is None:
            return ()
        return self.root.children or (self.root,)

    def counts(self) -> dict[str, int]:
        """Return how many places were added, removed, changed or moved, innermost places only."""
        found: dict[str, int] = {}
        for change in _innermost(self.root):
            found[change.kind] = found.get(change.kind, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands in either version, and what it is called."""

    old: str
    new: str
    title: str
    view: SchemaView
    depth: int

    def below(self, old_key: str | int, new_key: str | int, title: str, view: SchemaView) -> _Place:
        return _Place(pointer(self.old, old_key), pointer(self.new, new_key), title, view, self.depth + 1)


def compare(old: Any, new: Any, schema: Mapping[str, Any] | None = None) -> Comparison:
    """Return what has to be said of ``new`` to somebody who knows ``old``."""
    comparer = _Comparer()
    root = comparer.value(old, new, _Place("", "", "", SchemaView.of(schema or {}), 0))
    return Comparison(root=root, left_out=comparer.left_out)


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON; for Python ``True`` is ``1``."""
    return bool(a == b) and canonical_json(a) == canonical_json(b)


def follow(path: str, old: Any, new: Any) -> str | None:
    """Return where the place ``path`` of the old version is in the new one; ``None`` where it is gone.

    Items are followed by their id; in lists without ids by what they hold, and after that by their number.
    """
    here_old, here_new, found = old, new, ""
    for key in pointer_keys(path):
        if isinstance(here_old, list) and isinstance(here_new, list):
            key_new = _followed_item(key, here_old, here_new)
        else:
            key_new = key
        try:
            here_old = value_at(here_old, pointer("", key))
            here_new = value_at(here_new, pointer("", key_new)) if key_new is not None else None
        except LookupError:
            return None
        if key_new is None:
            return None
        found = pointer(found, key_new)
    return found


class _Comparer:
    """One comparison, with what it may still spend."""

    def __init__(self) -> None:
        self.count = 0
        self.left_out = 0
        self.effort = Effort()
        self.arranger = Arranger()

    def value(self, old: Any, new: Any, at: _Place) -> Change | None:
        if is_same(old, new):
            return None
        if not self.has_room():
            return None
        is_deep = at.depth >= MAX_DEPTH
        if isinstance(old, dict) and isinstance(new, dict) and old and new and not is_deep:
            return self.object(old, new, at)
        if isinstance(old, list) and isinstance(new, list) and old and new and not is_deep:
            return self.array(old, new, at)
        if isinstance(old, dict | list) or isinstance(new, dict | list):
            return self.change("changed", at, before=self.node(old, at), after=self.node(new, at))
        return self.change("changed", at, pieces=self.pieces(_as_text(old), _as_text(new)))

    def has_room(self) -> bool:
        """Count one more change; what there is no room for is left out."""
        if self.count >= MAX_CHANGES:
            self.left_out += 1
            return False
        self.count += 1
        return True

    def object(self, old: Mapping[str, Any], new: Mapping[str, Any], at: _Place) -> Change:
        children, same = [], []
        for key in _keys(at.view, old, new):
            view = at.view.at(key)
            place = at.below(key, key, visible(view.title or humanised(key)), view)
            if key not in old:
                change = self.added(new[key], place)
            elif key not in new:
                change = self.removed(old[key], place)
            else:
                change = self.value(old[key], new[key], place)
                if change is None and is_same(old[key], new[key]):
                    same.append(place.title)
            children += [change] if change is not None else []
        return self.change("changed", at, children=children, same=same)

    def array(self, old: Sequence[Any], new: Sequence[Any], at: _Place) -> Change:
        key = _id_key(old, new)
        pairs = _pairs_by_id(old, new, key) if key else _pairs_by_content(old, new, self.effort)
        moved = _moved(pairs) if key else set()
        children, same = [], []
        for old_index, new_index in _in_order(pairs, len(old), len(new)):
            change = self.item(old, new, (old_index, new_index), at, is_moved=new_index in moved)
            if change is not None:
                children.append(change)
            elif old_index is not None and new_index is not None and is_same(old[old_index], new[new_index]):
                same.append(self.heading(new[new_index], new_index))
        return self.change("changed", at, children=children, same=same)

    def item(
        self,
        old: Sequence[Any],
        new: Sequence[Any],
        pair: tuple[int | None, int | None],
        at: _Place,
        *,
        is_moved: bool,
    ) -> Change | None:
        before, after = pair
        shown, index = (new, after) if after is not None else (old, before)
        assert index is not None
        place = at.below(
            before if before is not None else index,
            after if after is not None else index,
            self.heading(shown[index], index),
            at.view.item(index),
        )
        if before is None:
            return self.added(new[index], place)
        if after is None:
            return self.removed(old[index], place)
        change = self.value(old[before], new[after], place)
        if not is_moved:
            return change
        words = f"moved from place {before + 1} to place {after + 1}"
        if change is not None:
            return _said_moved(change, words)
        return self.change("moved", place, moved=words) if self.has_room() else None

    def added(self, value: Any, at: _Place) -> Change | None:
        return self.change("added", at, after=self.node(value, at)) if self.has_room() else None

    def removed(self, value: Any, at: _Place) -> Change | None:
        return self.change("removed", at, before=self.node(value, at)) if self.has_room() else None

    def change(
        self, kind: ChangeKind, at: _Place, *, same: Sequence[str] = (), children: Sequence[Change] = (), **parts: Any
    ) -> Change:
        return Change(
            kind=kind,
            title=at.title,
            pointer=visible(at.old if kind == "removed" else at.new),
            children=tuple(children),
            unchanged=tuple(same[:_MOST_NAMES]),
            unchanged_count=len(same),
            **parts,
        )

    def node(self, value: Any, at: _Place) -> Node:
        return self.arranger.node(value, at.view, at.new, at.depth)

    def pieces(self, old: str, new: str) -> tuple[Piece, ...]:
        found = folded(compare_texts(old, new, self.effort))
        return tuple(Piece(piece.kind, visible(piece.text)) for piece in found)

    def heading(self, item: Any, index: int) -> str:
        return self.arranger.heading(item, index) if isinstance(item, dict) else f"Item {index + 1}"


def _innermost(change: Change | None) -> Iterator[Change]:
    if change is None:
        return
    if change.moved or not change.children:
        yield change
    for child in change.children:
        yield from _innermost(child)


def _said_moved(change: Change, words: str) -> Change:
    values = {name: getattr(change, name) for name in Change.__slots__}
    return Change(**{**values, "moved": words})


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "no value" if value is None else json.dumps(value)


def _keys(view: SchemaView, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return all keys of both: as the schema orders them, then as the new version does, then what is gone."""
    known = [key for key in view.properties if key in old or key in new]
    return list(dict.fromkeys([*known, *new, *old]))


def _id_key(old: Sequence[Any], new: Sequence[Any]) -> str | None:
    """Return the key that tells the items of both lists apart: ``id``, or one that ends with ``_id``."""
    items = [*old, *new]
    if not all(isinstance(item, dict) for item in items):
        return None
    keys: list[str] = ["id", *(key for key in items[0] if key.endswith("_id"))]
    for key in keys:
        if all(isinstance(item.get(key), str | int) for item in items) and all(
            len({str(item[key]) for item in each}) == len(each) for each in (old, new)
        ):
            return key
    return None


def _pairs_by_id(old: Sequence[Any], new: Sequence[Any], key: str) -> list[tuple[int, int]]:
    places = {str(item[key]): index for index, item in enumerate(old)}
    return [(places[str(item[key])], index) for index, item in enumerate(new) if str(item[key]) in places]


def _pairs_by_content(old: Sequence[Any], new: Sequence[Any], effort: Effort) -> list[tuple[int, int]]:
    """Match what is the same in order; between two matches, what is alike, in order too."""
    a, b = [canonical_json(item) for item in old], [canonical_json(item) for item in new]
    runs = matching_runs(a, b, effort)
    if runs is None:
        runs = [Run(at, at, 1) for at, (x, y) in enumerate(zip(a, b, strict=False)) if x == y]
    pairs: list[tuple[int, int]] = []
    x = y = 0
    for run in [*runs, Run(len(a), len(b), 0)]:
        gap = zip(range(x, run.old), range(y, run.new), strict=False)
        pairs += [(i, j) for i, j in gap if _is_alike(old[i], new[j])]
        pairs += [(run.old + step, run.new + step) for step in range(run.length)]
        x, y = run.old + run.length, run.new + run.length
    return pairs


def _is_alike(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        a, b = set(old.split()), set(new.split())
        return len(a & b) >= _ALIKE * max(len(a), len(b), 1)
    return isinstance(old, dict | list) and type(old) is type(new)


def _moved(pairs: Sequence[tuple[int, int]]) -> set[int]:
    """Return the new places of the fewest items whose moving explains the new order (Schensted's longest rise)."""
    tails: list[int] = []
    tail_pairs: list[int] = []
    previous: list[int | None] = []
    for number, (before, _) in enumerate(pairs):
        at = bisect_left(tails, before)
        previous.append(tail_pairs[at - 1] if at else None)
        if at == len(tails):
            tails.append(before)
            tail_pairs.append(number)
        else:
            tails[at], tail_pairs[at] = before, number
    kept = set()
    number_or_none = tail_pairs[-1] if tail_pairs else None
    while number_or_none is not None:
        kept.add(number_or_none)
        number_or_none = previous[number_or_none]
    return {after for number, (_, after) in enumerate(pairs) if number not in kept}


def _in_order(
    pairs: Sequence[tuple[int, int]], old_count: int, new_count: int
) -> Iterator[tuple[int | None, int | None]]:
    """Yield each item once, in the new order; what is gone stands where it stood."""
    before_of = {after: before for before, after in pairs}
    gone = sorted(set(range(old_count)) - set(before_of.values()))
    at = 0
    for after in range(new_count):
        before = before_of.get(after)
        while before is not None and at < len(gone) and gone[at] < before:
            yield gone[at], None
            at += 1
        yield before, after
    yield from ((each, None) for each in gone[at:])


def _followed_item(key: str, old: Sequence[Any], new: Sequence[Any]) -> str | None:
    if not key.isdecimal() or int(key) >= len(old):
        return None
    item = old[int(key)]
    id_key = _id_key(old, new)
    if id_key is not None:
        return next((str(at) for at, each in enumerate(new) if str(each[id_key]) == str(item[id_key])), None)
    same = next((str(at) for at, each in enumerate(new) if is_same(item, each)), None)
    if same is not None:
        return same
    pairs = dict(_pairs_by_content(old, new, Effort()))
    return str(pairs[int(key)]) if int(key) in pairs else None
