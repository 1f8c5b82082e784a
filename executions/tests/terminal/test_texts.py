"""What a terminal shows: figures, lines for events, outlines of documents. Nothing in it can steer the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from executions.models import EventType
from executions.terminal.following import Happening
from executions.terminal.lines import describe, step_label
from executions.terminal.outline import outline, wrapped
from executions.terminal.wording import clean, counted, duration, exact, listed, money, short


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b[31mb\x07\r\n\tc\u202ed\u200be") == "a[31mb cde"
    assert clean("می\u200cخواهم") == "می\u200cخواهم"


def test_short_texts_stay_and_long_ones_end_in_an_ellipsis() -> None:
    assert short("abc", 3) == "abc"
    assert short("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.0000"), ("0.00001", "under $0.0001"), ("1.23456", "$1.2346"), ("1234.5", "$1,234.50")],
)
def test_money_for_people(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0E-10", "0"), ("0.6140000000", "0.614"), ("12.0000000000", "12"), ("0.0000000001", "0.0000000001")],
)
def test_money_for_programs(amount: str, text: str) -> None:
    assert exact(Decimal(amount)) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (7.9, "0:07"), (75, "1:15"), (3723, "1:02:03")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_lists() -> None:
    assert (counted(1, "step"), counted(2, "step"), counted(2, "person", "people")) == ("1 step", "2 steps", "2 people")
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_path_is_shown_as_step_and_items() -> None:
    assert step_label("discovery") == ("discovery", "")
    assert step_label("per_epic[E1].per_story[S2].plan") == ("plan", "E1/S2")
    assert step_label("") == ("", "")


DATA: dict[str, dict[str, Any]] = {
    "execution_started": {"workflow_id": "w", "revision": "1", "project_id": "p"},
    "step_started": {"attempt": 1, "role": "r", "model": "m"},
    "step_retrying": {"attempt": 2, "reason": "output_invalid", "findings": [{"detail": "no title"}]},
    "step_completed": {"document_id": None},
    "step_failed": {"code": "OUTPUT_INVALID", "detail": "no\ntitle"},
    "clarification_needed": {"gate_id": "g", "questions": [{}, {}]},
    "clarification_answered": {"gate_id": "g", "by": "bob"},
    "acceptance_needed": {"gate_id": "g", "document_id": "d", "doc_type": "note", "roles": ["pm"], "due_at": None},
    "acceptance_decided": {"gate_id": "g", "document_id": "d", "decision": "reject", "by": "bob", "comment": "No."},
    "document_created": {"document_id": "d", "doc_type": "note", "version": 2, "content_sha256": "0"},
    "iteration_expanded": {"total": 2, "items": ["E1", "E2"]},
    "execution_retried": {"by": "bob", "reason": ""},
    "budget_warning": {
        "scope": "project",
        "project_id": "p",
        "workflow_id": None,
        "period": "month",
        "percent": 80,
        "spent_usd": "8.1",
        "budget_usd": "10",
    },
    "execution_completed": {},
    "execution_failed": {"code": "OUTPUT_INVALID", "detail": "no title"},
    "execution_cancelled": {"by": "bob", "reason": "Enough."},
}
TEXTS = {
    "execution_started": "started: w 1",
    "step_started": "started (attempt 1, m)",
    "step_retrying": "is corrected, attempt 2: no title",
    "step_completed": "all items done",
    "step_failed": "failed (OUTPUT_INVALID): no title",
    "clarification_needed": "asks 2 questions",
    "clarification_answered": "answered by bob",
    "acceptance_needed": "waits for acceptance by pm",
    "acceptance_decided": "rejected by bob: No.",
    "document_created": "note v2  A title",
    "iteration_expanded": "2 items: E1, E2",
    "execution_retried": "retried by bob",
    "budget_warning": "80% of the project's budget is used ($8.1000 of $10.0000 spent)",
    "execution_completed": "completed",
    "execution_failed": "failed (OUTPUT_INVALID)",
    "execution_cancelled": "cancelled by bob: Enough.",
}


def happening(event_type: str, data: dict[str, Any]) -> Happening:
    return Happening(
        execution_id=UUID(int=1),
        seq=3,
        event_type=event_type,
        step_id="plan",
        path="per_epic[E1].plan",
        timestamp=datetime(2026, 11, 22, 10, 0, 0, 5, tzinfo=UTC),
        data=data,
        title="A title",
    )


@pytest.mark.parametrize("event_type", EventType.values)
def test_every_event_has_its_line(event_type: str) -> None:
    line = describe(happening(event_type, DATA[event_type]))
    assert line is not None
    assert line.text == TEXTS[event_type]
    assert (line.step, line.items) == ("plan", "E1")


def test_the_completion_of_a_production_is_said_by_its_document() -> None:
    assert describe(happening("step_completed", {"document_id": "d"})) is None


@pytest.mark.parametrize(
    ("reason", "words"), [("provider_error", "tried again"), ("worker_lost", "taken over"), ("rework", "comments")]
)
def test_every_reason_to_retry_has_its_words(reason: str, words: str) -> None:
    line = describe(happening("step_retrying", {"attempt": 2, "reason": reason, "findings": []}))
    assert line is not None
    assert words in line.text


def test_an_event_becomes_the_frame_of_the_streams() -> None:
    assert happening("execution_completed", {}).to_json() == {
        "event_type": "execution_completed",
        "execution_id": "00000000-0000-0000-0000-000000000001",
        "seq": 3,
        "step_id": "plan",
        "path": "per_epic[E1].plan",
        "timestamp": "2026-11-22T10:00:00.000005Z",
        "data": {},
    }


def test_an_outline_shows_keys_lists_and_nested_objects() -> None:
    content = {
        "title": "Lantern",
        "is_done": False,
        "count": 2,
        "nothing": None,
        "risks": [],
        "goals": ["Short", "Safe"],
        "epics": [{"id": "E1", "stories": [{"id": "S1"}]}, {}],
    }
    assert outline(content, 40) == [
        "Title: Lantern",
        "Is done: no",
        "Count: 2",
        "Nothing: —",
        "Risks: none",
        "Goals:",
        "  • Short",
        "  • Safe",
        "Epics:",
        "  • Id: E1",
        "    Stories:",
        "      • Id: S1",
        "  • (empty)",
    ]


def test_long_and_hostile_texts_are_wrapped_and_cleaned() -> None:
    text = "one two three four five six\nseven \x1b[2J"
    assert wrapped(text, 22, "  ", "- ") == ["- one two three four", "  five six", "  seven [2J"]


def test_a_document_that_is_nested_without_end_is_shown_as_json_below() -> None:
    value: Any = "end"
    for _ in range(12):
        value = {"a": value}
    assert outline(value, 200)[-1].strip() == '{"a": {"a": {"a": "end"}}}'
