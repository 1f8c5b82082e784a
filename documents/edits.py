"""What people changed in a document themselves, and how it lives on in versions that a model writes later. Pure.

A *place* is where somebody changed something: a value they set, one they took away, or the order of a list. It is found
again in another version by the keys that lead to it and, in lists, by the ids of the items, not by their numbers. A
list without ids is one place. A version's ``edits`` (see :class:`documents.models.Document`) is this JSON::

    {"by": "ed", "from_version": 1, "changed": ["/goals/1"],       if a person wrote the version
     "places": [{"kind", "path", "place", "by", "at"}],            all that people set so far and that stands
     "restored": ["/title"],                                       what the model had changed, and was put back
     "released": ["/summary"],                                     what reviewers asked the model to change
     "lost": [{"path", "by", "kind", "value", "why"}]}             what could not be kept: ``gone`` or ``invalid``
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from documents.canonical import canonical_json, pointer

JSON = dict[str, Any]
# A key of an object, or the id of an item: the key that it stands under, and its text.
Segment = str | tuple[str, str]
Kind = Literal["set", "removed", "order"]
_PutBack = Literal["same", "restored", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that a person changed, and when (ISO 8601). ``path`` is its JSON Pointer, of what is gone its last."""

    kind: Kind
    path: str
    segments: tuple[Segment, ...]
    by: str
    at: str

    def to_json(self) -> JSON:
        place = [each if isinstance(each, str) else list(each) for each in self.segments]
        return {"kind": self.kind, "path": self.path, "place": place, "by": self.by, "at": self.at}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Place:
        segments = tuple(each if isinstance(each, str) else (each[0], each[1]) for each in data["place"])
        return cls(kind=data["kind"], path=data["path"], segments=segments, by=data["by"], at=data["at"])


def edited_by_hand(
    before: Any, after: Any, *, edits: Mapping[str, Any] | None, by: str, at: str, from_version: int
) -> JSON:
    """Return the ``edits`` of a version that ``by`` made of another one, whose content and edits are given."""
    found = list(_changes(before, after, "", (), by, at))
    older = [
        Place.from_json(each)
        for each in (edits or {}).get("places", ())
        if not any(_is_at_or_below(Place.from_json(each), place) for place in found)
    ]
    places = [*(_placed(place, after) for place in older), *found]
    return {
        "by": by,
        "from_version": from_version,
        "changed": [place.path for place in found],
        "places": [place.to_json() for place in places if place is not None],
    }


def kept_values(content: Any, edits: Mapping[str, Any] | None, comment_paths: Collection[str]) -> list[JSON]:
    """Return what a model must keep of ``content``: each place that people edited, with what they made of it.

    A place that a reviewer has commented on is the model's again.
    """
    held, _ = _held(edits, comment_paths)
    return [{"path": place.path, **_meant(place, content)} for place in held]


def carry_over(
    previous: Any,
    edits: Mapping[str, Any] | None,
    content: Any,
    *,
    comment_paths: Collection[str],
    is_valid: Callable[[Any], bool],
) -> tuple[Any, JSON | None]:
    """Put back what people had set in ``previous`` and a model has changed in ``content``.

    :returns: the content to store, and its ``edits`` (``None`` where there is nothing to say).
    """
    held, released = _held(edits, comment_paths)
    wanted = _applied(previous, held, content)
    if wanted.restored and not is_valid(wanted.content):
        wanted = _one_by_one(previous, held, content, is_valid)
    said: JSON = {}
    for place in held:
        now = None if place in wanted.lost else _placed(place, wanted.content)
        if now is not None:
            said.setdefault("places", []).append(now.to_json())
            if place in wanted.restored:
                said.setdefault("restored", []).append(now.path)
    if released:
        said["released"] = [place.path for place in released]
    if wanted.lost:
        said["lost"] = [
            {"path": place.path, "by": place.by, "kind": place.kind, **_meant(place, previous), "why": why}
            for place, why in wanted.lost.items()
        ]
    return wanted.content, said or None


@dataclass(slots=True)
class _Applied:
    """A content with places put back, and what became of each."""

    content: Any
    restored: list[Place]
    lost: dict[Place, str]


def _applied(previous: Any, places: Sequence[Place], content: Any) -> _Applied:
    # In a box of its own, so that the whole document can be a place as well.
    box = {"": copy.deepcopy(content)}
    result = _Applied(content=None, restored=[], lost={})
    for place in places:
        outcome = _put_back({"": previous}, place.kind, ("", *place.segments), box)
        if outcome == "restored":
            result.restored.append(place)
        elif outcome == "gone":
            result.lost[place] = outcome
    result.content = box[""]
    return result


def _one_by_one(previous: Any, places: Sequence[Place], content: Any, is_valid: Callable[[Any], bool]) -> _Applied:
    """Put back as much as fits: a value that was right before may contradict what the model has written since."""
    result = _Applied(content=content, restored=[], lost={})
    for place in places:
        tried = _applied(previous, [place], result.content)
        if tried.restored and not is_valid(tried.content):
            result.lost[place] = "invalid"
            continue
        result.content = tried.content
        result.restored += tried.restored
        result.lost |= tried.lost
    return result


