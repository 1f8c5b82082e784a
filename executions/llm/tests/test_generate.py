"""Generated documents are true to their schema, whatever keywords it uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executions.llm.offline.generate import generate_document
from executions.llm.parsing import collection_findings, item_id
from executions.llm.values import CollectionRule
from workflows.schemas import build_validator

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SHIPPED = sorted(EXAMPLES.glob("*/schemas/**/*.json"))


def of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"value": schema}, "required": ["value"]}


SCHEMAS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "any object": {"type": "object"},
    "closed and empty": {"type": "object", "additionalProperties": False},
    "required only": {"type": "object", "required": ["a", "b"]},
    "const": of({"const": {"fixed": [1, None]}}),
    "enum": of({"enum": ["x", 2, None]}),
    "null": of({"type": "null"}),
    "type list": of({"type": ["null", "string"]}),
    "bounded integer": of({"type": "integer", "minimum": 7, "maximum": 9}),
    "negative integer": of({"type": "integer", "maximum": -5}),
    "exclusive number": of({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
    "exclusive integer": of({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}),
    "multiple": of({"type": "integer", "multipleOf": 7, "minimum": 20}),
    "decimal multiple": of({"type": "number", "multipleOf": 0.01, "minimum": 1, "maximum": 2}),
    "short text": of({"type": "string", "maxLength": 3}),
    "long text": of({"type": "string", "minLength": 900, "maxLength": 1000}),
    "fixed length": of({"type": "string", "minLength": 5, "maxLength": 5}),
    "items": of({"type": "array", "minItems": 4, "items": {"type": "integer"}}),
    "no items": of({"type": "array", "maxItems": 0}),
    "unique enum": of({"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}}),
    "unique numbers": of({"type": "array", "uniqueItems": True, "minItems": 5, "items": {"type": "integer"}}),
    "tuple": of({"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "minItems": 2, "items": False}),
    "min properties": of({"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}}),
    "pattern properties": of({"required": ["x-a"], "patternProperties": {"^x-": {"type": "integer"}}}),
    "reference": {"$ref": "#/$defs/root", "$defs": {"root": of({"$ref": "#/$defs/leaf"}), "leaf": {"minimum": 3}}},
    "escaped reference": {**of({"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": {"const": 5}}},
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#/$defs/node"}}},
                "required": ["name"],
                "additionalProperties": False,
            }
        },
    },
    "all of": {"allOf": [of({"type": "string", "minLength": 2}), {"properties": {"value": {"maxLength": 4}}}]},
    "any of": of({"anyOf": [{"type": "string", "pattern": "^A"}, {"type": "null"}]}),
    "one of": of({"oneOf": [{"type": "integer", "minimum": 10}, {"type": "string"}]}),
    "one of objects": of({"oneOf": [{**of({"const": 1}), "additionalProperties": False}, {"type": "null"}]}),
    "if then": {**of({"type": "string"}), "if": {"properties": {"value": {"const": "a"}}}, "then": {"required": ["b"]}},
    "date pattern": of({"type": "string", "pattern": r"^\d{4}-\d{2}$"}),
    "code pattern": of({"type": "string", "pattern": "^(REQ|NFR)-[0-9]{3}(?:\\.[a-z])?$"}),
    "negated pattern": of({"type": "string", "pattern": "^[^ ]+$", "minLength": 8}),
    "upper pattern": of({"type": "string", "pattern": "^[A-Z][A-Z0-9_]+$"}),
    "max properties": of({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 2}),
}
FORMATS = [
    "date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid",
    "json-pointer", "regex", "iri", "uri-template",
]  # fmt: skip
SCHEMAS |= {f"format {name}": of({"type": "string", "format": name}) for name in FORMATS}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
def test_a_generated_document_is_valid(schema: dict[str, Any]) -> None:
    for seed in ("a", "b", "c"):
        document = generate_document(schema, seed=seed)
        assert build_validator(schema).problems(document) == [], document


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_schema_can_be_written_for(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert build_validator(schema).problems(generate_document(schema, seed="x")) == []


def test_the_same_seed_gives_the_same_document() -> None:
    schema = SCHEMAS["tree"]
    assert generate_document(schema, seed="a") == generate_document(schema, seed="a")
    assert generate_document(schema, seed="a") != generate_document(schema, seed="b")


def collection_schema(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"epics": {"type": "array", "items": item}}, "required": ["epics"]}


ITEM_SCHEMAS = {
    "plain": collection_schema({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}),
    "by entity": collection_schema({"properties": {"epic_id": {"type": "string"}}, "required": ["epic_id"]}),
    "pattern": collection_schema({"properties": {"id": {"type": "string", "pattern": "^E[1-9][0-9]{0,2}$"}}}),
    "padded": collection_schema({"properties": {"id": {"type": "string", "pattern": "^E-[0-9]{3}$", "minLength": 5}}}),
    "number": collection_schema({"properties": {"id": {"type": "integer", "minimum": 10}}}),
    "no items": {"type": "object", "properties": {"epics": {"type": "array"}}},
    "not mentioned": {"type": "object"},
    "reference": {
        "type": "object",
        "properties": {"epics": {"type": "array", "items": {"$ref": "#/$defs/epic"}}},
        "$defs": {"epic": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
    },
}


@pytest.mark.parametrize("schema", ITEM_SCHEMAS.values(), ids=list(ITEM_SCHEMAS))
@pytest.mark.parametrize("count", [1, 3, 25])
def test_a_collections_items_have_unique_ids(schema: dict[str, Any], count: int) -> None:
    rule = CollectionRule(field="epics", id_keys=("id", "epic_id"))
    document = generate_document(schema, seed="x", collection=rule, item_count=count)
    assert collection_findings(document, rule) == []
    assert len(document["epics"]) == count
    assert build_validator(schema).problems(document) == []


def test_ids_are_short_and_speak_for_themselves() -> None:
    rule = CollectionRule(field="epics")
    document = generate_document(ITEM_SCHEMAS["plain"], seed="x", collection=rule)
    assert [item_id(item, rule.id_keys) for item in document["epics"]] == ["E1", "E2", "E3"]
