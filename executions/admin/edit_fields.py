"""The texts of a document as fields of a form, and the document again from what was typed into them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from documents.canonical import NotStorable, canonical_json, normalise, pointer
from documents.rendering import Arranger, humanised, pointer_keys, value_at, visible
from documents.schema_view import SchemaView

# What a browser sends in one form; a larger document is given back with a reason instead.
MAX_BYTES = 600_000
MAX_FIELDS = 300
_LONG = 70
_PREFIX = "text:"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextField:
    """One text of the document. ``number`` makes the id of its input."""

    number: int
    pointer: str
    label: str
    value: str
    errors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.pointer}"

    @property
    def rows(self) -> int:
        """How high its box is; one line is an input of its own."""
        lines = self.value.count("\n") + len(self.value) // _LONG + 1
        return min(max(lines, 1), 14)


@dataclass(slots=True, kw_only=True)
class Typed:
    """What was typed: the whole content, or why there is none, and in which form."""

    content: Any
    as_json: bool
    text: str = ""
    problems: list[tuple[str, str]] = field(default_factory=list)


def text_fields(content: Any, schema: Mapping[str, Any], problems: Mapping[str, list[str]]) -> list[TextField]:
    """Return the texts of ``content`` in the order of the page, at most :data:`MAX_FIELDS`; ids are no texts."""
    found: list[TextField] = []
    for place, label, value in _texts(content, SchemaView.of(schema), "", ""):
        if len(found) >= MAX_FIELDS:
            break
        errors = tuple(problems.get(place, ()))
        found.append(TextField(number=len(found), pointer=place, label=label, value=value, errors=errors))
    return found


def is_too_large(content: Any) -> bool:
    """Whether the document is larger than what can be edited in a browser."""
    return len(canonical_json(content).encode()) > MAX_BYTES


def typed_content(data: Mapping[str, str], content: Any, *, as_json: bool) -> Typed:
    """Read what was typed into either form. ``content`` is that of the version which is edited."""
    base = data.get("base", "")
    start, problems = _read(base) if base else (content, [])
    if as_json:
        text = data.get("json", "").replace("\r\n", "\n")
        value, problems = _read(text)
        return Typed(content=content if problems else value, as_json=True, text=text, problems=problems)
    if problems:
        return Typed(content=content, as_json=True, text=base, problems=problems)
    changed = copy.deepcopy(start)
    for name, text in data.items():
        if name.startswith(_PREFIX):
            changed = _with_text(changed, name.removeprefix(_PREFIX), text)
    return Typed(content=changed, as_json=False)


def _read(text: str) -> tuple[Any, list[tuple[str, str]]]:
    """Return the value of a JSON text, or the problems with it: what could not be stored cannot be shown either."""
    try:
        return normalise(json.loads(text, object_pairs_hook=_each_key_once)), []
    except NotStorable as error:
        return None, [(problem.path, problem.detail) for problem in error.problems]
    except (ValueError, RecursionError) as error:
        return None, [("", f"This is no JSON: {error}.")]


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def _with_text(content: Any, place: str, text: str) -> Any:
    """Put a text in its place; a place that is not there, or holds no text, is left alone."""
    try:
        old = value_at(content, place)
    except LookupError:
        return content
    # A browser sends every line end as two characters; a text that differs in nothing else was not edited.
    new = text.replace("\r\n", "\n")
    if not isinstance(old, str) or old.replace("\r\n", "\n").replace("\r", "\n") == new:
        return content
    if not place:
        return new
    *above, last = pointer_keys(place)
    parent = value_at(content, "".join(pointer("", key) for key in above))
    parent[int(last) if isinstance(parent, list) else last] = new
    return content


def _texts(value: Any, view: SchemaView, at: str, label: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield at, label or "The document", value
    elif isinstance(value, dict):
        known = [key for key in view.properties if key in value]
        for key in dict.fromkeys([*known, *value]):
            if not _is_id(key):
                below = view.at(key)
                title = visible(below.title or humanised(key))
                yield from _texts(value[key], below, pointer(at, key), _joined(label, title))
    elif isinstance(value, list):
        arranger = Arranger()
        for index, item in enumerate(value):
            name = arranger.heading(item, index) if isinstance(item, dict) else str(index + 1)
            yield from _texts(item, view.item(index), f"{at}/{index}", _joined(label, name))


def _joined(label: str, name: str) -> str:
    return f"{label} › {name}" if label else name


def _is_id(key: str) -> bool:
    return key == "id" or key.endswith("_id")
