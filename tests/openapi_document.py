"""The OpenAPI document as tests read it: its operations, and validators for what they take and answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from combine.api.openapi.views import document

JSON = dict[str, Any]
METHODS = ("get", "post", "patch", "put", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. ``path`` has its parameters in braces."""

    method: str
    path: str
    content: JSON

    @property
    def id(self) -> str:
        name: str = self.content["operationId"]
        return name

    @property
    def is_public(self) -> bool:
        return "security" not in self.content

    @property
    def parameters(self) -> list[JSON]:
        return list(self.content.get("parameters", []))

    def response(self, status: int | str) -> JSON:
        """Return the description of an answer, whether it stands here or among the components."""
        return resolved(self.content["responses"][str(status)])

    def responses(self) -> Iterator[tuple[int, JSON]]:
        for status in self.content["responses"]:
            yield int(status), self.response(status)


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(method, path, item[method])
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    )


def operation(operation_id: str) -> Operation:
    return next(each for each in operations() if each.id == operation_id)


def resolved(part: JSON) -> JSON:
    """Follow a reference into the components."""
    if "$ref" not in part:
        return part
    found: Any = document()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(found)


def problems_of(value: Any, schema: JSON, *, is_strict: bool = False) -> list[str]:
    """Return what is wrong with a value. ``is_strict``: what the document does not name is wrong as well."""
    validator = _validator(json.dumps(schema, sort_keys=True), is_strict)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]


@cache
def _validator(schema: str, is_strict: bool) -> Any:
    components = _closed(document()["components"]) if is_strict else document()["components"]
    whole = {**json.loads(schema), "components": components}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True, offline=True)


def _closed(components: JSON) -> JSON:
    """Return the components with every object closed: what is not named in it may not be there."""
    closed = copy.deepcopy(components)
    for schema in closed["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    closed["schemas"]["Problem"]["additionalProperties"] = True
    return closed
