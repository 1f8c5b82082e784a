"""Every problem code, produced by the smallest mistake that earns it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflows.parsing import parse_text
from workflows.problems import CODES
from workflows.tests.samples import flat, library, parse, production, v1

Change = Callable[[dict[str, Any]], object]
E, W = "error", "warning"


def step(value: dict[str, Any], *path: int) -> dict[str, Any]:
    """Return the step at the given places, from outermost to innermost."""
    for index in path:
        value = value["steps"][index]
    return value


V1_CASES: list[tuple[str, str, str, Change]] = [
    ("SCHEMA", E, "$.name", lambda w: w.pop("name")),
    ("SCHEMA", E, "$.name", lambda w: w.update(name="  ")),
    ("SCHEMA", E, "$.steps", lambda w: w.update(steps={})),
    ("SCHEMA", E, "$.steps", lambda w: w.update(steps=[])),
    ("SCHEMA", E, "$.steps[1]", lambda w: w["steps"].insert(1, None)),
    ("SCHEMA", E, "$.scopes", lambda w: w.update(scopes=[1])),
    ("SCHEMA", E, "$.scopes.scene.parent", lambda w: w["scopes"].update(scene={})),
    ("SCHEMA", E, "$.document_types", lambda w: w.update(document_types={})),
    ("SCHEMA", E, "$.entity_types", lambda w: w.pop("entity_types")),
    ("SCHEMA", E, "$.document_types.outline", lambda w: w["document_types"].update(outline=3)),
    ("SCHEMA", E, "$.entity_types.scene", lambda w: w["entity_types"].update(scene="x")),
    ("SCHEMA", E, "$.steps[0].role", lambda w: step(w, 0).pop("role")),
    ("SCHEMA", E, "$.steps[0].produces", lambda w: step(w, 0).update(produces=3)),
    ("SCHEMA", E, "$.steps[0].max_tokens", lambda w: step(w, 0).update(max_tokens="many")),
    ("SCHEMA", E, "$.steps[0].max_tokens", lambda w: step(w, 0).update(max_tokens=True)),
    ("SCHEMA", E, "$.steps[0].max_attempts", lambda w: step(w, 0).update(max_attempts=1.5)),
    ("SCHEMA", E, "$.steps[0].allow_clarification", lambda w: step(w, 0).update(allow_clarification="no")),
    ("SCHEMA", E, "$.steps[1].iterate_over", lambda w: step(w, 1).pop("iterate_over")),
    ("SCHEMA", E, "$.steps[1].steps[0].inputs[0]", lambda w: step(w, 1, 0)["inputs"][0].update(entity_type="chapter")),
    ("SCHEMA", E, "$.steps[1].steps[0].inputs[0].scope", lambda w: step(w, 1, 0)["inputs"][0].pop("scope")),
    ("SCHEMA", E, "$.document_types.outline.accepted_by[0]", lambda w: _outline(w).update(accepted_by=[3])),
    ("SCHEMA", E, "$.document_types.outline.schema", lambda w: _outline(w).update(schema=3)),
    ("UNKNOWN_KEY", W, "$.steps[0].creates_entities", lambda w: step(w, 0).update(creates_entities="chapter")),
    ("UNKNOWN_KEY", W, "$['x y']", lambda w: w.update({"x y": 1})),
    ("OUT_OF_RANGE", E, "$.steps[0].max_attempts", lambda w: step(w, 0).update(max_attempts=0)),
    ("OUT_OF_RANGE", E, "$.steps[0].timeout_seconds", lambda w: step(w, 0).update(timeout_seconds=10**400)),
    ("OUT_OF_RANGE", E, "$.scopes", lambda w: w["scopes"].update({f"s{n}": {"parent": "book"} for n in range(98)})),
    ("OUT_OF_RANGE", E, "$.steps[1000]", lambda w: w.update(steps=w["steps"][:1] * 1001)),
    ("OUT_OF_RANGE", E, "$.steps[1].max_items", lambda w: step(w, 1).update(max_items=10_001)),
    ("OUT_OF_RANGE", E, "$.steps[1].max_parallel", lambda w: step(w, 1).update(max_parallel=-1)),
    ("BAD_ID", E, "$.workflow_id", lambda w: w.update(workflow_id="a b")),
    ("BAD_ID", E, "$.workflow_id", lambda w: w.update(workflow_id="a" * 65)),
    ("BAD_ID", E, "$.steps[0].step_id", lambda w: step(w, 0).update(step_id="a[1]")),
    ("BAD_ID", E, "$.scopes['a:b']", lambda w: w["scopes"].update({"a:b": {"parent": "book"}})),
    ("BAD_DATE", E, "$.effective_date", lambda w: w.update(effective_date="2026-02-30")),
    ("BAD_DATE", E, "$.effective_date", lambda w: w.update(effective_date="20260102")),
    ("NO_ROOT_SCOPE", E, "$.scopes", lambda w: w["scopes"]["book"].update(parent="scene")),
    ("SEVERAL_ROOT_SCOPES", E, "$.scopes.other.parent", lambda w: w["scopes"].update(other={"parent": None})),
    ("SCOPE_CYCLE", E, "$.scopes.a.parent", lambda w: w["scopes"].update(a={"parent": "b"}, b={"parent": "a"})),
    ("SCOPE_CYCLE", E, "$.scopes.a.parent", lambda w: w["scopes"].update(a={"parent": "a"})),
    ("UNKNOWN_SCOPE", E, "$.scopes.scene.parent", lambda w: w["scopes"]["scene"].update(parent="act")),
    ("UNKNOWN_SCOPE", E, "$.document_types.outline.scope", lambda w: _outline(w).update(scope="act")),
    ("UNKNOWN_SCOPE", E, "$.steps[0].scope", lambda w: step(w, 0).update(scope="act")),
    ("UNKNOWN_SCOPE", E, "$.steps[1].scope", lambda w: step(w, 1).update(scope="act")),
    (
        "UNKNOWN_SCOPE",
        E,
        "$.entity_types.scene.creates_scope",
        lambda w: w["entity_types"]["scene"].update(creates_scope="act"),
    ),
    (
        "UNKNOWN_SCOPE",
        E,
        "$.steps[1].steps[0].inputs[0].scope",
        lambda w: step(w, 1, 0)["inputs"][0].update(scope="act"),
    ),
    ("UNKNOWN_DOCUMENT_TYPE", E, "$.steps[0].produces", lambda w: step(w, 0).update(produces="poem")),
    (
        "UNKNOWN_DOCUMENT_TYPE",
        E,
        "$.steps[1].iterate_over.doc_type",
        lambda w: step(w, 1)["iterate_over"].update(doc_type="poem"),
    ),
    (
        "UNKNOWN_DOCUMENT_TYPE",
        E,
        "$.entity_types.scene.parent_doc_type",
        lambda w: w["entity_types"]["scene"].update(parent_doc_type="poem"),
    ),
    (
        "UNKNOWN_DOCUMENT_TYPE",
        E,
        "$.steps[1].steps[0].inputs[0].doc_type",
        lambda w: step(w, 1, 0)["inputs"][0].update(doc_type="poem"),
    ),
    ("UNKNOWN_ENTITY_TYPE", E, "$.document_types.outline.may_own[1]", lambda w: _outline(w)["may_own"].append("act")),
    (
        "UNKNOWN_ENTITY_TYPE",
        E,
        "$.steps[1].iterate_over.entity_type",
        lambda w: step(w, 1)["iterate_over"].update(entity_type="act"),
    ),
    (
        "UNKNOWN_ENTITY_TYPE",
        E,
        "$.steps[1].steps[0].inputs[1].entity_type",
        lambda w: step(w, 1, 0)["inputs"][1].update(entity_type="act"),
    ),
    ("SCOPE_MISMATCH", E, "$.steps[0].scope", lambda w: step(w, 0).update(scope="chapter")),
    ("SCOPE_MISMATCH", E, "$.steps[0].produces", lambda w: step(w, 0).update(produces="chapter_text")),
    ("SCOPE_MISMATCH", E, "$.steps[1].scope", lambda w: step(w, 1).update(scope="scene")),
    (
        "SCOPE_MISMATCH",
        E,
        "$.steps[1].steps[1].inputs[0].scope",
        lambda w: step(w, 1, 1)["inputs"][0].update(scope="book"),
    ),
    (
        "SCOPE_MISMATCH",
        E,
        "$.steps[1].steps[0].inputs[1].scope",
        lambda w: step(w, 1, 0)["inputs"][1].update(scope="book"),
    ),
    (
        "SCOPE_MISMATCH",
        E,
        "$.entity_types.scene.creates_scope",
        lambda w: w["entity_types"]["scene"].update(creates_scope="book"),
    ),
    (
        "SCOPE_MISMATCH",
        W,
        "$.entity_types.beat.creates_scope",
        lambda w: w["entity_types"].update(
            beat={"name": "Beat", "parent_doc_type": "outline", "creates_scope": "scene"}
        ),
    ),
    (
        "FORBIDDEN_REFERENCE",
        E,
        "$.steps[1].steps[1].inputs[0].scope",
        lambda w: step(w, 1, 1)["inputs"][0].update(context=False),
    ),
    (
        "FORBIDDEN_REFERENCE",
        E,
        "$.steps[0].inputs[0].scope",
        lambda w: step(w, 0)["inputs"].append({"doc_type": "scene_text", "scope": "scene", "context": True}),
    ),
    (
        "FORBIDDEN_REFERENCE",
        E,
        "$.steps[1].steps[0].inputs[2].scope",
        lambda w: (
            w["scopes"].update(side={"parent": "book"}),
            w["document_types"].update(aside={"name": "Aside", "scope": "side", "may_own": []}),
            step(w, 1, 0)["inputs"].append({"doc_type": "aside", "scope": "side"}),
        ),
    ),
    (
        "FORBIDDEN_REFERENCE",
        E,
        "$.steps[1].iterate_over.doc_type",
        lambda w: step(w, 1)["iterate_over"].update(doc_type="scene_list", collection_field="scenes"),
    ),
    ("NOT_OWNED", W, "$.steps[1].iterate_over.entity_type", lambda w: _outline(w).update(may_own=[])),
    (
        "MISSING_COLLECTION_FIELD",
        E,
        "$.document_types.outline.collection_field",
        lambda w: _outline(w).pop("collection_field"),
    ),
    (
        "MISSING_COLLECTION_FIELD",
        E,
        "$.steps[1].iterate_over.collection_field",
        lambda w: step(w, 1)["iterate_over"].pop("collection_field"),
    ),
    (
        "MISSING_COLLECTION_FIELD",
        W,
        "$.document_types.chapter_text.collection_field",
        lambda w: w["document_types"]["chapter_text"].update(may_own=["scene"]),
    ),
    (
        "COLLECTION_FIELD_MISMATCH",
        E,
        "$.steps[1].iterate_over.collection_field",
        lambda w: step(w, 1)["iterate_over"].update(collection_field="parts"),
    ),
    ("COLLECTION_NOT_IN_SCHEMA", W, "$.document_types.outline.schema", lambda w: _outline(w).update(schema={})),
    (
        "COLLECTION_NOT_IN_SCHEMA",
        W,
        "$.document_types.outline.schema",
        lambda w: _outline(w).update(schema={"properties": {"chapters": {"type": "string"}}}),
    ),
    ("DUPLICATE_STEP_ID", E, "$.steps[1].steps[0].step_id", lambda w: step(w, 1, 0).update(step_id="outline")),
    (
        "INPUT_NOT_PRODUCED",
        E,
        "$.steps[0].inputs[0].doc_type",
        lambda w: step(w, 0)["inputs"].append({"doc_type": "outline", "scope": "book"}),
    ),
    (
        "INPUT_NOT_PRODUCED",
        E,
        "$.steps[1].steps[0].inputs[2].doc_type",
        lambda w: step(w, 1, 0)["inputs"].append({"doc_type": "scene_list", "scope": "chapter", "context": True}),
    ),
    (
        "INPUT_NOT_PRODUCED",
        W,
        "$.steps[1].steps[0].inputs[2].doc_type",
        lambda w: step(w, 1, 0)["inputs"].append(
            {"doc_type": "scene_list", "scope": "chapter", "context": True, "required": False}
        ),
    ),
    (
        "INPUT_NOT_PRODUCED",
        W,
        "$.steps[0].inputs[0].doc_type",
        lambda w: (
            w["document_types"].update(style={"name": "Style", "scope": "book", "may_own": []}),
            step(w, 0)["inputs"].append({"doc_type": "style", "scope": "book"}),
        ),
    ),
    (
        "INPUT_NOT_PRODUCED",
        E,
        "$.steps[1].steps[0].inputs[2].doc_type",
        lambda w: (
            w["document_types"].update(mood={"name": "Mood", "scope": "chapter", "may_own": []}),
            step(w, 1, 0)["inputs"].append({"doc_type": "mood", "scope": "chapter", "context": True}),
        ),
    ),
    (
        "INPUT_NOT_PRODUCED",
        E,
        "$.steps[0].inputs[0].entity_type",
        lambda w: (
            w["entity_types"]["chapter"].update(creates_scope="book"),
            step(w, 0)["inputs"].append({"entity_type": "chapter", "scope": "book"}),
        ),
    ),
    ("INPUT_NOT_PRODUCED", E, "$.steps[0].iterate_over.doc_type", lambda w: w["steps"].reverse()),
    (
        "DUPLICATE_PRODUCER",
        E,
        "$.steps[1].produces",
        lambda w: w["steps"].insert(1, production("again", "Outline v1.0", "outline", "book", [])),
    ),
    (
        "DUPLICATE_PRODUCER",
        W,
        "$.steps[1].steps[2].steps[1].produces",
        lambda w: step(w, 1, 2)["steps"].append(production("again", "Scene v1.0", "scene_text", "scene", [])),
    ),
    ("MISSING_ROLE", E, "$.steps[0].role", lambda w: step(w, 0).update(role="Editor 2.0")),
    ("MISSING_PROMPT", E, "$.steps[0].task_prompt", lambda w: step(w, 0).update(task_prompt="outline v1.0")),
    ("UNKNOWN_MODEL", W, "$.steps[0].model", lambda w: step(w, 0).update(model="gpt")),
    (
        "BAD_POLICY",
        E,
        "$.document_types.outline.acceptance.on_timeout",
        lambda w: _outline(w).update(acceptance={"due_in": "P1D", "on_timeout": "explode"}),
    ),
    (
        "BAD_POLICY",
        E,
        "$.document_types.outline.acceptance.quorum",
        lambda w: _outline(w).update(accepted_by=[], acceptance={"users": ["ann"], "quorum": 2}),
    ),
    (
        "BAD_DURATION",
        E,
        "$.document_types.outline.acceptance.due_in",
        lambda w: _outline(w).update(acceptance={"due_in": "3 days"}),
    ),
    (
        "BAD_DURATION",
        E,
        "$.document_types.outline.acceptance.remind_every",
        lambda w: _outline(w).update(acceptance={"remind_every": ""}),
    ),
    ("NO_ACCEPTORS", W, "$.document_types.outline", lambda w: _outline(w).pop("accepted_by")),
    ("NO_EFFECT", W, "$.document_types.outline.accepted_by", lambda w: _outline(w).pop("acceptance_required")),
    (
        "NO_EFFECT",
        W,
        "$.document_types.outline.acceptance.escalate_to",
        lambda w: _outline(w).update(acceptance={"escalate_to": ["boss"]}),
    ),
    ("MISSING_SCHEMA", E, "$.document_types.outline.schema", lambda w: _outline(w).update(schema="outline_v9")),
    ("BAD_SCHEMA", E, "$.document_types.outline.schema.type", lambda w: _outline(w).update(schema={"type": "strin"})),
    (
        "SCHEMA_DIALECT",
        E,
        "$.document_types.outline.schema.$schema",
        lambda w: _outline(w).update(schema={"$schema": "http://example.org/mine"}),
    ),
    (
        "SCHEMA_REMOTE_REF",
        E,
        "$.document_types.outline.schema.items.$ref",
        lambda w: _outline(w).update(schema={"items": {"$ref": "http://example.org/x"}}),
    ),
    (
        "SCHEMA_PATTERN",
        E,
        "$.document_types.outline.schema.items.pattern",
        lambda w: _outline(w).update(schema={"items": {"pattern": "(?=a)b"}}),
    ),
    (
        "SCHEMA_TOO_LARGE",
        E,
        "$.document_types.outline.schema",
        lambda w: _outline(w).update(schema={"enum": list(range(50_001))}),
    ),
    ("SCHEMA_TOO_DEEP", E, "$.document_types.outline.schema", lambda w: _outline(w).update(schema=_nested(101))),
    ("SCHEMA_TOO_COMPLEX", E, "$.document_types.outline.schema", lambda w: _outline(w).update(schema=_doubling(20))),
    (
        "SCHEMA_SLOW",
        W,
        "$.document_types.outline.schema",
        lambda w: _outline(w).update(
            schema={"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "chapters": {"type": "array"}}}
        ),
    ),
    (
        "SCHEMA_UNIQUE_ITEMS",
        W,
        "$.document_types.outline.schema.properties.chapters.uniqueItems",
        lambda w: _outline(w).update(schema={"properties": {"chapters": {"uniqueItems": True, "items": {}}}}),
    ),
    ("TOO_DEEP", E, "$.extra", lambda w: w.update(extra=None)),
    ("BAD_TEXT", E, "$.name", lambda w: w.update(name="a\x00b")),
    ("BAD_TEXT", E, "$.extra['\\ud800']", lambda w: w.update(extra={"\ud800": 1})),
    ("BAD_JSON", E, "$.extra", lambda w: w.update(extra=float("nan"))),
    ("UNKNOWN_FORMAT", E, "$.schema_version", lambda w: w.update(schema_version="workflow.v2")),
]


def _outline(workflow: dict[str, Any]) -> dict[str, Any]:
    outline: dict[str, Any] = workflow["document_types"]["outline"]
    return outline


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def _doubling(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"l{level}": {"allOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/l0", "$defs": definitions | {f"l{levels}": {}}}


FLAT_CASES: list[tuple[str, str, str, Change]] = [
    ("SCHEMA", E, "$.version", lambda w: w.pop("version")),
    ("SCHEMA", E, "$.metadata", lambda w: w.update(metadata=[])),
    ("SCHEMA", E, "$.steps[0].outputs", lambda w: step(w, 0).update(outputs=[])),
    ("SCHEMA", E, "$.steps[0].outputs", lambda w: step(w, 0).pop("outputs")),
    ("SCHEMA", E, "$.steps[0].inputs[0]", lambda w: step(w, 0).update(inputs=[None])),
    ("SCHEMA", E, "$.steps[0].output_schema", lambda w: step(w, 0).update(output_schema=[])),
    ("UNKNOWN_KEY", W, "$.steps[0].temperature", lambda w: step(w, 0).update(temperature=0.5)),
    ("BAD_ID", E, "$.steps[0].outputs[0]", lambda w: step(w, 0).update(outputs=["a/b"])),
    ("BAD_ID", E, "$.steps[1].inputs[0]", lambda w: step(w, 1).update(inputs=["a b"])),
    ("DUPLICATE_STEP_ID", E, "$.steps[1].step_id", lambda w: step(w, 1).update(step_id="plan")),
    ("TOO_MANY_OUTPUTS", E, "$.steps[0].outputs", lambda w: step(w, 0).update(outputs=["story-plan", "b"])),
    ("INPUT_NOT_PRODUCED", W, "$.steps[1].inputs[1]", lambda w: step(w, 1)["inputs"].append("style-guide")),
    ("INPUT_NOT_PRODUCED", E, "$.steps[0].inputs[0]", lambda w: step(w, 0)["inputs"].append("story-text")),
    ("INPUT_NOT_PRODUCED", E, "$.steps[1].inputs[1]", lambda w: step(w, 1)["inputs"].append("story-text")),
    ("DUPLICATE_PRODUCER", E, "$.steps[1].outputs[0]", lambda w: step(w, 1).update(outputs=["story-plan"])),
    ("MISSING_ROLE", E, "$.steps[0].role", lambda w: step(w, 0).update(role="Poet")),
    ("MISSING_PROMPT", E, "$.steps[0].task_prompt_id", lambda w: step(w, 0).update(task_prompt_id="x")),
    ("MISSING_SCHEMA", W, "$.steps[0].output_schema", lambda w: step(w, 0).update(output_schema="story-plan")),
    ("UNKNOWN_MODEL", W, "$.steps[0].model", lambda w: step(w, 0).update(model="Sonnet")),
    ("OUT_OF_RANGE", E, "$.steps[0].max_tokens", lambda w: step(w, 0).update(max_tokens=0)),
    ("OUT_OF_RANGE", E, "$.steps[1000]", lambda w: w.update(steps=w["steps"][:1] * 1001)),
    ("UNKNOWN_FORMAT", E, "$", lambda w: w.pop("steps")),
]

# Codes that only files can earn: test_packages.py has their cases.
FILE_CODES = {"BAD_FILE", "DUPLICATE_KEY", "DUPLICATE_WORKFLOW", "MANIFEST", "AMBIGUOUS_PROMPT", "AMBIGUOUS_SCHEMA"}


def _id(value: object) -> str | None:
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(("code", "severity", "path", "change"), V1_CASES, ids=_id)
def test_a_mistake_in_format_a_is_named_with_its_code_and_path(
    code: str, severity: str, path: str, change: Change
) -> None:
    workflow = v1()
    change(workflow)
    if code == "TOO_DEEP":
        path = "$.extra" + "[0]" * 127
        for _ in range(200):
            workflow["extra"] = [workflow["extra"]]
    _check(parse(workflow), code, severity, path)


@pytest.mark.parametrize(("code", "severity", "path", "change"), FLAT_CASES, ids=_id)
def test_a_mistake_in_format_b_is_named_with_its_code_and_path(
    code: str, severity: str, path: str, change: Change
) -> None:
    workflow = flat()
    change(workflow)
    _check(parse(workflow), code, severity, path)


def _check(parsed: Any, code: str, severity: str, path: str) -> None:
    found = [(problem.code, problem.severity, problem.path) for problem in parsed.problems]
    assert (code, severity, path) in found
    assert (parsed.definition is None) == any(problem.severity == "error" for problem in parsed.problems)


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ("", "BAD_JSON", "$"),
        ('{"a": }', "BAD_JSON", "$"),
        ('{"a": NaN}', "BAD_JSON", "$"),
        ('{"a": 1e999}', "BAD_JSON", "$"),
        ('{"a": ' + "9" * 5000 + "}", "BAD_JSON", "$"),
        ("[" * 100_000, "TOO_DEEP", "$"),
        ('{"steps": [], "a": {"b": 1, "b": 2}}', "DUPLICATE_KEY", "$.a.b"),
        ('{"steps": [], "name": "\\ud800"}', "BAD_TEXT", "$.name"),
        ("[]", "UNKNOWN_FORMAT", "$"),
        ("null", "UNKNOWN_FORMAT", "$"),
    ],
)
def test_a_text_that_is_no_good_json_is_named(text: str, code: str, path: str) -> None:
    found = {(problem.code, problem.path) for problem in parse_text(text, library()).problems}
    assert (code, path) in found


def test_every_code_has_a_case() -> None:
    covered = {code for code, *_ in V1_CASES + FLAT_CASES} | FILE_CODES
    assert covered == set(CODES)


def test_no_code_is_used_that_the_table_does_not_have() -> None:
    root = Path(__file__).resolve().parent.parent
    used = set()
    for file in root.rglob("*.py"):
        if "tests" not in file.parts:
            used |= set(re.findall(r"(?:error|warning|note)\(\s*\"([A-Z_]+)\"", file.read_text()))
            used |= set(re.findall(r"code=\"([A-Z_]+)\"", file.read_text()))
    assert used - set(CODES) == set()
    assert len(used) > 40
