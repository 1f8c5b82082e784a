"""Answers of every type, as they are typed; what is assumed where nobody answers."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from executions.llm.clarification import check_answers
from executions.terminal.answers import ASSUMED_TEXT, AnswerBook, WrongAnswer, assume, read_answer, shown
from executions.terminal.exits import ExitCode, Stop

CHOICES = [{"value": "staff", "label": "Our staff"}, {"value": "public", "label": "Everybody"}]


def question(answer_type: str, **keys: Any) -> dict[str, Any]:
    base = {"id": "Q-1", "text": "What?", "intent": "", "priority": "must", "required": True, "blocking": True}
    choices = CHOICES if answer_type.endswith("choice") else []
    return {**base, "answer_type": answer_type, "choices": choices, "default": None, **keys}


@pytest.mark.parametrize(
    ("answer_type", "text", "answer"),
    [
        ("free_text", " As it is, = and all. ", "As it is, = and all."),
        ("single_choice", "staff", "staff"),
        ("single_choice", "STAFF", "staff"),
        ("single_choice", "everybody", "public"),
        ("multi_choice", "public, staff", ["public", "staff"]),
        ("multi_choice", '["staff"]', ["staff"]),
        ("yes_no", "Yes", True),
        ("yes_no", "n", False),
        ("yes_no", "true", True),
        ("number", "40", 40),
        ("number", "-2.5", -2.5),
        ("number", "1e3", 1000.0),
        ("date", "2026-02-28", "2026-02-28"),
        ("uuid", "0190B5C6-0000-7000-8000-000000000000", "0190B5C6-0000-7000-8000-000000000000"),
        ("json_object", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_text_is_read_by_the_type_of_its_question(answer_type: str, text: str, answer: Any) -> None:
    assert read_answer(question(answer_type), text) == answer


@pytest.mark.parametrize(
    ("answer_type", "text", "message"),
    [
        ("single_choice", "nobody", "must be one of: staff, public"),
        ("multi_choice", "staff,nobody", "must be one of: staff, public"),
        ("multi_choice", "staff,staff", "must not name a value twice"),
        ("yes_no", "perhaps", "must be yes or no"),
        ("number", "nan", "must be a number"),
        ("number", "1e999", "must be a finite number"),
        ("number", "forty", "must be a number"),
        ("date", "2026-02-30", "must be a date that exists"),
        ("date", "tomorrow", "must be a date of the form YYYY-MM-DD"),
        ("uuid", "1", "must be a UUID"),
        ("json_object", "[1]", "must be a JSON object"),
        ("json_object", "null", "must be a JSON object"),
        ("free_text", " ", "an answer is required"),
        ("number", "", "an answer is required"),
    ],
)
def test_what_is_no_answer_is_refused(answer_type: str, text: str, message: str) -> None:
    with pytest.raises(WrongAnswer) as error:
        read_answer(question(answer_type), text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "answer_type",
    ["free_text", "single_choice", "multi_choice", "yes_no", "number", "date", "uuid", "json_object"],
)
def test_nothing_leaves_an_optional_question_open(answer_type: str) -> None:
    assert read_answer(question(answer_type, required=False), "") is None


def test_a_choice_whose_value_is_another_ones_label_is_found_by_its_value() -> None:
    choices = [{"value": "a", "label": "b"}, {"value": "b", "label": "a"}]
    assert read_answer(question("single_choice", choices=choices), "b") == "b"


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        ("free_text", ASSUMED_TEXT),
        ("single_choice", "staff"),
        ("multi_choice", ["staff"]),
        ("yes_no", True),
        ("number", 1),
        ("json_object", {}),
    ],
)
def test_a_required_answer_is_assumed_by_type(answer_type: str, answer: Any) -> None:
    assumed = assume(question(answer_type))
    assert assumed is not None
    assert assumed[0] == answer
    assert check_answers([question(answer_type)], {"Q-1": answer}) == []


def test_a_date_and_a_uuid_are_assumed_as_valid_ones() -> None:
    assumed_date, assumed_uuid = assume(question("date")), assume(question("uuid"))
    assert assumed_date is not None
    assert assumed_uuid is not None
    assert date.fromisoformat(assumed_date[0]) > date(2026, 1, 1)
    assert str(UUID(assumed_uuid[0])) == assumed_uuid[0]


def test_a_default_is_assumed_before_anything_else() -> None:
    assert assume(question("single_choice", default="public")) == ("public", "its default")
    assert assume(question("yes_no", default=False)) == (False, "its default")


def test_an_optional_question_without_a_default_stays_open() -> None:
    assert assume(question("free_text", required=False)) is None


def test_answers_of_the_command_line_find_their_questions() -> None:
    book = AnswerBook.of(["WHO=staff", "WHEN=a=b", "OTHER=1"])
    questions = [question("single_choice", id="WHO"), question("free_text", id="WHEN"), question("number", id="HOW")]
    assert book.read(questions) == ({"WHO": "staff", "WHEN": "a=b"}, {})
    assert book.unused() == ["OTHER"]


def test_an_answer_of_the_wrong_type_is_told_by_question() -> None:
    answers, wrong = AnswerBook.of(["Q-1=many"]).read([question("number")])
    assert answers == {}
    assert wrong == {"Q-1": "must be a number"}


@pytest.mark.parametrize("option", ["WHO", "=staff", "WHO=\x00", "WHO=\ud800"])
def test_an_option_that_is_no_answer_is_wrong_usage(option: str) -> None:
    with pytest.raises(Stop) as stop:
        AnswerBook.of([option])
    assert stop.value.code is ExitCode.USAGE


def test_two_answers_to_one_question_are_wrong_usage() -> None:
    with pytest.raises(Stop, match="WHO is answered twice"):
        AnswerBook.of(["WHO=a", "WHO=b"])


def test_answers_are_shown_as_people_write_them() -> None:
    assert [shown(answer) for answer in (True, ["a", "b"], 2.5, {"a": 1}, "x")] == [
        "yes",
        "a, b",
        "2.5",
        '{"a": 1}',
        "x",
    ]
