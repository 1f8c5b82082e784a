"""Questions that can be answered, and answers that fit them."""

from __future__ import annotations

from typing import Any

import pytest

from executions.llm.clarification import (
    ANSWER_TYPES,
    InvalidQuestionSet,
    check_answers,
    cleaned_answers,
    is_question_set,
    parse_question_set,
)
from executions.llm.values import JSON

CHOICES = [{"value": "staff", "label": "Staff"}, {"value": "public", "label": "The public"}]


def question(**changes: Any) -> JSON:
    values = {
        "id": "TARGET_USERS",
        "text": "Who will use it?",
        "intent": "Decides the roles.",
        "priority": "must",
        "answer_type": "free_text",
        "required": True,
        "blocking": True,
        "choices": [],
        "default": None,
    }
    return {**values, **changes}


def question_set(*questions: Any, **changes: Any) -> JSON:
    values = {
        "schema_version": "clarification_question_set.v1",
        "mode": "questions_only",
        "questions": list(questions),
    }
    return {**values, **changes}


def problem_paths(value: Any) -> list[str]:
    with pytest.raises(InvalidQuestionSet) as caught:
        parse_question_set(value)
    assert all(finding.code == "QUESTION_SET" for finding in caught.value.findings)
    return [finding.path for finding in caught.value.findings]


def test_a_full_question_is_kept_as_it_is() -> None:
    choice = question(id="KIND", answer_type="single_choice", choices=CHOICES, default="staff")
    assert parse_question_set(question_set(question(), choice)) == (question(), choice)


def test_what_a_question_leaves_out_is_filled_in() -> None:
    (parsed,) = parse_question_set(question_set({"id": "WHO", "text": " Who? "}))
    assert parsed == {
        "id": "WHO",
        "text": "Who?",
        "intent": "",
        "priority": "should",
        "answer_type": "free_text",
        "required": False,
        "blocking": True,
        "choices": [],
        "default": None,
    }
    (must,) = parse_question_set(question_set({"id": "WHO", "text": "Who?", "priority": "must"}))
    assert must["required"] is True


def test_the_further_keys_of_the_shape_are_accepted() -> None:
    extra = {
        "correlation_id": "c-1",
        "question_set_kind": "discovery",
        "qa": {"checked": True},
        "step_id": "discovery",
        "artifact_scope": "project",
        "must_answer_before_proceeding_ids": ["TARGET_USERS"],
        "references": [],
    }
    assert parse_question_set(question_set(question(references=["x"]), **extra)) == (question(),)


def test_plain_texts_may_be_choices() -> None:
    (parsed,) = parse_question_set(question_set(question(answer_type="multi_choice", choices=["a", {"value": 2}])))
    assert parsed["choices"] == [{"value": "a", "label": "a"}, {"value": "2", "label": "2"}]


def test_choices_of_a_question_without_choice_are_dropped() -> None:
    (parsed,) = parse_question_set(question_set(question(choices=CHOICES)))
    assert parsed["choices"] == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"id": "ab"}, "/questions/0/id"),
        ({"id": "lower_case"}, "/questions/0/id"),
        ({"id": "X" * 65}, "/questions/0/id"),
        ({"id": 12345}, "/questions/0/id"),
        ({"id": "ÄÖÜ"}, "/questions/0/id"),
        ({"text": "Tell me."}, "/questions/0/text"),
        ({"text": ""}, "/questions/0/text"),
        ({"text": None}, "/questions/0/text"),
        ({"text": "x" * 5000 + "?"}, "/questions/0/text"),
        ({"intent": 5}, "/questions/0/intent"),
        ({"priority": "urgent"}, "/questions/0/priority"),
        ({"priority": ["must"]}, "/questions/0/priority"),
        ({"answer_type": "essay"}, "/questions/0/answer_type"),
        ({"answer_type": {}}, "/questions/0/answer_type"),
        ({"required": "yes"}, "/questions/0/required"),
        ({"blocking": 1}, "/questions/0/blocking"),
        ({"answer_type": "single_choice"}, "/questions/0/choices"),
        ({"answer_type": "single_choice", "choices": "ab"}, "/questions/0/choices"),
        ({"answer_type": "multi_choice", "choices": [{"label": "x"}]}, "/questions/0/choices/0/value"),
        ({"answer_type": "multi_choice", "choices": ["a", "a"]}, "/questions/0/choices/1/value"),
        ({"answer_type": "single_choice", "choices": CHOICES, "default": "other"}, "/questions/0/default"),
        ({"answer_type": "number", "default": "many"}, "/questions/0/default"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(changes: JSON, path: str) -> None:
    assert problem_paths(question_set(question(**changes))) == [path]


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (question_set(), ["/questions"]),
        (question_set(questions={}), ["/questions"]),
        (question_set(*(question(id=f"Q_{number:03}") for number in range(51))), ["/questions"]),
        (question_set("Who?"), ["/questions/0"]),
        (question_set(question(), question()), ["/questions/1/id"]),
        (question_set(question(), schema_version="clarification_question_set.v2"), ["/schema_version"]),
        (question_set(question(), mode="mixed"), ["/mode"]),
    ],
)
def test_a_set_that_breaks_the_contract_is_refused(value: JSON, paths: list[str]) -> None:
    assert problem_paths(value) == paths


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (question_set(question()), True),
        (question_set(schema_version="clarification_question_set.v9"), True),
        ({"mode": "questions_only", "questions": []}, True),
        ({"schema_version": "document.v1", "questions": []}, False),
        ({"mode": "questions_only"}, False),
        ({"schema_version": 5}, False),
        ([], False),
        ("questions_only", False),
    ],
)
def test_a_question_set_is_recognised_by_its_marks(value: Any, expected: bool) -> None:
    assert is_question_set(value) is expected


