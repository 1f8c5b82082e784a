"""Structured outputs: when the API can be made to keep a schema by itself, and in which form.

Only a schema whose meaning survives is sent. Bounds and patterns, which the API does not know, become
words in descriptions (the SDK does that); we check them afterwards like everything else. A schema that
would be narrowed, such as an object with free keys, is not sent at all: the output contract has it anyway,
and a schema that the API refuses would fail a step that works well without it.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

from executions.llm.catalogue import takes_structured_outputs
from executions.llm.values import JSON

_ANNOTATIONS = {"title", "description", "$comment", "default", "examples", "$schema", "$id"}
_BOUNDS = {
    "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "format",
}  # fmt: skip
_STRUCTURE = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"}
_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
_MAX_OPTIONAL_PROPERTIES = 20
_MAX_CHOICES = 12
_MAX_NODES = 300
_MAX_DEPTH = 12


def structured_schema(model: str, schema: JSON) -> JSON | None:
    """Return the schema to send with the request, or ``None`` where the API could not keep its meaning."""
    if not takes_structured_outputs(model):
        return None
    survey = _Survey()
    if schema.get("type") != "object" or not survey.is_supported(schema, 0):
        return None
    if survey.optional_count > _MAX_OPTIONAL_PROPERTIES or survey.choice_count > _MAX_CHOICES:
        return None
    transformed: JSON = _transformer()(_without_annotations(schema))
    return transformed


class _Survey:
    """One walk through a schema: is every part of it known to the API, and how complex is it."""

    def __init__(self) -> None:
        self.node_count = 0
        self.optional_count = 0
        self.choice_count = 0

    def is_supported(self, schema: Any, depth: int) -> bool:
        self.node_count += 1
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self.node_count > _MAX_NODES:
            return False
        if not set(schema) <= _ANNOTATIONS | _BOUNDS | _STRUCTURE:
            return False
        if "enum" in schema or "const" in schema:
            return all(_is_plain(value) for value in schema.get("enum", [schema.get("const")]))
        if "anyOf" in schema:
            self.choice_count += 1
            has_only_choice = not set(schema) & (_STRUCTURE - {"anyOf"})
            return has_only_choice and all(self.is_supported(option, depth + 1) for option in schema["anyOf"])
        kind = schema.get("type")
        if kind == "object":
            return self._is_closed_object(schema, depth)
        if kind == "array":
            return self.is_supported(schema.get("items"), depth + 1)
        return isinstance(kind, str) and kind in _TYPES

    def _is_closed_object(self, schema: JSON, depth: int) -> bool:
        properties = schema.get("properties")
        if not properties or schema.get("additionalProperties") is not False:
            return False
        self.optional_count += len(set(properties) - set(schema.get("required", ())))
        return all(self.is_supported(inner, depth + 1) for inner in properties.values())


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _without_annotations(schema: JSON) -> JSON:
    """Drop what names the schema file itself; the SDK would turn it into words."""
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id", "$comment", "examples")}


@lru_cache(maxsize=1)
def _transformer() -> Any:
    """Return the SDK's function that puts a schema into the API's form; imported on first use, as it is slow."""
    return importlib.import_module("anthropic").transform_schema
