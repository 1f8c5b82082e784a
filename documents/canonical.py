"""Canonical JSON: the one form in which content is hashed and stored.

The hash of a document is SHA-256 over JSON with sorted keys, no spaces, UTF-8, of *normalised*
content: integral floats are integers, there is no negative zero, no exponent in an integer. What
PostgreSQL's ``jsonb`` cannot hold (NUL, lone surrogates, NaN, infinities, numbers without bound) is
named by :class:`NotStorable`, never passed on to fail in the database.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_ITEMS = 10_000
MAX_INTEGER_DIGITS = 400
_INTEGER_BOUND = 10**MAX_INTEGER_DIGITS
_MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentProblem:
    """One place in a value that cannot be stored. ``path`` is a JSON Pointer (RFC 6901)."""

    code: str
    path: str
    detail: str


class NotStorable(ValueError):
    """The value holds something that the database cannot keep; ``problems`` says what and where."""

    def __init__(self, problems: list[ContentProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.path or '/'}: {problem.detail}" for problem in problems[:3]))


def pointer(path: str, key: str | int) -> str:
    """Return the JSON Pointer of ``key`` below ``path``."""
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def normalise(value: Any) -> Any:
    """Return ``value`` with its numbers in canonical form, as new lists and dicts.

    :raises NotStorable: where PostgreSQL could not store it, or it is deeper or larger than we take.
    """
    walk = _Walk()
    result = walk.value(value, "", 0)
    if walk.problems:
        raise NotStorable(walk.problems)
    return result


def canonical_json(value: Any) -> str:
    """Return the text that :func:`content_sha256` hashes. ``value`` must be normalised."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_sha256(value: Any) -> str:
    """Return the lower-case hex SHA-256 of the canonical JSON of a normalised value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def text_problem(text: str) -> str | None:
    """Say why PostgreSQL could not store ``text``, or return ``None``."""
    if "\x00" in text:
        return "the text holds a NUL character (U+0000), which cannot be stored; remove it"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"the text holds a lone surrogate (U+{ord(text[error.start]):04X}), which is no character; remove it"
    return None


def storable_text(text: str, limit: int | None = None) -> str:
    """Return ``text`` as PostgreSQL can store it: what it cannot is replaced, what is beyond ``limit`` left out.

    For the words of others (a provider's error, a name in an answer) that must be kept, but need not be exact.
    """
    if text_problem(text) is not None:
        text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return text if limit is None else text[:limit]


class _Walk:
    """The state of one :func:`normalise`: how many nodes were seen and what was wrong."""

    __slots__ = ("nodes", "problems")

    def __init__(self) -> None:
        self.nodes = 0
        self.problems: list[ContentProblem] = []

    def value(self, value: Any, path: str, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            if self.nodes == MAX_NODES + 1:
                self.problem("TOO_MANY_NODES", "", f"the value has more than {MAX_NODES} parts")
            return None
        if isinstance(value, str):
            self.check_text(value, path)
            return value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return self.integer(value, path)
        if isinstance(value, float):
            return self.number(value, path)
        if isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                self.problem("TOO_DEEP", path, f"the value is nested deeper than {MAX_DEPTH} levels")
                return None
            return self.mapping(value, path, depth) if isinstance(value, dict) else self.array(value, path, depth)
        self.problem("NOT_JSON", path, f"{type(value).__name__} is no JSON type")
        return None

    def mapping(self, value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
        result = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.problem("NOT_JSON", path, f"the key {key!r} is no text")
                continue
            below = pointer(path, key)
            self.check_text(key, below)
            result[key] = self.value(item, below, depth + 1)
        return result

    def array(self, value: list[Any], path: str, depth: int) -> list[Any]:
        if len(value) > MAX_ITEMS:
            self.problem("TOO_MANY_ITEMS", path, f"the list has {len(value)} items, at most {MAX_ITEMS} are taken")
            return []
        return [self.value(item, f"{path}/{index}", depth + 1) for index, item in enumerate(value)]

    def integer(self, value: int, path: str) -> int:
        if -_INTEGER_BOUND < value < _INTEGER_BOUND:
            return value
        self.problem("NUMBER_TOO_LARGE", path, f"the number has more than {MAX_INTEGER_DIGITS} digits")
        return 0

    def number(self, value: float, path: str) -> float | int:
        if not math.isfinite(value):
            self.problem("NOT_FINITE", path, f"{value!r} is no JSON number")
            return 0
        return int(value) if value.is_integer() else value

    def check_text(self, text: str, path: str) -> None:
        detail = text_problem(text)
        if detail is not None:
            self.problem("TEXT_NOT_STORABLE", path.encode("utf-8", "replace").decode().replace("\x00", "?"), detail)

    def problem(self, code: str, path: str, detail: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(ContentProblem(code=code, path=path, detail=detail))
