"""The shape of a JSON Schema, measured without a validator: depth, size, references, cost.

A JSON Schema is a program. This module reads it as a graph whose nodes are subschemas and whose edges
are "checking this checks that", so that a schema which multiplies (``allOf`` of two references, each of
which is an ``allOf`` of two references ...) is recognised before any value meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Keys = tuple[str | int, ...]
_Place = tuple[dict[str, Any], Keys, dict[str, Any]]

_ONE = frozenset(
    (
        "not",
        "if",
        "then",
        "else",
        "items",
        "additionalItems",
        "unevaluatedItems",
        "contains",
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "contentSchema",
    )
)
_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems", "items"))
_MAP = frozenset(("properties", "patternProperties", "dependentSchemas", "dependencies"))
_DEFINITIONS = frozenset(("$defs", "definitions"))
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_CONTAINERS = (dict, list)
COST_CEILING = 10**9


@dataclass(slots=True, kw_only=True)
class _Node:
    """A subschema, where it stands, the resource it belongs to, and what checking it checks (by identity)."""

    schema: dict[str, Any]
    keys: Keys
    root: dict[str, Any]
    targets: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference of a schema: the keyword's place and its text."""

    keys: Keys
    text: Any
    is_local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaGraph:
    """``cost`` bounds the checks that one place of a value can cause; ``is_bounded`` says whether it is a bound.

    It is none where a schema refers back to itself in more than one way: then the checks may double with
    every level of the value.
    """

    subschemas: tuple[tuple[Keys, dict[str, Any]], ...]
    references: tuple[Reference, ...]
    cost: int
    is_bounded: bool


def measure(value: Any) -> tuple[int, int]:
    """Return the depth and the number of values in a JSON value, without recursion: level by level."""
    depth, count = 1, 1
    level = [value] if isinstance(value, _CONTAINERS) else []
    while level:
        below: list[Any] = []
        size = 0
        for item in level:
            size += len(item)
            inner = item.values() if isinstance(item, dict) else item
            below += [part for part in inner if isinstance(part, _CONTAINERS)]
        depth += size > 0
        count += size
        level = below
    return depth, count


def read_graph(schema: dict[str, Any]) -> SchemaGraph:
    """Return the graph of ``schema``, which must have been measured: it is walked whole."""
    anchors = _anchors(schema)
    nodes: dict[int, _Node] = {}
    references: list[Reference] = []
    pending: list[_Place] = [(schema, (), schema)]
    referred: list[_Place] = []  # visited last: what stands in a known place has its own path by then
    while pending or referred:
        current, keys, root = pending.pop() if pending else referred.pop()
        if id(current) in nodes:
            continue
        if keys and isinstance(current.get("$id"), str) and not current["$id"].startswith("#"):
            root = current
        node = nodes[id(current)] = _Node(schema=current, keys=keys, root=root)
        for step, inner in _subschemas(current):
            pending.append((inner, (*keys, *step), root))
            if step[0] not in _DEFINITIONS:
                node.targets.append(id(inner))
        for reference, target in _references(node, anchors):
            references.append(reference)
            if target is not None:
                node.targets.append(id(target))
                referred.append((target, (reference.text,), root))
    index = {identity: number for number, identity in enumerate(nodes)}
    cost, is_bounded = _cost([[index[target] for target in node.targets] for node in nodes.values()])
    return SchemaGraph(
        subschemas=tuple((node.keys, node.schema) for node in nodes.values()),
        references=tuple(references),
        cost=cost,
        is_bounded=is_bounded,
    )


def _references(node: _Node, anchors: dict[str, dict[str, Any]]) -> Iterator[tuple[Reference, dict[str, Any] | None]]:
    for keyword in _REFERENCES:
        if keyword in node.schema:
            text = node.schema[keyword]
            fragment = _fragment(text, node.root)
            reference = Reference(keys=(*node.keys, keyword), text=text, is_local=fragment is not None)
            yield reference, None if fragment is None else _resolve(fragment, node.root, anchors)


