"""What the model's text is: a document, questions, or findings that say what is wrong with it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.llm.parsing import (
    DocumentOutput,
    InvalidOutput,
    QuestionSet,
    item_id,
    parse_output,
    summary_of,
    title_of,
)
from executions.llm.tests.builders import STORY_SCHEMA, doc_type
from executions.llm.values import CollectionRule, Finding
from workflows.schemas import build_validator

RULE = CollectionRule(field="stories", id_keys=("id", "story_id"))
STORIES = {"title": "Stories", "stories": [{"id": "S1", "text": "Scan"}, {"id": "S2", "text": "Return"}]}
OPEN_SCHEMA = {"type": "object"}
QUESTION = {"id": "WHO", "text": "Who will use it?"}
QUESTIONS = {"schema_version": "clarification_question_set.v1", "mode": "questions_only", "questions": [QUESTION]}


def parse(
    text: str,
    *,
    schema: dict[str, Any] = STORY_SCHEMA,
    may_ask: bool = True,
    collection: CollectionRule | None = None,
) -> DocumentOutput | QuestionSet | InvalidOutput:
    return parse_output(
        text,
        doc_type=doc_type(schema=schema),
        may_ask=may_ask,
        validator=build_validator(schema),
        collection=collection,
    )


def content(text: str, **options: Any) -> Any:
    output = parse(text, **options)
    assert isinstance(output, DocumentOutput), output
    return output.content


def findings(text: str, **options: Any) -> tuple[Finding, ...]:
    output = parse(text, **options)
    assert isinstance(output, InvalidOutput), output
    return output.findings


def codes(text: str, **options: Any) -> list[str]:
    return [finding.code for finding in findings(text, **options)]


JSON_TEXT = json.dumps(STORIES)


@pytest.mark.parametrize(
    "text",
    [
        JSON_TEXT,
        f"\ufeff\n {JSON_TEXT} \n",
        f"```json\n{JSON_TEXT}\n```",
        f"```\n{JSON_TEXT}\n```",
        f"```JSON\r\n{JSON_TEXT}\r\n```",
        f"Here it is:\n\n```json\n{JSON_TEXT}\n```\nI hope it helps.",
        f"First a try:\n```json\n{{}}\n```\nbetter:\n```json\n{JSON_TEXT}\n```",
        f"```python\nprint(1)\n```\n```json\n{JSON_TEXT}\n```\n```\nnot json\n```",
        f"Sure! {JSON_TEXT} Done.",
        f"The document: {JSON_TEXT}",
    ],
)
def test_the_document_is_found_whatever_stands_round_it(text: str) -> None:
    assert content(text) == STORIES


def test_a_fence_inside_a_string_is_no_fence() -> None:
    document = {"title": "```json\n{}\n```", "stories": []}
    assert content(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "the answer is empty; it must be one JSON document"),
        ("  \n", "the answer is empty; it must be one JSON document"),
        ("I cannot do that.", "the answer is no JSON document: Expecting value at line 1, column 1"),
        ('{"title": "x",', "the answer is no JSON document: "),
        ('```json\n{"title": }\n```', "the answer is no JSON document: Expecting value at line 1, column 11"),
    ],
)
def test_what_is_no_json_is_a_finding(text: str, detail: str) -> None:
    (finding,) = findings(text)
    assert finding.code == "NOT_JSON"
    assert finding.detail.startswith(detail)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"title": "a", "title": "b", "stories": []}', "DUPLICATE_KEY"),
        ('{"a": {"b": 1, "b": 1}}', "DUPLICATE_KEY"),
        ('{"a": NaN}', "NOT_FINITE"),
        ('{"a": -Infinity}', "NOT_FINITE"),
        ('{"a": 1e999}', "NOT_FINITE"),
        ('{"a": ' + "9" * 5_000 + "}", "NUMBER_TOO_LARGE"),
        ('{"a": "\\u0000"}', "TEXT_NOT_STORABLE"),
        ('{"a": "\\ud800"}', "TEXT_NOT_STORABLE"),
        ('{"a\\u0000": 1}', "TEXT_NOT_STORABLE"),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", "TOO_DEEP"),
        ("[" * 100_000 + "]" * 100_000, "TOO_DEEP"),
        ('{"a": [' + "0," * 10_000 + "0]}", "TOO_MANY_ITEMS"),
        ('{"a": [' + ("[" + "0," * 99 + "0],") * 600 + "0]}", "TOO_MANY_NODES"),
    ],
)
def test_what_cannot_be_stored_is_a_finding(text: str, code: str) -> None:
    assert code in codes(text, schema=OPEN_SCHEMA)


def test_numbers_are_normalised() -> None:
    output = content('{"a": 1.0, "b": -0.0, "c": 1e2, "d": 0.5, "e": 12345678901234567890}', schema=OPEN_SCHEMA)
    assert json.dumps(output) == '{"a": 1, "b": 0, "c": 100, "d": 0.5, "e": 12345678901234567890}'


def test_schema_problems_are_findings_with_place_and_keyword() -> None:
    found = findings('{"title": "", "stories": [{"id": "S1"}], "extra": 1}')
    assert {(finding.code, finding.path) for finding in found} == {
        ("minLength", "/title"),
        ("required", "/stories/0"),
        ("additionalProperties", ""),
    }
    assert all(finding.detail for finding in found)


def test_a_value_that_is_no_object_is_judged_by_the_schema() -> None:
    assert codes("42", schema=OPEN_SCHEMA) == ["type"]


def test_there_are_never_more_than_twenty_findings() -> None:
    many = {"title": "x", "stories": [{"id": index} for index in range(100)]}
    assert len(findings(json.dumps(many), collection=RULE)) == 20


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, [("COLLECTION", "/stories")]),
        ({"stories": {"S1": {}}}, [("COLLECTION", "/stories")]),
        ({"stories": ["S1"]}, [("COLLECTION", "/stories/0")]),
        ({"stories": [{"title": "x"}]}, [("ITEM_ID", "/stories/0")]),
        ({"stories": [{"id": "a b"}]}, [("ITEM_ID", "/stories/0")]),
        ({"stories": [{"id": ""}, {"id": "x" * 65}]}, [("ITEM_ID", "/stories/0"), ("ITEM_ID", "/stories/1")]),
        ({"stories": [{"id": True}]}, [("ITEM_ID", "/stories/0")]),
        ({"stories": [{"id": 1.5}]}, [("ITEM_ID", "/stories/0")]),
        ({"stories": [{"id": "A"}, {"id": "B"}, {"id": "A"}]}, [("DUPLICATE_ITEM_ID", "/stories/2")]),
        ({"stories": [{"id": 1}, {"id": "1"}]}, [("DUPLICATE_ITEM_ID", "/stories/1")]),
    ],
)
def test_a_collection_needs_objects_with_unique_ids(document: Any, expected: list[tuple[str, str]]) -> None:
    found = findings(json.dumps(document), schema=OPEN_SCHEMA, collection=RULE)
    assert [(finding.code, finding.path) for finding in found] == expected


def test_an_empty_collection_is_one() -> None:
    assert content('{"stories": []}', schema=OPEN_SCHEMA, collection=RULE) == {"stories": []}


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"id": "E1"}, "E1"),
        ({"story_id": "S-1.a_b"}, "S-1.a_b"),
        ({"id": "E1", "story_id": "S1"}, "E1"),
        ({"id": None, "story_id": "S1"}, "S1"),
        ({"id": 7}, "7"),
        ({"id": -7}, "-7"),
        ({"id": False}, None),
        ({"id": "é"}, None),
        ({"id": "a/b"}, None),
        ({"id": "a\n"}, None),
        ("E1", None),
    ],
)
def test_an_items_id_is_text_of_safe_characters(item: Any, name: str | None) -> None:
    assert item_id(item, ("id", "story_id")) == name


def test_questions_are_returned_where_they_may_be_asked() -> None:
    output = parse(json.dumps(QUESTIONS))
    assert isinstance(output, QuestionSet)
    assert output.questions[0]["id"] == "WHO"


def test_questions_from_a_step_that_may_not_ask_are_a_finding() -> None:
    assert codes(json.dumps(QUESTIONS), may_ask=False) == ["QUESTIONS_NOT_ALLOWED"]


def test_an_invalid_question_set_is_a_finding() -> None:
    assert codes(json.dumps({**QUESTIONS, "questions": []})) == ["QUESTION_SET"]


def test_title_and_summary_come_from_the_document() -> None:
    output = parse(json.dumps({**STORIES, "summary": "Two\n stories."}))
    assert isinstance(output, DocumentOutput)
    assert (output.title, output.summary) == ("Stories", "Two stories.")


@pytest.mark.parametrize(
    ("document", "title", "summary"),
    [
        ({"name": "N", "description": "D"}, "N", "D"),
        ({"title": 5, "summary": ["x"]}, "Story backlog", "1 summary"),
        ({"title": " ", "note": "A few words."}, "Story backlog", "A few words."),
        ({"stories": [1, 2], "open_points": []}, "Story backlog", "2 stories, 0 open points"),
        ({}, "Story backlog", ""),
        ([1], "Story backlog", ""),
        ({"title": "t" * 300, "summary": "s" * 900}, "t" * 199 + "\u2026", "s" * 499 + "\u2026"),
    ],
)
def test_every_document_gets_a_title_and_a_summary(document: Any, title: str, summary: str) -> None:
    assert title_of(document, doc_type()) == title
    assert summary_of(document) == summary


@pytest.mark.parametrize(
    "text",
    ["```json\n" * 200_000, "{" * 1_000_000, "```\n" * 400_001, '{"a":' * 100_000, "}{" * 500_000, "[]" * 900_000],
)
def test_hostile_text_is_judged_in_linear_time(text: str) -> None:
    started = time.thread_time()
    assert isinstance(parse(text), InvalidOutput)
    assert time.thread_time() - started < 2


@given(text=st.text(max_size=200) | st.text(alphabet='{}[]",:0123456789.eE+-ntf`\n\\u', max_size=60))
def test_no_text_makes_parsing_raise(text: str) -> None:
    parse(text)
    parse(text, schema=OPEN_SCHEMA, collection=RULE)