def _put_back(previous: Any, kind: Kind, segments: Sequence[Segment], content: Any) -> _PutBack:
    """Make a place of ``content`` what it was in ``previous``, in the content itself."""
    held = _at(previous, segments)
    if kind == "order":
        return _reorder(held, _at(content, segments))
    found, last = _at(content, segments[:-1]), segments[-1]
    parent: Any = None if found is None else found[0]
    if not isinstance(parent, dict if isinstance(last, str) else list):
        return "gone"
    key = _key_in(parent, last)
    if kind == "removed":
        if key is None:
            return "same"
        del parent[key]
        return "restored"
    if held is None:
        return "gone"
    if key is not None and _is_same(parent[key], held[0]):
        return "same"
    value = copy.deepcopy(held[0])
    if key is not None:
        parent[key] = value
    elif isinstance(parent, list):
        parent.append(value)  # an item that a person had added
    else:
        parent[last] = value
    return "restored"


def _reorder(previous: tuple[Any] | None, now: tuple[Any] | None) -> _PutBack:
    """Bring the items that both lists have into the order of the first; new ones stay at their places."""
    if previous is None or now is None or not isinstance(now[0], list) or not isinstance(previous[0], list):
        return "gone"
    items, wanted = now[0], previous[0]
    key = _id_key(wanted, items)
    if key is None:
        return "gone"
    rank = {str(item[key]): number for number, item in enumerate(wanted)}
    places = [number for number, item in enumerate(items) if str(item[key]) in rank]
    common = sorted((items[number] for number in places), key=lambda item: rank[str(item[key])])
    if [items[number] for number in places] == common:
        return "same"
    for number, item in zip(places, common, strict=True):
        items[number] = item
    return "restored"


def _changes(before: Any, after: Any, path: str, segments: tuple[Segment, ...], by: str, at: str) -> Iterator[Place]:
    """Yield the smallest places in which two versions differ."""
    if _is_same(before, after):
        return

    def place(kind: Kind, where: str, *more: Segment) -> Place:
        return Place(kind=kind, path=where, segments=(*segments, *more), by=by, at=at)

    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            below = pointer(path, key)
            if key in before:
                yield from _changes(before[key], value, below, (*segments, key), by, at)
            else:
                yield place("set", below, key)
        yield from (place("removed", pointer(path, key), key) for key in before if key not in after)
        return
    key_or_none = _id_key(before, after) if isinstance(before, list) and isinstance(after, list) else None
    if key_or_none is None:
        yield place("set", path)
        return
    id_key = key_or_none
    old = {str(item[id_key]): number for number, item in enumerate(before)}
    new = {str(item[id_key]): number for number, item in enumerate(after)}
    for name, number in new.items():
        below, segment = pointer(path, number), (id_key, name)
        if name in old:
            yield from _changes(before[old[name]], after[number], below, (*segments, segment), by, at)
        else:
            yield place("set", below, segment)
    yield from (place("removed", pointer(path, old[name]), (id_key, name)) for name in old if name not in new)
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield place("order", path)


def _held(edits: Mapping[str, Any] | None, comment_paths: Collection[str]) -> tuple[list[Place], list[Place]]:
    """Return the places that still hold, and those that reviewers have commented on, or on something in them."""
    held: list[Place] = []
    released: list[Place] = []
    for place in map(Place.from_json, (edits or {}).get("places", ())):
        is_released = any(path == place.path or path.startswith(f"{place.path}/") for path in comment_paths)
        (released if is_released else held).append(place)
    return held, released


def _meant(place: Place, content: Any) -> JSON:
    """Return what a person made of a place, in words of JSON."""
    found = _at(content, place.segments)
    if place.kind == "removed" or found is None:
        return {"removed": True}
    if place.kind == "order":
        items = found[0]
        key = _id_key(items, items) if isinstance(items, list) else None
        return {"order": [item[key] for item in items] if key else []}
    return {"value": found[0]}


def _placed(place: Place, content: Any) -> Place | None:
    """Return ``place`` with the path that it has in ``content``; ``None`` where it is not."""
    if place.kind == "removed":
        return place
    path = ""
    here = content
    for segment in place.segments:
        key = _key_in(here, segment)
        if key is None:
            return None
        here, path = here[key], pointer(path, key)
    return replace(place, path=path)


def _at(content: Any, segments: Sequence[Segment]) -> tuple[Any] | None:
    """Return the value at a place, in a tuple: any value may be there, ``None`` too."""
    for segment in segments:
        key = _key_in(content, segment)
        if key is None:
            return None
        content = content[key]
    return (content,)


def _key_in(value: Any, segment: Segment) -> Any:
    """Return the key or number under which ``segment`` is in ``value``, or ``None``."""
    if isinstance(segment, str):
        return segment if isinstance(value, dict) and segment in value else None
    if not isinstance(value, list):
        return None
    key, name = segment
    numbers = (n for n, item in enumerate(value) if isinstance(item, dict) and key in item and str(item[key]) == name)
    return next(numbers, None)


def _is_at_or_below(place: Place, other: Place) -> bool:
    """Whether ``other`` says anew what ``place`` said. The order of a list says nothing of its items."""
    if other.kind == "order":
        return place.kind == "order" and place.segments == other.segments
    return place.segments[: len(other.segments)] == other.segments


def _id_key(before: Any, after: Any) -> str | None:
    """Return the key that tells the items of both lists apart: ``id``, or one that ends with ``_id``."""
    items = [*before, *after]
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    keys = ["id", *(key for key in items[0] if key.endswith("_id"))]
    return next((key for key in keys if all(_tells_apart(each, key) for each in (before, after))), None)


def _tells_apart(items: Sequence[Mapping[str, Any]], key: str) -> bool:
    names = [item.get(key) for item in items]
    is_id = all(isinstance(name, str | int) and not isinstance(name, bool) for name in names)
    return is_id and len({str(name) for name in names}) == len(names)


def _is_same(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON; for Python ``True`` is ``1``."""
    return bool(a == b) and canonical_json(a) == canonical_json(b)
