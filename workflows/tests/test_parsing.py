"""Both formats: what a good file becomes, and that a file with many mistakes names them all."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflows.definition import AcceptancePolicy, Definition, InputRef, IterationStep, ProductionStep
from workflows.formats.flat import ROLE_ALIASES
from workflows.library import Library
from workflows.parsed import digest_of
from workflows.parsing import parse_text, parse_workflow
from workflows.tests.samples import ROLES, SCHEMAS, TASKS, flat, library, parse, production, v1


def definition(value: Any) -> Definition:
    parsed = parse(value)
    assert parsed.definition is not None, parsed.problems
    return parsed.definition


def test_a_good_workflow_of_format_a_is_read_whole() -> None:
    parsed = parse(v1())
    assert parsed.problems == ()
    book = definition(v1())
    assert (book.workflow_id, book.revision, book.format) == ("book", "r1", "workflow.v1")
    assert book.effective_date == "2026-01-02"
    assert book.root_scope == "book"
    assert [step.step_id for step in book.walk()] == [
        *("outline", "per_chapter", "chapter", "scenes", "per_scene", "scene")
    ]
    chapter, per_scene = book.step("chapter"), book.step("per_scene")
    assert isinstance(chapter, ProductionStep)
    assert (chapter.role_prompt, chapter.task_prompt) == ("You edit.", "Write a chapter.")
    assert chapter.inputs == (
        InputRef(doc_type="outline", scope="book"),
        InputRef(entity_type="chapter", scope="chapter", context=True),
    )
    assert isinstance(per_scene, IterationStep)
    assert (per_scene.doc_type, per_scene.collection_field, per_scene.max_items) == ("scene_list", "scenes", 200)
    assert book.document_types["outline"].acceptance == AcceptancePolicy(roles=("editor",))
    assert book.document_types["chapter_text"].acceptance is None


def test_a_schema_is_found_by_the_document_types_name_and_generated_where_there_is_none() -> None:
    types = definition(v1()).document_types
    assert types["chapter_text"].schema == json.loads(SCHEMAS["chapter_text"])
    assert types["chapter_text"].is_generated_schema is False
    assert types["outline"].is_generated_schema is True
    assert types["outline"].schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Outline",
        "type": "object",
        "properties": {
            "chapters": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": ["string", "integer"]},
                        "chapter_id": {"type": ["string", "integer"]},
                    },
                    "anyOf": [{"required": ["id"]}, {"required": ["chapter_id"]}],
                },
            }
        },
        "required": ["chapters"],
    }


def test_a_schema_may_be_named_or_stand_in_the_file() -> None:
    workflow = v1()
    workflow["document_types"]["scene_text"]["schema"] = "chapter_text"
    workflow["document_types"]["outline"]["schema"] = {"properties": {"chapters": {"type": "array"}}}
    types = definition(workflow).document_types
    assert types["scene_text"].schema == json.loads(SCHEMAS["chapter_text"])
    assert types["outline"].schema == {"properties": {"chapters": {"type": "array"}}}
    assert types["outline"].is_generated_schema is False


def test_optional_keys_of_format_a_are_taken() -> None:
    workflow = v1()
    workflow["steps"][0] |= {
        "name": "The outline",
        "model": "opus",
        "max_tokens": 9000,
        "allow_clarification": False,
        "max_attempts": 5,
        "timeout_seconds": 30,
    }
    workflow["steps"][1] |= {"max_items": 7, "max_parallel": 2}
    workflow["document_types"]["outline"]["acceptance"] = {
        "users": ["ann"],
        "quorum": 2,
        "four_eyes": True,
        "due_in": "P2DT4H",
        "remind_every": "PT12H",
        "escalate_to": ["heads"],
        "on_timeout": "fail",
        "max_rework_rounds": 3,
    }
    parsed = parse(workflow)
    assert parsed.problems == ()
    book = definition(workflow)
    outline, per_chapter = book.steps
    assert isinstance(outline, ProductionStep)
    assert (outline.name, outline.model, outline.max_tokens) == ("The outline", "opus", 9000)
    assert (outline.allow_clarification, outline.max_attempts, outline.timeout_seconds) == (False, 5, 30.0)
    assert isinstance(per_chapter, IterationStep)
    assert (per_chapter.max_items, per_chapter.max_parallel) == (7, 2)
    assert book.document_types["outline"].acceptance == AcceptancePolicy(
        roles=("editor",),
        users=("ann",),
        quorum=2,
        four_eyes=True,
        due_in="P2DT4H",
        remind_every="PT12H",
        escalate_to=("heads",),
        on_timeout="fail",
        max_rework_rounds=3,
    )


def test_null_stands_for_an_optional_key_that_is_not_there() -> None:
    workflow = v1()
    workflow["description"] = None
    workflow["steps"][0] |= {"model": None, "max_tokens": None, "allow_clarification": None, "name": None}
    workflow["document_types"]["chapter_text"] |= {"may_own": None, "collection_field": None, "acceptance": None}
    assert parse(workflow).problems == ()


def test_a_good_flat_workflow_is_read_whole() -> None:
    parsed = parse(flat())
    assert parsed.problems == ()
    story = definition(flat())
    assert (story.workflow_id, story.revision, story.format) == ("short-story", "1.0", "flat")
    assert story.root_scope == "project"
    plan, write = story.steps
    assert isinstance(plan, ProductionStep)
    assert isinstance(write, ProductionStep)
    assert (plan.role, plan.role_prompt, plan.produces) == ("Project Manager 1.0", "You manage.", "story-plan")
    assert (plan.model, plan.allow_clarification) == ("sonnet", True)
    assert (write.role, write.allow_clarification) == ("Developer 1.0", False)
    assert write.inputs == (InputRef(doc_type="story-plan", scope="project"),)
    assert story.document_types["story-plan"].is_generated_schema is True
    assert story.document_types["story-text"].schema == json.loads(SCHEMAS["chapter_text"])
    assert story.document_types["story-text"].acceptance is None
    assert story.metadata["estimated_cost_usd"] == 0.5
    assert story.metadata["document_type"] == "story"
    assert story.metadata["unknown_keys"]["$.steps[1].is_final"] is True


def test_an_input_of_a_flat_workflow_that_nothing_produces_is_declared_for_the_brief() -> None:
    workflow = flat()
    workflow["steps"][0]["inputs"] = ["style-guide"]
    parsed = parse(workflow)
    assert [(problem.code, problem.severity) for problem in parsed.problems] == [("INPUT_NOT_PRODUCED", "warning")]
    assert definition(workflow).document_types["style-guide"].is_generated_schema is True


@pytest.mark.parametrize(("alias", "stem"), sorted(ROLE_ALIASES.items()))
def test_each_role_alias_of_a_flat_workflow_finds_its_prompt(alias: str, stem: str) -> None:
    workflow = flat()
    workflow["steps"][0]["role"] = alias
    plan = definition(workflow).steps[0]
    assert isinstance(plan, ProductionStep)
    assert (plan.role, plan.role_prompt) == (stem, ROLES[stem])


def test_a_role_prompt_that_is_called_like_an_alias_comes_first() -> None:
    own = Library.of(roles={**ROLES, "PM": "My own."}, tasks=TASKS, schemas=SCHEMAS)
    story = parse_workflow(flat(), own).definition
    assert story is not None
    assert isinstance(story.steps[0], ProductionStep)
    assert (story.steps[0].role, story.steps[0].role_prompt) == ("PM", "My own.")


def test_unknown_keys_are_kept_and_warned_about() -> None:
    workflow = v1()
    workflow["steps"][0]["creates_entities"] = "chapter"
    parsed = parse(workflow)
    assert [(problem.code, problem.severity) for problem in parsed.problems] == [("UNKNOWN_KEY", "warning")]
    assert definition(workflow).metadata == {"unknown_keys": {"$.steps[0].creates_entities": "chapter"}}


def test_an_entity_type_whose_document_nothing_produces_is_legal() -> None:
    workflow = v1()
    workflow["scopes"]["beat"] = {"parent": "chapter"}
    workflow["document_types"]["treatment"] = {"name": "Treatment", "scope": "book", "may_own": ["beat"]}
    workflow["entity_types"]["beat"] = {"name": "Beat", "parent_doc_type": "treatment", "creates_scope": "beat"}
    parsed = parse(workflow)
    assert parsed.definition is not None
    assert {problem.code for problem in parsed.problems} == {"SCOPE_MISMATCH", "MISSING_COLLECTION_FIELD"}


def test_a_second_iteration_over_the_same_collection_sees_what_the_first_produced() -> None:
    workflow = v1()
    again = copy.deepcopy(workflow["steps"][1])
    again["step_id"] = "per_chapter_again"
    inputs = [{"doc_type": "chapter_text", "scope": "chapter", "context": True}]
    workflow["document_types"]["review"] = {"name": "Review", "scope": "chapter", "may_own": []}
    again["steps"] = [production("review", "Scene v1.0", "review", "chapter", inputs)]
    workflow["steps"].append(again)
    assert parse(workflow).problems == ()


def test_a_file_with_eleven_different_mistakes_names_all_of_them() -> None:
    workflow = v1()
    del workflow["name"]
    workflow["scopes"] |= {"a": {"parent": "b"}, "b": {"parent": "a"}}
    workflow["document_types"]["chapter_text"]["scope"] = "act"
    workflow["document_types"]["outline"].pop("collection_field")
    per_chapter = workflow["steps"][1]
    per_scene = per_chapter["steps"][2]
    per_chapter["steps"][0]["produces"] = "poem"
    per_chapter["steps"][0]["inputs"][1]["entity_type"] = "act"
    per_chapter["steps"][1]["step_id"] = "outline"
    per_chapter["steps"][1]["inputs"][0] = {"doc_type": "scene_text", "scope": "scene"}
    per_scene["steps"][0]["role"] = "Nobody"
    per_scene["steps"][0]["task_prompt"] = "Nothing"
    per_scene["steps"][0]["scope"] = "chapter"
    found = {(problem.code, problem.path) for problem in parse(workflow).problems if problem.severity == "error"}
    assert found >= {
        ("SCHEMA", "$.name"),
        ("SCOPE_CYCLE", "$.scopes.a.parent"),
        ("UNKNOWN_SCOPE", "$.document_types.chapter_text.scope"),
        ("MISSING_COLLECTION_FIELD", "$.document_types.outline.collection_field"),
        ("UNKNOWN_DOCUMENT_TYPE", "$.steps[1].steps[0].produces"),
        ("UNKNOWN_ENTITY_TYPE", "$.steps[1].steps[0].inputs[1].entity_type"),
        ("DUPLICATE_STEP_ID", "$.steps[1].steps[1].step_id"),
        ("FORBIDDEN_REFERENCE", "$.steps[1].steps[1].inputs[0].scope"),
        ("MISSING_ROLE", "$.steps[1].steps[2].steps[0].role"),
        ("MISSING_PROMPT", "$.steps[1].steps[2].steps[0].task_prompt"),
        ("SCOPE_MISMATCH", "$.steps[1].steps[2].steps[0].scope"),
    }


def test_a_definition_survives_its_json_form() -> None:
    for value in (v1(), flat()):
        before = definition(value)
        after = Definition.from_json(json.loads(json.dumps(before.to_json())))
        assert after == before
        assert digest_of(after) == digest_of(before)


def test_the_digest_depends_on_prompts_and_schemas_but_not_on_the_order_of_keys() -> None:
    digest = digest_of(definition(v1()))
    shuffled = dict(reversed(v1().items()))
    assert digest_of(definition(shuffled)) == digest
    other = parse_workflow(v1(), Library.of(roles=ROLES | {"Editor 1.0": "Edit!"}, tasks=TASKS, schemas=SCHEMAS))
    assert other.definition is not None
    assert digest_of(other.definition) != digest


# Anything at all, and anything at all in the place of something that was right.
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    places = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            places += _places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            places += _places(inner, (*path, index))
    return places


_V1_PLACES, _FLAT_PLACES = _places(v1()), _places(flat())


def _broken(value: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    for path, replacement in changes:
        target = value
        try:
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = replacement
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return value


@settings(max_examples=300, deadline=None)
@given(value=_json)
def test_no_json_value_makes_the_parser_crash(value: Any) -> None:
    parsed = parse(value)
    assert parsed.definition is None
    assert parsed.has_errors


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(_V1_PLACES), _json), min_size=1, max_size=3))
def test_no_value_in_any_place_of_format_a_makes_the_parser_crash(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    parsed = parse(_broken(v1(), changes))
    assert (parsed.definition is None) == parsed.has_errors
    if parsed.definition is not None:
        json.dumps(parsed.definition.to_json(), allow_nan=False).encode()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(_FLAT_PLACES), _json), min_size=1, max_size=3))
def test_no_value_in_any_place_of_format_b_makes_the_parser_crash(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    parsed = parse(_broken(flat(), changes))
    assert (parsed.definition is None) == parsed.has_errors
    if parsed.definition is not None:
        json.dumps(parsed.definition.to_json(), allow_nan=False).encode()


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_no_text_makes_the_parser_crash(text: str) -> None:
    parse_text(text, library())


def test_a_file_of_thousands_of_mistakes_is_answered_quickly_and_shortly() -> None:
    workflow = v1()
    workflow["steps"] = [{"step_id": 3, f"odd{n}": n} for n in range(5_000)]
    workflow |= {f"odd{n}": n for n in range(5_000)}
    started = time.thread_time()
    parsed = parse(workflow)
    assert time.thread_time() - started < 5
    assert parsed.has_errors
    assert len(parsed.problems) == 2_000


def test_a_schema_of_a_flat_workflow_that_allows_anything_is_kept_as_it_is() -> None:
    anything = Library.of(roles=ROLES, tasks=TASKS, schemas={"story-plan": "{}", "chapter_text": "{}"})
    parsed = parse_workflow(flat(), anything)
    assert parsed.definition is not None
    plan = parsed.definition.document_types["story-plan"]
    assert (plan.schema, plan.is_generated_schema) == ({}, False)
