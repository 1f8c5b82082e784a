"""Documents as plain data for templates: what a JSON value says, arranged by its JSON Schema.

Nothing here makes HTML. Every text comes out as a ``str`` that the template escapes, so that what a model
wrote stays text. Characters that cannot be seen but change what is read (direction overrides, tag
characters, control characters) are spelt out as ``[U+202E]``: a reviewer accepts what is stored, so what is
stored has to be visible.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from documents.canonical import pointer
from documents.schema_view import SchemaView

MAX_DEPTH = 10
MAX_NODES = 4_000
# A page with more of them opens slowly; what comes after is shown as JSON, whole.
MAX_ITEMS = 300
MAX_TABLE_COLUMNS = 5
MAX_POINTERS = 300

Kind = Literal["text", "value", "empty", "list", "table", "records", "object", "json"]

# Controls but tab and line ends; zero-width space, word joiner and BOM; direction marks and overrides; tags.
# Joiners (U+200C, U+200D) stay: Persian and emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e0fff]"
)
_HEADING_KEYS = ("title", "name", "label", "statement", "item")
_MAX_HEADING = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    key: str
    title: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One object of a list. ``cells`` go with the table's columns; ``node`` is the whole object of a record."""

    pointer: str
    heading: str
    cells: tuple[tuple[Column, Node | None], ...] = ()
    node: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    key: str
    title: str
    description: str
    pointer: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value. Which attributes count depends on ``kind``; ``missing`` names required keys that are not there.

    ``rest`` is the JSON of the ``rest_count`` items or keys that come after those that are arranged.
    """

    kind: Kind
    pointer: str = ""
    text: str = ""
    items: tuple[Node, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    fields: tuple[Field, ...] = ()
    other: tuple[Field, ...] = ()
    missing: tuple[str, ...] = ()
    rest: str = ""
    rest_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A whole document."""

    title: str
    description: str
    root: Node
    raw: str
    has_hidden_characters: bool
    is_shortened: bool


def render(content: Any, schema: Mapping[str, Any] | None = None) -> Rendered:
    """Arrange ``content`` by ``schema``; without one, by itself."""
    view = SchemaView.of(schema or {})
    walk = Arranger()
    root = walk.node(content, view, "", 0)
    return Rendered(
        title=visible(view.title),
        description=visible(view.description),
        root=root,
        raw=raw_json(content),
        has_hidden_characters=walk.has_hidden,
        is_shortened=walk.is_shortened,
    )


def suggested_places(content: Any) -> tuple[str, ...]:
    """Return places that a comment can name, at most :data:`MAX_POINTERS`."""
    return tuple(_first(_pointers(content, "", 0), MAX_POINTERS))


def raw_json(value: Any) -> str:
    """Return ``value`` as indented JSON; hidden characters are escaped, which changes nothing of its meaning."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # json escapes the controls below U+0020 itself, so whatever is found here stands inside a text.
    return _HIDDEN.sub(_escaped, text)


def visible(text: str) -> str:
    """Spell out the characters that a reader could not see."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def has_place(content: Any, path: str) -> bool:
    """Whether the JSON Pointer ``path`` names a place in ``content``."""
    try:
        value_at(content, path)
    except LookupError:
        return False
    return True


def value_at(content: Any, path: str) -> Any:
    """Return what stands at the JSON Pointer ``path``. :raises LookupError: there is no such place."""
    if path and not path.startswith("/"):
        raise LookupError(path)
    value = content
    for key in pointer_keys(path):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and re.fullmatch("0|[1-9][0-9]{0,8}", key) and int(key) < len(value):
            value = value[int(key)]
        else:
            raise LookupError(path)
    return value


def pointer_keys(path: str) -> list[str]:
    """Return the keys that a JSON Pointer is made of."""
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


