"""Clarification: the model asks, people answer, and the answers reach every later step."""

from __future__ import annotations

from typing import Any

import pytest

from executions.exceptions import AlreadyDecided, Invalid, InvalidState, NotPermitted
from executions.models import Attempt, Decision, Execution, Gate, GateKind, Step
from executions.tests.engine_cast import answer, decide, events, history, open_gate, start, status
from executions.tests.engine_definitions import chain, reviewed, single
from executions.tests.pretend_worker import Scripted, asking, document, drive, prompt, question

pytestmark = pytest.mark.usefixtures("promises_kept")


def asked(*questions: dict[str, Any]) -> Execution:
    """Return a run whose first of two steps has asked."""
    execution = start(chain(2))
    drive(execution, Scripted(s1=asking(*questions)))
    assert status(execution) == "waiting_clarification"
    return execution


def clarification(execution: Execution) -> Gate:
    return open_gate(execution, GateKind.CLARIFICATION)


def test_answers_reach_the_step_that_asked_and_every_later_one() -> None:
    execution = asked(question("WHO"), question("HOW_MANY", answer_type="number", required=False))
    gate = clarification(execution)
    assert [row["id"] for row in gate.questions] == ["WHO", "HOW_MANY"]
    answer("olga", gate, {"WHO": "Lighthouse keepers", "HOW_MANY": 12})
    assert status(execution) == "running"
    claims = drive(execution)
    assert [claim.path for claim in claims] == ["s1", "s2"]
    for claim in claims:
        assert "Lighthouse keepers" in prompt(claim)
        assert "Who will use it?" in prompt(claim)
    assert status(execution) == "completed"


def test_the_events_of_a_question() -> None:
    execution = asked()
    gate = clarification(execution)
    answer("olga", gate, {"WHO": "All"})
    drive(execution)
    assert history(execution)[:5] == [
        "execution_started",
        "step_started s1",
        "clarification_needed s1",
        "clarification_answered s1",
        "document_created s1",
    ]
    (needed,) = events(execution, "clarification_needed")
    assert needed == {"gate_id": str(gate.pk), "questions": gate.questions}
    assert set(needed["questions"][0]) == {
        *("id", "text", "intent", "priority", "answer_type", "required", "blocking", "choices", "default")
    }
    assert events(execution, "clarification_answered") == [{"gate_id": str(gate.pk), "by": "olga"}]


def test_asking_uses_no_attempt() -> None:
    execution = asked()
    answer("olga", clarification(execution), {"WHO": "All"})
    drive(execution, Scripted(s1=[document(bad=1), document(bad=2), document(title="x")]))
    step = Step.objects.get(execution=execution, path="s1")
    assert (step.status, step.attempt) == ("completed", 3)
    outcomes = Attempt.objects.filter(step=step).order_by("n").values_list("outcome", flat=True)
    assert list(outcomes) == ["asked", "OUTPUT_INVALID", "OUTPUT_INVALID", "document"]


@pytest.mark.parametrize(
    ("answers", "path", "code"),
    [
        ({}, "/answers/WHO", "REQUIRED"),
        ({"WHO": None}, "/answers/WHO", "REQUIRED"),
        ({"WHO": "x", "ELSE": 1}, "/answers/ELSE", "UNKNOWN_QUESTION"),
        ({"WHO": 5}, "/answers/WHO", "INVALID_ANSWER"),
        ({"WHO": " "}, "/answers/WHO", "INVALID_ANSWER"),
        ({"WHO": "\x00"}, "/answers/WHO", "INVALID_ANSWER"),
        ({"WHO": "\ud800"}, "/answers/WHO", "INVALID_ANSWER"),
        ([], "/answers", "WRONG_TYPE"),
        ("x", "/answers", "WRONG_TYPE"),
        (None, "/answers", "WRONG_TYPE"),
    ],
)
def test_a_wrong_answer_is_refused_by_name_and_nothing_moves(answers: Any, path: str, code: str) -> None:
    execution = asked()
    with pytest.raises(Invalid) as refused:
        answer("olga", clarification(execution), answers)
    assert [(error.path, error.code) for error in refused.value.errors] == [(path, code)]
    assert status(execution) == "waiting_clarification"
    assert not Decision.objects.exists()


CHOICES = [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]


