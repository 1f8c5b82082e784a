"""Cancelling: final, at any moment, and nothing follows it but what a call has cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from documents.models import Document
from executions.exceptions import ExecutionNotFound, Invalid, InvalidState, NotPermitted
from executions.models import Attempt, Execution, Gate, LLMCall, Step
from executions.services import work
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import decide, events, history, open_gate, person, start, status
from executions.tests.engine_definitions import fork, reviewed, single
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    Scripted,
    asking,
    document,
    drive,
    sent_progress,
    sweep,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


def cancel(execution: Execution, reason: str = "", by: str = "olga") -> Execution:
    return cancel_execution(actor=person(by), execution_id=execution.pk, reason=reason)


def pending() -> Execution:
    return start(single())


def running() -> Execution:
    execution = start(single())
    PretendWorker().claim(execution)
    return execution


def waiting_for_an_answer() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=asking()))
    return execution


def waiting_for_acceptance() -> Execution:
    execution = start(reviewed())
    drive(execution)
    return execution


def completed() -> Execution:
    execution = start(single())
    drive(execution)
    return execution


def failed() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=Answer(text="", stop_reason="refusal")))
    return execution


@pytest.mark.parametrize(
    ("make", "before"),
    [
        (pending, "pending"),
        (running, "running"),
        (waiting_for_an_answer, "waiting_clarification"),
        (waiting_for_acceptance, "waiting_acceptance"),
    ],
)
def test_a_run_that_is_not_over_is_cancelled_for_good(make: Callable[[], Execution], before: str) -> None:
    execution = make()
    assert status(execution) == before
    assert cancel(execution, "Not needed any more.").status == "cancelled"
    execution.refresh_from_db()
    assert execution.completed_at is not None
    assert events(execution, "execution_cancelled") == [{"by": "olga", "reason": "Not needed any more."}]
    assert history(execution)[-1] == "execution_cancelled"
    assert not Step.objects.filter(execution=execution).exclude(status__in=("cancelled", "completed")).exists()
    assert not Attempt.objects.filter(execution=execution, status="running").exists()
    assert not Gate.objects.filter(execution=execution, status="open").exists()
    assert drive(execution) == []
    with pytest.raises(InvalidState):
        retry_execution(actor=person("olga"), execution_id=execution.pk)


@pytest.mark.parametrize("make", [completed, failed])
def test_a_run_that_is_over_is_not_cancelled(make: Callable[[], Execution]) -> None:
    execution = make()
    before = status(execution)
    with pytest.raises(InvalidState, match=before):
        cancel(execution)
    assert status(execution) == before


def test_to_cancel_twice_changes_nothing() -> None:
    execution = running()
    cancel(execution, "First.")
    count = len(history(execution))
    assert cancel(execution, "Second.").status == "cancelled"
    assert len(history(execution)) == count


def test_a_result_that_comes_after_the_cancel_is_dropped_and_its_cost_is_kept() -> None:
    execution, worker = start(single()), PretendWorker()
    (claim,) = worker.claim(execution)
    cancel(execution)
    events_before = history(execution)
    assert worker.finish(claim, document(title="Too late")) is None
    execution.refresh_from_db()
    assert execution.status == "cancelled"
    assert execution.cost_usd == LLMCall.objects.get().cost_usd
    assert execution.cost_usd > 0
    assert history(execution) == events_before
    assert not Document.objects.exists()
    assert Attempt.objects.get().status == "superseded"


def test_a_call_that_is_broken_off_is_booked_as_an_estimate() -> None:
    execution, worker = start(single()), PretendWorker()
    (claim,) = worker.claim(execution)
    cancel(execution)
    assert work.current_tokens([claim.token]) == set()
    work.book_cancelled(claim, sent_progress(usage={"input_tokens": 500}, text_chars=350))
    call = LLMCall.objects.get()
    assert (call.status, call.is_estimated, call.output_tokens) == ("cancelled", True, 100)
    execution.refresh_from_db()
    assert execution.cost_usd == call.cost_usd
    assert execution.reserved_usd == 0


def test_the_call_of_a_worker_that_died_after_the_cancel_is_booked_as_lost() -> None:
    execution, worker = start(single()), PretendWorker()
    worker.claim(execution)
    cancel(execution)
    assert sweep() == 0, "its worker lives, and will book it"
    worker.die()
    sweep()
    assert LLMCall.objects.get().status == "lost"
    assert status(execution) == "cancelled"


def test_all_branches_are_broken_off() -> None:
    execution, worker = start(fork()), PretendWorker()
    (first,) = worker.claim(execution)
    sides = worker.finish(first, Scripted()(first)) or []
    cancel(execution)
    assert work.current_tokens([claim.token for claim in sides]) == set()
    statuses = dict(Step.objects.filter(execution=execution).values_list("path", "status"))
    assert statuses == {"start": "completed", "left": "cancelled", "right": "cancelled", "end": "cancelled"}
    for claim in sides:
        assert worker.finish(claim, Scripted()(claim)) is None


def test_a_run_is_cancelled_while_a_failed_branch_drains() -> None:
    execution, worker = start(fork()), PretendWorker()
    (first,) = worker.claim(execution)
    left, right = worker.finish(first, Scripted()(first)) or []
    worker.finish(left, Answer(text="", stop_reason="refusal"))
    cancel(execution)
    assert worker.finish(right, Scripted()(right)) is None
    assert status(execution) == "cancelled"


@pytest.mark.parametrize("name", ["vic", "ed"])
def test_only_operators_cancel(name: str) -> None:
    execution = pending()
    with pytest.raises(NotPermitted):
        cancel(execution, by=name)
    with pytest.raises(ExecutionNotFound):
        cancel(execution, by="nobody")
    assert status(execution) == "pending"


@pytest.mark.parametrize("reason", ["a\x00", "\ud800", "x" * 2001])
def test_a_reason_that_cannot_be_kept_is_refused(reason: str) -> None:
    execution = pending()
    with pytest.raises(Invalid):
        cancel(execution, reason)
    assert status(execution) == "pending"


@pytest.mark.parametrize("make", [completed, lambda: cancel(pending())])
def test_the_database_itself_keeps_what_is_final(make: Callable[[], Execution]) -> None:
    execution = make()
    with pytest.raises(DatabaseError, match="stays so"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE executions_execution SET status = 'running' WHERE id = %s", [execution.pk])


def test_history_cannot_be_changed() -> None:
    execution = waiting_for_acceptance()
    decide("ed", open_gate(execution), "accept")
    for statement in (
        "UPDATE executions_event SET data = '{}'",
        "DELETE FROM executions_event",
        "UPDATE executions_decision SET decision = 'reject'",
        "DELETE FROM executions_llmcall",
        "UPDATE documents_document SET content = '{}'",
        "DELETE FROM documents_document",
        "UPDATE workflows_workflowrevision SET name = 'x'",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
