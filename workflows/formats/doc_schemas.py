"""The JSON Schema of a document type: from a file, from the workflow file itself, or generated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workflows.formats.reading import JSON, Context, shown, type_name
from workflows.jsonfile import parse_json
from workflows.library import Unusable
from workflows.problems import Problem
from workflows.schemas import lint_schema

_ID = {"type": ["string", "integer"]}


def schema_from(context: Context, value: Any, path: str) -> JSON | None:
    """Return what the key ``schema`` demands: the stem of a file, or the schema itself."""
    if isinstance(value, dict):
        _report(context, lint_schema(value), path, "")
        return value
    if not isinstance(value, str) or not value:
        context.found.error("SCHEMA", path, f"schema must be a file's stem or an object, not {type_name(value)}")
        return None
    if not context.library.schemas.find(value):
        context.found.error("MISSING_SCHEMA", path, context.library.schemas.missing(value))
        return None
    return schema_file(context, value, path)


def schema_file(context: Context, stem: str, path: str) -> JSON | None:
    """Return the schema in the file of that stem; ``None`` where there is no such file or it is no schema."""
    files = context.library.schemas.find(stem)
    if not files:
        return None
    if len(files) > 1:
        paths = " and ".join(file.path for file in files)
        context.found.error("AMBIGUOUS_SCHEMA", path, f"{shown(stem)} could be {paths}; keep one of them")
        return None
    file = files[0]
    context.check_manifest(file, path)
    try:
        schema, problems = parse_json(file.text())
    except Unusable as error:
        context.found.error("BAD_FILE", path, f"{file.path} {error}")
        return None
    # What the database cannot store is found again by the lint, with the same path.
    problems = problems or tuple(lint_schema(schema))
    _report(context, problems, path, file.path)
    return schema if isinstance(schema, dict) else None


def generated_schema(title: str, collection_field: str | None, entity_types: Iterable[str]) -> JSON:
    """Return the schema of a document type whose package gives none: an object, its collection with ids."""
    schema: JSON = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "type": "object"}
    if collection_field:
        keys = ["id", *sorted(f"{entity_type}_id" for entity_type in entity_types)]
        item: JSON = {"type": "object", "properties": {key: dict(_ID) for key in keys}}
        if len(keys) == 1:
            item["required"] = keys
        else:
            item["anyOf"] = [{"required": [key]} for key in keys]
        schema["properties"] = {collection_field: {"type": "array", "items": item}}
        schema["required"] = [collection_field]
    return schema


def check_collection(context: Context, schema: JSON, field: str, path: str) -> None:
    """Note a schema that does not describe the list that an iteration runs over."""
    if any(keyword in schema for keyword in ("$ref", "allOf", "anyOf", "oneOf", "then")):
        return  # it may stand there
    properties = schema.get("properties")
    described = properties.get(field) if isinstance(properties, dict) else None
    if isinstance(described, dict) and "array" in described.get("type", "array"):
        return
    if described is None and schema.get("additionalProperties", True) is not False:
        detail = "does not describe"
    else:
        detail = "does not allow a list in"
    context.found.warning("COLLECTION_NOT_IN_SCHEMA", path, f"the schema {detail} the collection {shown(field)}")


def _report(context: Context, problems: Iterable[Problem], path: str, file: str) -> None:
    """Hand on problems of a schema: their place in the workflow file, and in the schema."""
    for problem in problems:
        where = problem.path if not file else f"{file}, {problem.path}"
        note = context.found.error if problem.severity == "error" else context.found.warning
        # A schema file of its own cannot be pointed into; one that stands in the workflow file can.
        if file:
            note(problem.code, path, f"{where}: {problem.detail}")
        else:
            note(problem.code, path + problem.path.removeprefix("$"), problem.detail)