class Arranger:
    """One pass over a document, or over parts of several, with what it found on the way."""

    def __init__(self) -> None:
        self.count = 0
        self.has_hidden = False
        self.is_shortened = False

    def node(self, value: Any, view: SchemaView, at: str, depth: int) -> Node:
        self.count += 1
        place = visible(at)
        if isinstance(value, str):
            if not value.strip():
                return Node(kind="empty", pointer=place, text="empty text")
            return Node(kind="text", pointer=place, text=self.text(value))
        if not isinstance(value, dict | list):
            return _scalar(value, place)
        if not value:
            return Node(kind="empty", pointer=place, text="none" if isinstance(value, list) else "nothing in it")
        if depth >= MAX_DEPTH or self.count > MAX_NODES:
            self.is_shortened = True
            return Node(kind="json", pointer=place, text=raw_json(value))
        if isinstance(value, dict):
            return self.object(value, view, at, depth)
        return self.array(value, view, at, depth)

    def object(self, value: Mapping[str, Any], view: SchemaView, at: str, depth: int) -> Node:
        known = [key for key in view.properties if key in value]
        unknown = [key for key in value if key not in view.properties]
        left_out = {key: value[key] for key in [*known, *unknown][MAX_ITEMS:]}
        known, unknown = known[:MAX_ITEMS], unknown[: max(MAX_ITEMS - len(known), 0)]
        fields = tuple(self.field(key, value[key], view.at(key), at, depth) for key in known)
        other = tuple(self.field(key, value[key], view.at(key), at, depth) for key in unknown)
        missing = tuple(view.at(key).title or humanised(key) for key in view.required if key not in value)
        if not view.properties:
            fields, other = other, ()
        rest, count = self.rest(left_out)
        return Node(
            kind="object",
            pointer=visible(at),
            fields=fields,
            other=other,
            missing=missing,
            rest=rest,
            rest_count=count,
        )

    def rest(self, value: Mapping[str, Any] | Sequence[Any]) -> tuple[str, int]:
        """Return as JSON what there is no room to arrange, and how much it is."""
        self.is_shortened = self.is_shortened or bool(value)
        return (raw_json(value), len(value)) if value else ("", 0)

    def field(self, key: str, value: Any, view: SchemaView, at: str, depth: int) -> Field:
        place = pointer(at, key)
        return Field(
            key=self.text(key),
            title=self.text(view.title or humanised(key)),
            description=self.text(view.description),
            pointer=self.text(place),
            node=self.node(value, view, place, depth + 1),
        )

    def array(self, value: Sequence[Any], view: SchemaView, at: str, depth: int) -> Node:
        shown = value[:MAX_ITEMS]
        rest, count = self.rest(value[MAX_ITEMS:])
        if all(isinstance(item, dict) and item for item in shown):
            keys = _table_keys(shown, view.item(0))
            node = self.records(shown, view, at, depth) if keys is None else self.table(shown, keys, view, at, depth)
        else:
            items = (self.node(item, view.item(index), f"{at}/{index}", depth + 1) for index, item in enumerate(shown))
            node = Node(kind="list", items=tuple(items))
        return replace(node, pointer=visible(at), rest=rest, rest_count=count)

    def table(
        self, value: Sequence[Mapping[str, Any]], keys: Sequence[str], view: SchemaView, at: str, depth: int
    ) -> Node:
        columns = {key: self.column(key, view.item(0).at(key)) for key in keys}
        rows = []
        for index, item in enumerate(value):
            place = f"{at}/{index}"
            cells = tuple(
                (
                    columns[key],
                    self.node(item[key], view.item(index).at(key), pointer(place, key), depth + 2)
                    if key in item
                    else None,
                )
                for key in keys
            )
            rows.append(Row(pointer=place, heading=self.heading(item, index), cells=cells))
        return Node(kind="table", columns=tuple(columns.values()), rows=tuple(rows))

    def column(self, key: str, view: SchemaView) -> Column:
        title = self.text(view.title or humanised(key))
        return Column(key=self.text(key), title=title, description=self.text(view.description))

    def records(self, value: Sequence[Mapping[str, Any]], view: SchemaView, at: str, depth: int) -> Node:
        rows = []
        for index, item in enumerate(value):
            place = f"{at}/{index}"
            node = self.node(item, view.item(index), place, depth + 1)
            rows.append(Row(pointer=self.text(place), heading=self.heading(item, index), node=node))
        return Node(kind="records", rows=tuple(rows))

    def heading(self, item: Mapping[str, Any], index: int) -> str:
        """Name one object of a list by its id and title, or by its place."""
        parts = [str(item["id"])] if isinstance(item.get("id"), str | int) else []
        parts += [item[key] for key in _HEADING_KEYS if isinstance(item.get(key), str)][:1]
        text = " · ".join(part for part in parts if part.strip()) or str(index + 1)
        return self.text(text if len(text) <= _MAX_HEADING else text[: _MAX_HEADING - 1] + "…")

    def text(self, text: str) -> str:
        shown = visible(text)
        self.has_hidden = self.has_hidden or shown != text
        return shown


def humanised(key: str) -> str:
    """Return a key as words: ``business_value`` is ``Business value``."""
    words = key.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else key or "(no name)"


def _scalar(value: Any, place: str) -> Node:
    if value is None:
        return Node(kind="empty", pointer=place, text="no value")
    if isinstance(value, bool):
        return Node(kind="value", pointer=place, text="Yes" if value else "No")
    return Node(kind="value", pointer=place, text=json.dumps(value))


def _table_keys(rows: Sequence[Mapping[str, Any]], view: SchemaView) -> list[str] | None:
    """Return the columns of a table for these objects, or ``None`` where a table would be too wide or too deep."""
    keys = [key for key in view.properties if any(key in row for row in rows)]
    for row in rows:
        for key, value in row.items():
            if key not in view.properties:
                if view.properties:
                    return None  # an unknown key is shown as such
                if key not in keys:
                    keys.append(key)
            is_nested = isinstance(value, dict) or (
                isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
            )
            if (is_nested and value) or len(keys) > MAX_TABLE_COLUMNS:
                return None
        if any(key not in row for key in view.required):
            return None  # what is missing is named in words
    return keys


def _pointers(value: Any, at: str, depth: int) -> Iterator[str]:
    """Yield the places of a document, outer levels only: a list of suggestions, no index."""
    if depth > 2 or not isinstance(value, dict | list):
        return
    places = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in places:
        place = pointer(at, str(key))
        yield place
        yield from _pointers(item, place, depth + 1)


def _first(places: Iterator[str], limit: int) -> Iterator[str]:
    for _, place in zip(range(limit), places, strict=False):
        yield place
