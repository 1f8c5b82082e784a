"""JSON Schemas: the one place that builds validators, and the lint for schemas before they are used.

Nothing here ever fetches anything, whatever a schema refers to, and no schema hangs the caller: patterns
run on a linear-time engine, and a schema that can multiply its work is checked in a process with a deadline.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from workflows.jsonfile import unstorable
from workflows.problems import Findings, Problem, below, printable
from workflows.schema_engine import Compiled, compile_schema, error_rows, short
from workflows.schema_graph import Keys, SchemaGraph, measure, read_graph
from workflows.schema_process import DEADLINE_SECONDS, CheckCrashed, CheckTimedOut, check_apart

MAX_DEPTH = 100
MAX_NODES = 50_000
MAX_COST = 1_000_000
MAX_VALUE_DEPTH = 500
CACHE_SIZE = 256
# Checks, counted as cost of the schema times parts of the value: about 0.05 us each when they pass and up
# to 25 us each when they fail. Beyond these a process of its own does the work (measured: 0.1 s).
_CHECKS_IN_PLACE = 20_000_000
_ERRORS_IN_PLACE = 100_000

_DIALECT = re.compile(r"https?://json-schema\.org/(draft-0[467]|draft/2019-09|draft/2020-12)/schema#?", re.ASCII)


class InvalidSchema(ValueError):
    """The schema cannot be used; ``problems`` says why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems[:3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaProblem:
    """One way in which a value does not match. ``path`` is a JSON Pointer, ``code`` the schema's keyword."""

    path: str
    code: str
    detail: str


class SchemaValidator:
    """A schema ready for use. Validators are shared: they keep no state between calls."""

    def __init__(self, schema: dict[str, Any], compiled: Compiled, graph: SchemaGraph) -> None:
        self._schema = schema
        self._compiled = compiled
        self._cost = graph.cost
        self.is_bounded = graph.is_bounded

    def problems(self, value: Any, limit: int = 20) -> list[SchemaProblem]:
        """Return what is wrong with ``value``, at most ``limit`` findings; an empty list means that it matches.

        Returns within :data:`DEADLINE_SECONDS` or so. It only blocks for longer than milliseconds where
        ``is_bounded`` is false or schema and value are both large; it is then safe to call in a thread.
        """
        try:
            rows = self._rows(value, limit)
        except CheckTimedOut:
            return [_failure("timeout", f"could not be checked within {DEADLINE_SECONDS:.0f} seconds: simplify it")]
        except CheckCrashed as error:
            return [_failure("crash", f"could not be checked: {error}")]
        except (ValueError, RecursionError) as error:  # text or nesting that the engine does not take
            return [_failure("unreadable", short(str(error)))]
        return [SchemaProblem(path=path, code=code, detail=detail) for path, code, detail in rows]

    def _rows(self, value: Any, limit: int) -> list[list[str]]:
        depth, count = measure(value)
        if depth > MAX_VALUE_DEPTH:  # the engine recurses: far deeper it would overflow the stack of the process
            raise ValueError(f"nested {depth} levels deep; at most {MAX_VALUE_DEPTH} are checked")
        checks = self._cost * count
        if not self.is_bounded or checks > _CHECKS_IN_PLACE:
            return check_apart(self._schema, value, limit, DEADLINE_SECONDS)
        if self._compiled.is_valid(value):
            return []
        if checks > _ERRORS_IN_PLACE:
            return check_apart(self._schema, value, limit, DEADLINE_SECONDS)
        return error_rows(self._compiled, value, limit)


def _failure(code: str, detail: str) -> SchemaProblem:
    return SchemaProblem(path="", code=code, detail=detail)


class _Cache:
    """The validators most recently used, by digest of their schema."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, SchemaValidator] = OrderedDict()

    def get(self, key: bytes) -> SchemaValidator | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: bytes, validator: SchemaValidator) -> None:
        with self._lock:
            self._entries[key] = validator
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)


_cache = _Cache(CACHE_SIZE)


def build_validator(schema: dict[str, Any]) -> SchemaValidator:
    """Return the validator of ``schema``. No other code builds one.

    :raises InvalidSchema: where :func:`lint_schema` finds errors.
    """
    try:
        key = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).digest()
    except RecursionError:
        raise InvalidSchema(tuple(lint_schema(schema))) from None
    validator = _cache.get(key)
    if validator is None:
        validator, problems = _examine(schema)
        if validator is None:
            raise InvalidSchema(tuple(problem for problem in problems if problem.severity == "error"))
        _cache.put(key, validator)
    return validator


def lint_schema(schema: Any) -> list[Problem]:
    """Return what is wrong with a schema, or risky in it. Paths are JSON paths into the schema."""
    return list(_examine(schema)[1])


def _examine(schema: Any) -> tuple[SchemaValidator | None, tuple[Problem, ...]]:
    found = Findings()
    graph = _graph(schema, found)
    if graph is None:
        return None, found.as_tuple()
    _check_dialects(graph, found)
    _check_references(graph, found)
    _check_patterns(graph, found)
    _check_unique_items(graph, found)
    _check_cost(graph, found)
    if found.has_errors:
        return None, found.as_tuple()
    try:
        compiled = compile_schema(schema)
    except jsonschema_rs.ValidationError as error:
        found.error("BAD_SCHEMA", below("$", error.instance_path), f"not a valid JSON Schema: {short(error.message)}")
        return None, found.as_tuple()
    except ValueError as error:
        found.error("BAD_SCHEMA", "$", f"not a usable JSON Schema: {short(str(error))}")
        return None, found.as_tuple()
    return SchemaValidator(schema, compiled, graph), found.as_tuple()


def _graph(schema: Any, found: Findings) -> SchemaGraph | None:
    if not isinstance(schema, dict):
        found.error("BAD_SCHEMA", "$", "a schema must be a JSON object")
        return None
    depth, count = measure(schema)
    if depth > MAX_DEPTH:
        found.error("SCHEMA_TOO_DEEP", "$", f"the schema is {depth} levels deep; at most {MAX_DEPTH} are taken")
    if count > MAX_NODES:
        found.error("SCHEMA_TOO_LARGE", "$", f"the schema has {count} parts; at most {MAX_NODES} are taken")
    if not found.has_errors:
        found.extend(unstorable(schema))
    return None if found.has_errors else read_graph(schema)


def _check_dialects(graph: SchemaGraph, found: Findings) -> None:
    for keys, schema in graph.subschemas:
        if "$schema" not in schema:
            continue
        dialect = schema["$schema"]
        if not isinstance(dialect, str) or not _DIALECT.fullmatch(dialect):
            found.error(
                "SCHEMA_DIALECT",
                below("$", (*keys, "$schema")),
                f"unknown $schema {_quoted(dialect)}; drafts 4, 6, 7, 2019-09 and 2020-12 are known",
            )


def _check_references(graph: SchemaGraph, found: Findings) -> None:
    for reference in graph.references:
        if not reference.is_local and isinstance(reference.text, str):
            found.error(
                "SCHEMA_REMOTE_REF",
                below("$", reference.keys),
                f"the reference {_quoted(reference.text)} leaves the schema; only #... is followed",
            )


def _check_patterns(graph: SchemaGraph, found: Findings) -> None:
    for keys, pattern in _patterns(graph):
        try:
            compile_schema({"pattern": pattern})
        except ValueError:
            found.error(
                "SCHEMA_PATTERN",
                below("$", keys),
                f"the linear-time engine cannot run {_quoted(pattern)} (look-around, back-reference or too large)",
            )


def _patterns(graph: SchemaGraph) -> Iterator[tuple[Keys, str]]:
    for keys, schema in graph.subschemas:
        if isinstance(schema.get("pattern"), str):
            yield (*keys, "pattern"), schema["pattern"]
        named = schema.get("patternProperties")
        if isinstance(named, dict):
            for pattern in named:
                yield (*keys, "patternProperties", pattern), pattern


def _check_unique_items(graph: SchemaGraph, found: Findings) -> None:
    for keys, schema in graph.subschemas:
        items = schema.get("items")
        is_plain = isinstance(items, dict) and items.get("type") in ("string", "integer", "number", "boolean")
        if schema.get("uniqueItems") is True and "maxItems" not in schema and not is_plain:
            found.warning(
                "SCHEMA_UNIQUE_ITEMS",
                below("$", (*keys, "uniqueItems")),
                "uniqueItems compares whole objects; say maxItems beside it",
            )


def _check_cost(graph: SchemaGraph, found: Findings) -> None:
    if graph.cost > MAX_COST:
        found.error(
            "SCHEMA_TOO_COMPLEX",
            "$",
            f"references multiply: one place of a document would be checked over {MAX_COST} times",
        )
    elif not graph.is_bounded:
        found.warning(
            "SCHEMA_SLOW",
            "$",
            "the schema refers back to itself in several ways; documents are checked in a process of their own",
        )


def _quoted(value: Any) -> str:
    return printable(json.dumps(value), 80)


__all__ = ["DEADLINE_SECONDS", "InvalidSchema", "SchemaProblem", "SchemaValidator", "build_validator", "lint_schema"]
