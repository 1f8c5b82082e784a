"""The fold of a history is the state; what follows an end is noticed. No database."""

from __future__ import annotations

from typing import Any

import pytest

from executions.engine.state import ExecutionStatus, StepStatus
from executions.folding import Frame, fold, order_problems


def history(*events: tuple[str, str, dict[str, Any]] | tuple[str, str] | str) -> list[Frame]:
    frames: list[Frame] = []
    for seq, event in enumerate(events, start=1):
        kind, path, data = (*((event,) if isinstance(event, str) else event), "", {})[:3]
        frames.append({"seq": seq, "event_type": kind, "path": path, "data": data or {}})
    return frames


DOCUMENT = {"document_id": "d1"}


def test_an_execution_without_a_started_step_is_pending() -> None:
    assert fold(history("execution_started")).status is ExecutionStatus.PENDING


def test_a_whole_run_adds_up_to_its_documents_and_completed_steps() -> None:
    folded = fold(
        history(
            "execution_started",
            ("step_started", "a"),
            ("document_created", "a", DOCUMENT),
            ("step_completed", "a", DOCUMENT),
            ("iteration_expanded", "per", {"total": 0, "items": []}),
            ("step_completed", "per", {"document_id": None}),
            "execution_completed",
        )
    )
    assert folded.status is ExecutionStatus.COMPLETED
    assert folded.completed_steps == ("a", "per")
    assert folded.document_ids == ("d1",)
    assert folded.documents_of_steps == {"a": "d1"}
    assert folded.steps == {"a": StepStatus.COMPLETED, "per": StepStatus.COMPLETED}


def test_a_document_that_came_with_the_brief_belongs_to_no_step() -> None:
    folded = fold(history("execution_started", ("document_created", "", DOCUMENT)))
    assert folded.document_ids == ("d1",)
    assert folded.documents_of_steps == {}
    assert folded.status is ExecutionStatus.PENDING


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("clarification_needed", ExecutionStatus.WAITING_CLARIFICATION),
        ("acceptance_needed", ExecutionStatus.WAITING_ACCEPTANCE),
        ("step_retrying", ExecutionStatus.RUNNING),
        ("step_failed", ExecutionStatus.RUNNING),
        ("step_completed", ExecutionStatus.RUNNING),
    ],
)
def test_where_a_step_stands_decides_the_status(last: str, status: ExecutionStatus) -> None:
    assert fold(history("execution_started", ("step_started", "a"), (last, "a"))).status is status


def test_questions_come_before_acceptance_and_work_before_both() -> None:
    waiting = history("execution_started", ("acceptance_needed", "a"), ("clarification_needed", "b"))
    assert fold(waiting).status is ExecutionStatus.WAITING_CLARIFICATION
    assert fold([*waiting, *history(("step_started", "c"))]).status is ExecutionStatus.RUNNING


def test_an_expanded_iteration_is_not_work() -> None:
    events = history("execution_started", ("iteration_expanded", "per"), ("acceptance_needed", "per[E1].a"))
    assert fold(events).status is ExecutionStatus.WAITING_ACCEPTANCE


def test_a_failure_leaves_what_was_being_tried_for_a_retry_and_waiting_steps_as_they_are() -> None:
    failed = history(
        "execution_started",
        ("iteration_expanded", "per"),
        ("step_started", "a"),
        ("acceptance_needed", "b"),
        ("step_started", "c"),
        ("step_failed", "c"),
        "execution_failed",
    )
    folded = fold(failed)
    assert folded.status is ExecutionStatus.FAILED
    assert folded.steps == {
        "per": StepStatus.RUNNING,
        "a": StepStatus.PENDING,
        "b": StepStatus.WAITING_ACCEPTANCE,
        "c": StepStatus.FAILED,
    }
    retried = fold([*failed, *history("execution_retried")])
    assert retried.steps["c"] is StepStatus.PENDING
    assert retried.status is ExecutionStatus.WAITING_ACCEPTANCE


def test_a_cancelled_execution_keeps_what_was_over() -> None:
    folded = fold(
        history(
            "execution_started",
            ("step_completed", "a"),
            ("step_failed", "b"),
            ("acceptance_needed", "c"),
            ("step_started", "d"),
            "execution_cancelled",
        )
    )
    assert folded.status is ExecutionStatus.CANCELLED
    assert folded.steps == {
        "a": StepStatus.COMPLETED,
        "b": StepStatus.FAILED,
        "c": StepStatus.CANCELLED,
        "d": StepStatus.CANCELLED,
    }


def test_a_proper_history_has_no_order_problems() -> None:
    events = history(
        "execution_started",
        ("step_started", "a"),
        ("step_failed", "a"),
        "execution_failed",
        "execution_retried",
        ("step_started", "a"),
        ("step_completed", "a"),
        "execution_completed",
    )
    assert order_problems(events) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (["step_started"], "event 1 is step_started; execution_started is the first event, and only that"),
        (
            ["execution_started", "execution_started"],
            "event 2 is execution_started; execution_started is the first event, and only that",
        ),
        (
            ["execution_started", "execution_completed", "step_started"],
            "event 3 (step_started) follows execution_completed",
        ),
        (
            ["execution_started", "execution_cancelled", "execution_retried"],
            "event 3 (execution_retried) follows execution_cancelled",
        ),
        (
            ["execution_started", "execution_failed", "step_started"],
            "event 3 (step_started) follows execution_failed without a retry",
        ),
        (["execution_started", "execution_retried"], "event 2: a retry of an execution that had not failed"),
        (
            ["execution_started", ("step_completed", "a"), ("document_created", "a")],
            "event 3 (document_created) follows the completion of a",
        ),
    ],
)
def test_what_stands_where_it_must_not_is_named(events: list[Any], problem: str) -> None:
    assert order_problems(history(*events)) == [problem]