def _subschemas(schema: dict[str, Any]) -> Iterator[tuple[Keys, dict[str, Any]]]:
    for keyword, value in schema.items():
        if keyword in _ONE and isinstance(value, dict):
            yield (keyword,), value
        elif keyword in _LIST and isinstance(value, list):
            for index, inner in enumerate(value):
                if isinstance(inner, dict):
                    yield (keyword, index), inner
        elif (keyword in _MAP or keyword in _DEFINITIONS) and isinstance(value, dict):
            for name, inner in value.items():
                if isinstance(inner, dict):
                    yield (keyword, name), inner


def _fragment(text: Any, root: dict[str, Any]) -> str | None:
    """Return the fragment of a reference that stays in the file, or ``None``."""
    if not isinstance(text, str):
        return None
    base, _, fragment = text.partition("#")
    own = root.get("$id")
    if base == "" and "#" in text:
        return fragment
    if base and isinstance(own, str) and base == own.partition("#")[0]:
        return fragment
    return None


def _resolve(fragment: str, root: dict[str, Any], anchors: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    if fragment == "":
        return root
    if not fragment.startswith("/"):
        return anchors.get(fragment)
    current: Any = root
    for part in unquote(fragment, errors="replace").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(current, dict):
            current = current.get(key)
        elif isinstance(current, list) and key.isdecimal() and key.isascii() and len(key) < 7:
            current = current[int(key)] if int(key) < len(current) else None
        else:
            return None
    return current if isinstance(current, dict) else None


def _anchors(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what can be referred to by a plain name (``#name``)."""
    found: dict[str, dict[str, Any]] = {}
    stack: list[Any] = [schema]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for keyword in ("$anchor", "$dynamicAnchor", "$id"):
                name = item.get(keyword)
                if isinstance(name, str) and (keyword != "$id" or name.startswith("#")):
                    found.setdefault(name.removeprefix("#"), item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return found


def _cost(targets: list[list[int]]) -> tuple[int, bool]:
    """Return the checks that node 0 causes, and whether recursion leaves that number a bound.

    Nodes that reach no cycle are settled from the leaves up. What is left reaches a cycle; without the
    nodes that only lead there, it must be simple loops for the checks to grow linearly with the value.
    """
    costs = [1] * len(targets)
    settled = _settle(targets, costs)
    core = [index for index, is_settled in enumerate(settled) if not is_settled]
    if not core:
        return costs[0], True
    inside = _loops(core, targets)
    is_bounded = all(sum(target in inside for target in targets[index]) == 1 for index in inside)
    # One lap round the loops, then the ways that lead into them.
    lap = [1] * len(targets)
    _settle([[target for target in row if target not in inside] for row in targets], lap)
    round_trip = min(sum(lap[index] for index in inside), COST_CEILING)
    costs = [round_trip if index in inside else 1 for index in range(len(targets))]
    _settle([[] if index in inside else row for index, row in enumerate(targets)], costs)
    return costs[0], is_bounded


def _settle(targets: list[list[int]], costs: list[int]) -> list[bool]:
    """Add up ``costs`` from the leaves up; return for each node whether that came to an end."""
    parents: list[list[int]] = [[] for _ in targets]
    waiting = [len(row) for row in targets]
    for index, row in enumerate(targets):
        for target in row:
            parents[target].append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    settled = [False] * len(targets)
    while ready:
        index = ready.pop()
        settled[index] = True
        for parent in parents[index]:
            costs[parent] = min(costs[parent] + costs[index], COST_CEILING)
            waiting[parent] -= 1
            if waiting[parent] == 0:
                ready.append(parent)
    return settled


def _loops(core: list[int], targets: list[list[int]]) -> set[int]:
    """Return ``core`` without the nodes that only lead into its cycles."""
    inside = set(core)
    entries = dict.fromkeys(core, 0)
    for index in core:
        for target in targets[index]:
            if target in inside:
                entries[target] += 1
    ready = [index for index in core if entries[index] == 0]
    while ready:
        index = ready.pop()
        inside.discard(index)
        for target in targets[index]:
            if target in inside:
                entries[target] -= 1
                if entries[target] == 0:
                    ready.append(target)
    return inside