GOOD_ANSWERS: list[tuple[str, list[Any]]] = [
    ("free_text", ["text", "{{7*7}}", "?"]),
    ("single_choice", ["staff", "public"]),
    ("multi_choice", [["staff"], ["public", "staff"]]),
    ("yes_no", [True, False]),
    ("number", [0, -1, 2.5, 10**30]),
    ("date", ["2026-02-28", "2028-02-29"]),
    ("uuid", ["6f1f9f0e-6a51-4d8c-9c52-0a4d7a5e1b2c", "6F1F9F0E-6A51-4D8C-9C52-0A4D7A5E1B2C"]),
    ("json_object", [{}, {"a": [1, None]}]),
]
BAD_ANSWERS: list[tuple[str, list[Any]]] = [
    ("free_text", ["", "  ", 5, True, ["x"], {}, "a\x00b", "a\ud800", "x" * 100_001]),
    ("single_choice", ["other", "Staff", ["staff"], True, 0, {}]),
    ("multi_choice", ["staff", ["other"], ["staff", "staff"], [], [["staff"]], {"staff": True}]),
    ("yes_no", ["yes", "true", 1, 0, []]),
    ("number", ["5", True, float("nan"), float("inf"), 10**500, []]),
    ("date", ["2026-02-29", "2026-2-1", "20260201", "2026-02-01T00:00:00", 20260201, "２０２６-02-01"]),
    ("uuid", ["6f1f9f0e6a514d8c9c520a4d7a5e1b2c", "{6f1f9f0e-6a51-4d8c-9c52-0a4d7a5e1b2c}", "x", 5]),
    ("json_object", ["{}", [], 5, {"a": "\x00"}, {"a": float("nan")}]),
]


def pairs(table: list[tuple[str, list[Any]]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table for value in values]


def one_question(answer_type: str, *, required: bool = True) -> list[JSON]:
    choices = CHOICES if answer_type.endswith("choice") else []
    return [question(id="Q_1", answer_type=answer_type, required=required, choices=choices)]


def test_every_answer_type_is_tested() -> None:
    assert tuple(name for name, _ in GOOD_ANSWERS) == ANSWER_TYPES
    assert tuple(name for name, _ in BAD_ANSWERS) == ANSWER_TYPES


@pytest.mark.parametrize(("answer_type", "answer"), pairs(GOOD_ANSWERS))
def test_an_answer_of_its_type_is_taken(answer_type: str, answer: Any) -> None:
    assert check_answers(one_question(answer_type), {"Q_1": answer}) == []


@pytest.mark.parametrize(("answer_type", "answer"), pairs(BAD_ANSWERS))
def test_an_answer_of_another_type_is_refused_by_name(answer_type: str, answer: Any) -> None:
    (finding,) = check_answers(one_question(answer_type), {"Q_1": answer})
    assert (finding.code, finding.path) == ("INVALID_ANSWER", "/answers/Q_1")
    assert finding.detail


@pytest.mark.parametrize("answer_type", ANSWER_TYPES)
def test_null_skips_a_question_unless_it_is_required(answer_type: str) -> None:
    assert check_answers(one_question(answer_type, required=False), {"Q_1": None}) == []
    assert check_answers(one_question(answer_type, required=False), {}) == []
    for answers in ({"Q_1": None}, {}):
        (finding,) = check_answers(one_question(answer_type), answers)
        assert (finding.code, finding.path) == ("REQUIRED", "/answers/Q_1")


def test_an_optional_choice_may_be_none_of_them() -> None:
    assert check_answers(one_question("multi_choice", required=False), {"Q_1": []}) == []
    assert check_answers(one_question("free_text", required=False), {"Q_1": ""}) == []


def test_every_unknown_id_is_named() -> None:
    found = check_answers(one_question("yes_no"), {"Q_1": True, "Q_2": 1, "a/b~c": 2, "\ud800": 3})
    assert [(finding.code, finding.path) for finding in found] == [
        ("UNKNOWN_QUESTION", "/answers/Q_2"),
        ("UNKNOWN_QUESTION", "/answers/a~1b~0c"),
        ("UNKNOWN_QUESTION", "/answers/?"),
    ]


def test_cleaned_answers_are_in_order_and_in_stored_form() -> None:
    questions = [
        question(id="NUM", answer_type="number"),
        question(id="UUID", answer_type="uuid"),
        question(id="SKIPPED", required=False),
        question(id="OBJ", answer_type="json_object"),
    ]
    answers = {
        "OBJ": {"a": 2.0},
        "SKIPPED": None,
        "UUID": "6F1F9F0E-6A51-4D8C-9C52-0A4D7A5E1B2C",
        "NUM": 3.0,
    }
    cleaned = cleaned_answers(questions, answers)
    assert list(cleaned.items()) == [
        ("NUM", 3),
        ("UUID", "6f1f9f0e-6a51-4d8c-9c52-0a4d7a5e1b2c"),
        ("OBJ", {"a": 2}),
    ]
    assert isinstance(cleaned["NUM"], int)
