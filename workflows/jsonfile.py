"""Text and JSON files of a package: decoding, and everything JSON files can have wrong.

Files come from other people's editors: byte order marks, UTF-16, CRLF. A problem carries the JSON path
of its place wherever there is one.
"""

from __future__ import annotations

import codecs
import json
import math
from typing import Any

from workflows.problems import Findings, Problem, child, printable

MAX_DEPTH = 128
_MARKS = (  # the four-byte marks first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableText(ValueError):
    """The bytes are no text that we take; the message says why."""


class _Duplicated(dict[str, Any]):
    """An object some of whose keys stood in the file more than once."""

    duplicates: list[str]


def decode(data: bytes) -> str:
    """Return the text of a file, without its byte order mark.

    :raises UnreadableText: where it is neither UTF-8 nor marked as UTF-16 or UTF-32.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableText(f"the file is not {encoding} text: byte {error.start} is wrong") from error


def unix_lines(text: str) -> str:
    """Return ``text`` with LF line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value of a JSON text, and what is wrong with it. With an error the value may be ``None``."""
    found = Findings()
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_float=_number, parse_int=_integer, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        found.error("BAD_JSON", "$", f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
        return None, found.as_tuple()
    except RecursionError:
        found.error("TOO_DEEP", "$", f"nested more than {MAX_DEPTH} levels deep")
        return None, found.as_tuple()
    except ValueError as error:
        found.error("BAD_JSON", "$", str(error))
        return None, found.as_tuple()
    _report_duplicates(value, found)
    found.extend(unstorable(value))
    return value, found.as_tuple()


def unstorable(value: Any) -> tuple[Problem, ...]:
    """Return what keeps a JSON value out of the database: bad text, numbers without value, depth."""
    found = Findings()
    stack: list[tuple[Any, str, int]] = [(value, "$", 1)]
    while stack:
        item, path, depth = stack.pop()
        if depth > MAX_DEPTH and isinstance(item, dict | list):
            found.error("TOO_DEEP", path, f"nested more than {MAX_DEPTH} levels deep")
        elif isinstance(item, dict):
            for key, inner in reversed(item.items()):
                place = child(path, str(key))
                _check_text(str(key), place, "the key", found)
                stack.append((inner, place, depth + 1))
        elif isinstance(item, list):
            stack.extend((inner, child(path, index), depth + 1) for index, inner in reversed(list(enumerate(item))))
        elif isinstance(item, str):
            _check_text(item, path, "the text", found)
        elif isinstance(item, float) and not math.isfinite(item):
            found.error("BAD_JSON", path, "not a number that JSON can carry")
    return found.as_tuple()


def text_problem(text: str) -> str | None:
    """Say why the database could not store ``text``, or return ``None``."""
    if "\x00" in text:
        return "holds a NUL character (U+0000)"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"holds half a surrogate pair (U+{ord(text[error.start]):04X})"
    return None


def _check_text(text: str, path: str, what: str, found: Findings) -> None:
    problem = text_problem(text)
    if problem is not None:
        found.error("BAD_TEXT", path, f"{what} {problem}")


def _report_duplicates(value: Any, found: Findings) -> None:
    stack: list[tuple[Any, str]] = [(value, "$")]
    while stack:
        item, path = stack.pop()
        if isinstance(item, _Duplicated):
            for key in item.duplicates:
                found.error("DUPLICATE_KEY", child(path, key), f"the key {printable(key)!r} stands here twice")
        if isinstance(item, dict):
            stack.extend((inner, child(path, key)) for key, inner in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((inner, child(path, index)) for index, inner in reversed(list(enumerate(item))))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    seen: set[str] = set()
    marked = _Duplicated(plain)
    marked.duplicates = []
    for key, _ in pairs:
        if key in seen and key not in marked.duplicates:
            marked.duplicates.append(key)
        seen.add(key)
    return marked


def _number(text: str) -> float | int:
    # Integral floats become integers, so that the stored JSON reads back as what was hashed.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {printable(text, 40)} is too large")
    return int(number) if number.is_integer() else number


def _integer(text: str) -> int:
    if len(text) > 400:
        raise ValueError(f"an integer of {len(text)} digits is too large")
    return int(text)


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
