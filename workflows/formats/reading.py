"""Typed reading of a workflow file: whatever stands there, a problem is noted and reading goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from workflows.library import Library, LibraryFile
from workflows.problems import Findings, child, printable

JSON = dict[str, Any]
DEFAULT_MODELS = frozenset({"sonnet", "haiku", "opus"})
ID_LENGTH = 64  # what the columns of documents and steps hold
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_MODEL_ID = re.compile(r"claude-[a-z0-9.-]+", re.ASCII)
_TYPES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(slots=True, kw_only=True)
class Context:
    """What every reader of one file shares: where problems go, what may be named, what was left over."""

    library: Library
    found: Findings = field(default_factory=Findings)
    models: Collection[str] = DEFAULT_MODELS
    leftovers: JSON = field(default_factory=dict)
    _distrusted: set[str] = field(default_factory=set)

    def check_id(self, text: str, path: str, what: str) -> None:
        """Note an id that could not stand in a path or a URL."""
        if not _ID.fullmatch(text) or len(text) > ID_LENGTH:
            self.found.error(
                "BAD_ID",
                path,
                f"{what} {shown(text)} must be 1 to {ID_LENGTH} letters, digits, '.', '_' or '-',"
                " and begin with a letter, a digit or '_'",
            )

    def check_manifest(self, file: LibraryFile, path: str) -> None:
        """Note, once for each file, that it is not the one that the manifest lists."""
        if file.path not in self._distrusted and file.manifest_problem:
            self._distrusted.add(file.path)
            self.found.warning("MANIFEST", path, f"{file.path} {file.manifest_problem}")

    def check_model(self, name: str, path: str) -> None:
        """Note a model that is neither an alias nor looks like a model id."""
        if name not in self.models and not _MODEL_ID.fullmatch(name):
            known = ", ".join(sorted(self.models))
            self.found.warning("UNKNOWN_MODEL", path, f"unknown model {shown(name)}; aliases are {known}")


class Reader:
    """One JSON object of the file. Each key that is asked for counts as known."""

    def __init__(self, value: JSON, path: str, context: Context) -> None:
        self.path = path
        self.context = context
        self._value = value
        self._known: set[str] = set()

    @classmethod
    def of(cls, value: Any, path: str, context: Context, what: str) -> Reader | None:
        """Return a reader of ``value``, or note that it is no object."""
        if isinstance(value, dict):
            return cls(value, path, context)
        context.found.error("SCHEMA", path, f"{what} must be an object, not {type_name(value)}")
        return None

    def place(self, key: str | int) -> str:
        """Return the path of a key."""
        return child(self.path, key)

    def has(self, key: str) -> bool:
        """Say whether the key is there with a value other than null."""
        return self._value.get(key) is not None

    def is_null(self, key: str) -> bool:
        """Say whether the key is there and null."""
        return key in self._value and self._value[key] is None

    def raw(self, key: str) -> Any:
        """Return a value whatever it is; ``None`` where there is none."""
        self._known.add(key)
        return self._value.get(key)

    def items(self) -> list[tuple[str, Any, str]]:
        """Return keys, values and paths, for an object whose keys are names."""
        return [(key, value, self.place(key)) for key, value in self._value.items()]

    def text(self, key: str, *, required: bool = True) -> str:
        """Return a text; an empty one where it is missing."""
        value = self.raw(key)
        if value is None:
            if required:
                self._missing(key, "a text")
            return ""
        if not isinstance(value, str):
            self._mistyped(key, "a text", value)
            return ""
        if required and not value.strip():
            self.context.found.error("SCHEMA", self.place(key), f"{key} must not be empty")
            return ""
        return value

    def identifier(self, key: str, *, required: bool = True) -> str:
        """Return a text that is an id."""
        value = self.text(key, required=required)
        if value:
            self.context.check_id(value, self.place(key), key)
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._mistyped(key, "true or false", value)
            return default
        return value

    def integer(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number of a range, or ``None``."""
        value = self._number(key, low, high)
        if value is not None and not float(value).is_integer():
            self._mistyped(key, "a whole number", value)
            return None
        return None if value is None else int(value)

    def number(self, key: str, low: float, high: float) -> float | None:
        """Return a number of a range, or ``None``."""
        value = self._number(key, low, high)
        return None if value is None else float(value)

    def texts(self, key: str, *, length: int | None = None) -> tuple[str, ...]:
        """Return a list of texts, each once; what is none of them is noted and left out."""
        kept: dict[str, None] = {}
        for value, path in self.elements(key, required=False):
            if not isinstance(value, str) or not value.strip():
                self.context.found.error("SCHEMA", path, f"must be a text that is not empty, not {shown(value)}")
            elif length is not None and len(value) > length:
                self.context.found.error("SCHEMA", path, f"must have at most {length} characters")
            else:
                kept[value] = None
        return tuple(kept)

    def elements(self, key: str, *, required: bool = True) -> list[tuple[Any, str]]:
        """Return the values of a list with their paths."""
        value = self.raw(key)
        if value is None:
            if required:
                self._missing(key, "a list")
            return []
        if not isinstance(value, list):
            self._mistyped(key, "a list", value)
            return []
        if required and not value:
            self.context.found.error("SCHEMA", self.place(key), f"{key} must not be empty")
        return [(item, child(self.place(key), index)) for index, item in enumerate(value)]

    def object(self, key: str, *, required: bool = True) -> Reader | None:
        """Return a reader of an object below this one."""
        value = self.raw(key)
        if value is None:
            if required:
                self._missing(key, "an object")
            return None
        return Reader.of(value, self.place(key), self.context, key)

    def keep(self, key: str) -> None:
        """Keep a value that is information only: it goes into the revision's metadata."""
        value = self.raw(key)
        if value is not None:
            self.context.leftovers[self.place(key)] = value

    def finish(self) -> None:
        """Note every key that nobody asked for, and keep its value."""
        for key, value in self._value.items():
            if key not in self._known:
                self.context.leftovers[self.place(key)] = value
                self.context.found.warning("UNKNOWN_KEY", self.place(key), f"{printable(key, 60)!r} means nothing here")

    def _number(self, key: str, low: float, high: float) -> float | int | None:
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # NaN
            self._mistyped(key, "a number", value)
            return None
        if not low <= value <= high:
            self.context.found.error(
                "OUT_OF_RANGE", self.place(key), f"{key} must be from {low} to {high}, not {shown(value)}"
            )
            return None
        return value

    def _missing(self, key: str, expected: str) -> None:
        null = " (it is null)" if key in self._value else ""
        self.context.found.error("SCHEMA", self.place(key), f"{key} is required: {expected}{null}")

    def _mistyped(self, key: str, expected: str, value: Any) -> None:
        self.context.found.error("SCHEMA", self.place(key), f"{key} must be {expected}, not {type_name(value)}")


def type_name(value: Any) -> str:
    """Return what a JSON value is, in words."""
    return "null" if value is None else _TYPES.get(type(value), f"{shown(value)}")


def shown(value: Any) -> str:
    """Return a short JSON text of a value, for a message."""
    try:
        return printable(json.dumps(value, ensure_ascii=False), 80)
    except (TypeError, ValueError, RecursionError):
        return "a value that is not JSON"
