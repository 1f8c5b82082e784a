"""A document's content as an indented outline for a terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from executions.terminal.wording import clean, clean_lines

_NARROWEST = 20
_DEEPEST = 8


def outline(content: Any, width: int) -> list[str]:
    """Return the lines of a document, at most ``width`` characters each (more where it is nested deeply)."""
    return list(_value(content, "", width, 0))


def wrapped(text: str, width: int, indent: str = "", first: str | None = None) -> list[str]:
    """Return a text in lines of at most ``width``; ``first`` begins the first one, ``indent`` all others."""
    lines: list[str] = []
    for paragraph in clean_lines(text):
        lead = indent if lines or first is None else first
        room = max(width, len(indent) + _NARROWEST)
        lines += textwrap.wrap(paragraph, room, initial_indent=lead, subsequent_indent=indent) or [lead.rstrip()]
    return lines


def _value(value: Any, indent: str, width: int, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        yield from wrapped(json.dumps(value, ensure_ascii=False), width, indent)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{_title(key)}:", item, indent, width, depth)
    elif isinstance(value, list):
        for item in value:
            yield from _item(item, indent, width, depth)
    else:
        yield from wrapped(_scalar(value), width, indent)


def _entry(name: str, value: Any, indent: str, width: int, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list):
        if not value:
            yield f"{indent}{name} none"
            return
        yield f"{indent}{name}"
        yield from _value(value, f"{indent}  ", width, depth + 1)
    else:
        yield from wrapped(_scalar(value), width, f"{indent}  ", f"{indent}{name} ")


def _item(item: Any, indent: str, width: int, depth: int) -> Iterator[str]:
    if isinstance(item, dict | list):
        first, *rest = list(_value(item, f"{indent}  ", width, depth + 1)) or [f"{indent}  (empty)"]
        yield f"{indent}• {first[len(indent) + 2 :]}"
        yield from rest
    else:
        yield from wrapped(_scalar(item), width, f"{indent}  ", f"{indent}• ")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    return {True: "yes", False: "no", None: "—"}.get(value, json.dumps(value)) if not _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _title(key: str) -> str:
    words = clean(key).replace("_", " ").strip()
    return words[:1].upper() + words[1:]