@pytest.mark.parametrize(
    ("kind", "keys", "good", "bad"),
    [
        ("single_choice", {"choices": CHOICES}, "a", "c"),
        ("multi_choice", {"choices": CHOICES}, ["b", "a"], ["a", "a"]),
        ("yes_no", {}, False, "yes"),
        ("number", {}, 2.5, True),
        ("date", {}, "2026-02-28", "2026-02-30"),
        ("uuid", {}, "00000000-0000-0000-0000-00000000000A", "no"),
        ("json_object", {}, {"a": [1]}, [1]),
    ],
)
def test_answers_are_checked_by_their_type(kind: str, keys: dict[str, Any], good: Any, bad: Any) -> None:
    execution = asked(question("WHAT", answer_type=kind, **keys))
    gate = clarification(execution)
    with pytest.raises(Invalid):
        answer("olga", gate, {"WHAT": bad})
    answer("olga", gate, {"WHAT": good})
    gate.refresh_from_db()
    assert gate.status == "decided"
    assert status(execution) == "running"


def test_a_question_that_is_not_required_may_be_skipped() -> None:
    execution = asked(question("MUST"), question("MAY", required=False), question("OUT", required=False))
    gate = clarification(execution)
    answer("olga", gate, {"MUST": "yes", "MAY": None})
    gate.refresh_from_db()
    assert gate.answers == {"MUST": "yes"}


def test_who_may_answer() -> None:
    execution = start(reviewed("editor"))
    drive(execution, Scripted(note=[asking(), asking(), asking()]))
    with pytest.raises(NotPermitted):
        answer("vic", clarification(execution), {"WHO": "x"})
    for name in ("olga", "ed", "root"):
        answer(name, clarification(execution), {"WHO": name})
        drive(execution, Scripted(note=asking()) if name != "root" else None)
    assert status(execution) == "waiting_acceptance"


def test_the_second_answer_is_refused_and_names_the_first() -> None:
    execution = asked()
    gate = clarification(execution)
    answer("olga", gate, {"WHO": "x"})
    with pytest.raises(AlreadyDecided, match="olga"):
        answer("root", gate, {"WHO": "y"})
    assert Decision.objects.count() == 1


def test_a_gate_of_the_other_kind_takes_no_answer_and_no_decision() -> None:
    execution = asked()
    with pytest.raises(InvalidState):
        decide("olga", clarification(execution), "accept")
    other = start(reviewed("editor"))
    drive(other)
    with pytest.raises(InvalidState):
        answer("ed", open_gate(other), {"WHO": "x"})


def test_question_rounds_are_bounded() -> None:
    execution = start(single())
    for _ in range(3):
        drive(execution, Scripted(note=asking()))
        answer("olga", clarification(execution), {"WHO": "x"})
    claims = drive(execution, Scripted(note=[asking(), document(title="At last")]))
    assert "may not ask" in prompt(claims[0])
    assert status(execution) == "completed"
    (retrying,) = events(execution, "step_retrying")
    assert retrying["findings"][0]["code"] == "QUESTIONS_NOT_ALLOWED"


def test_questions_from_a_step_that_may_not_ask_are_an_invalid_output() -> None:
    execution = start(single(allow_clarification=False))
    claims = drive(execution, Scripted(note=[asking(), asking(), asking()]))
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "OUTPUT_INVALID")
    assert len(claims) == 3
    assert "may not ask" in prompt(claims[1])
    assert not Gate.objects.exists()


@pytest.mark.parametrize(
    "bad",
    [
        question("no"),
        question("WHO", text="Tell me."),
        question("WHO", answer_type="essay"),
        question("WHO", answer_type="single_choice"),
        question("WHO", priority="maybe"),
    ],
)
def test_an_invalid_question_set_uses_an_attempt_and_is_told_to_the_model(bad: dict[str, Any]) -> None:
    execution = start(single())
    claims = drive(execution, Scripted(note=[asking(bad), document(title="x")]))
    assert len(claims) == 2
    assert "QUESTION_SET" in prompt(claims[1])
    assert status(execution) == "completed"


def test_the_question_waits_although_another_branch_needs_acceptance() -> None:
    execution = start(reviewed("editor"))
    drive(execution, Scripted(note=asking()))
    assert status(execution) == "waiting_clarification"
