"""Workers that die, stop or come too late: their steps go on elsewhere, and no finished call is repeated."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from documents.models import Document
from executions import ledger
from executions.models import Attempt, Event, Execution, LLMCall, Step
from executions.services import work
from executions.services.executions import retry_execution
from executions.tests.engine_cast import events, person, start, status
from executions.tests.engine_definitions import chain, epics, fork, single
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    Scripted,
    asking,
    backlog,
    document,
    drive,
    prompt,
    sent_progress,
    sweep,
    valid,
)
from executions.wakeups import QUEUE
from workflows.models import WorkflowRevision

pytestmark = pytest.mark.usefixtures("promises_kept")


NEVER_USED = document(title="Never used")


def jobs(execution: Execution) -> list[str]:
    """Return the status of each job of an execution."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status FROM procrastinate_jobs WHERE args->>'execution_id' = %s ORDER BY id", [str(execution.pk)]
        )
        return [row[0] for row in cursor.fetchall()]


def forget_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def fetch_job(worker: PretendWorker) -> None:
    """Have a worker take the next job, as the queue does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_fetch_job_v2(ARRAY[%s]::varchar[], %s)", [QUEUE, worker.id])
        assert cursor.fetchone()[0] is not None


def age(execution: Execution, seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE executions_execution SET updated_at = clock_timestamp() - make_interval(secs => %s) WHERE id = %s",
            [seconds, execution.pk],
        )


# Death


def test_a_step_whose_worker_died_is_taken_over_and_its_call_booked_as_lost() -> None:
    execution, dead = start(single()), PretendWorker()
    (claim,) = dead.claim(execution)
    forget_jobs()
    assert sweep() == 0
    dead.die()
    assert sweep() >= 1
    assert jobs(execution) == ["todo"]
    call = LLMCall.objects.get(pk=claim.call_id)
    assert (call.status, call.is_estimated, call.error_class) == ("lost", True, "WorkerLost")
    assert Attempt.objects.get().status == "superseded"
    assert events(execution, "step_retrying") == [{"attempt": 1, "reason": "worker_lost", "findings": []}]
    drive(execution)
    assert status(execution) == "completed"
    assert Step.objects.get(execution=execution).attempt == 1, "a crash is no content attempt"
    assert Document.objects.count() == 1


def test_an_answer_that_was_booked_is_read_by_the_next_worker_and_not_paid_for_again() -> None:
    execution, dead = start(single()), PretendWorker()
    (claim,) = dead.claim(execution)
    dead.book(claim, document(title="Paid for"))
    dead.die()
    sweep()
    (again,) = PretendWorker().claim(execution)
    assert again.stored_answer is not None
    assert again.call_id == claim.call_id
    PretendWorker().finish(again, NEVER_USED)
    assert Document.objects.get().title == "Paid for"
    assert LLMCall.objects.count() == 1
    assert status(execution) == "completed"


def test_a_booked_answer_that_is_invalid_is_corrected_with_its_own_text() -> None:
    execution, dead = start(single()), PretendWorker()
    (claim,) = dead.claim(execution)
    dead.book(claim, document(bad="booked"))
    dead.die()
    sweep()
    claims = drive(execution)
    assert len(claims) == 2
    assert "booked" in prompt(claims[1])
    assert LLMCall.objects.count() == 2
    assert status(execution) == "completed"


def test_a_booked_question_set_is_asked() -> None:
    execution, dead = start(single()), PretendWorker()
    (claim,) = dead.claim(execution)
    dead.book(claim, asking())
    dead.die()
    sweep()
    drive(execution)
    assert status(execution) == "waiting_clarification"
    assert LLMCall.objects.count() == 1


def test_a_booked_answer_survives_a_second_death() -> None:
    execution, first, second = start(single()), PretendWorker(), PretendWorker()
    (claim,) = first.claim(execution)
    first.book(claim, document(title="Paid for"))
    first.die()
    sweep()
    second.claim(execution)
    second.die()
    sweep()
    (claim,) = PretendWorker().claim(execution)
    assert claim.stored_answer is not None
    PretendWorker().finish(claim, NEVER_USED)
    assert (LLMCall.objects.count(), Document.objects.get().title) == (1, "Paid for")


def test_a_booked_answer_survives_the_failure_of_another_branch_and_the_retry() -> None:
    execution, dead, worker = start(fork()), PretendWorker(), PretendWorker()
    (first,) = worker.claim(execution)
    (left,) = worker.finish(first, valid(first), limit=1) or []
    (right,) = dead.claim(execution)
    dead.book(right, document(title="Paid for"))
    worker.finish(left, Answer(text="", stop_reason="refusal"))
    dead.die()
    sweep()
    assert status(execution) == "failed"
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    drive(execution)
    assert status(execution) == "completed"
    assert LLMCall.objects.filter(step__path="right").count() == 1
    assert Document.objects.get(document_type="right").title == "Paid for"


def test_a_step_that_lost_three_workers_is_blamed_the_last_time_alone() -> None:
    execution = start(single())
    alone = []
    for _ in range(3):
        worker = PretendWorker()
        (claim,) = worker.claim(execution)
        alone.append(claim.runs_alone)
        worker.begin(claim)
        worker.die()
        sweep()
    assert alone == [False, False, True]
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "STEP_CRASHED")
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    drive(execution)
    assert status(execution) == "completed"


def test_a_suspect_that_waits_for_its_turn_is_not_blamed_for_the_death_of_its_worker() -> None:
    execution = start(single())
    for _ in range(5):
        worker = PretendWorker()
        worker.claim(execution)
        worker.die()
        sweep()
    assert Step.objects.get().crashes == 2
    assert status(execution) == "running"
    drive(execution)
    assert status(execution) == "completed"


def test_all_steps_of_a_dead_worker_are_freed_and_no_others() -> None:
    execution, dead, living = start(epics()), PretendWorker(), PretendWorker()
    (first,) = living.claim(execution)
    living.finish(first, backlog("E1", "E2", "E3"), limit=2)
    held = dead.claim(execution)
    assert len(held) == 2
    dead.die()
    sweep()
    running = Attempt.objects.filter(execution=execution, status="running")
    assert {attempt.worker_id for attempt in running} == {living.id}
    assert status(execution) == "running"


def test_a_run_that_cannot_be_swept_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound, dead = start(single(), project="broken"), start(single(), project="sound"), PretendWorker()
    dead.claim(broken)
    dead.claim(sound)
    dead.die()
    nonsense = WorkflowRevision.objects.create(
        workflow_id="nonsense",
        digest="0" * 64,
        revision="",
        name="",
        format="flat",
        step_count=0,
        definition={},
        loaded_at=timezone.now(),
    )
    Execution.objects.filter(pk=broken.pk).update(revision=nonsense)
    sweep()
    assert "could not be swept" in caplog.text
    assert Attempt.objects.get(execution=sound).status == "superseded"
    assert Attempt.objects.get(execution=broken).status == "running"
    Execution.objects.filter(pk=broken.pk).update(revision=broken.revision)
    sweep()
    drive(broken)
    drive(sound)


def test_the_worker_of_an_attempt_that_is_struck_off_the_queue_counts_as_dead() -> None:
    execution, worker = start(single()), PretendWorker()
    worker.claim(execution)
    with connection.cursor() as cursor:
        cursor.execute("SELECT procrastinate_unregister_worker_v1(%s)", [worker.id])
    sweep()
    assert Attempt.objects.get().status == "superseded"
    drive(execution)


# Zombies


def test_a_result_of_a_superseded_attempt_is_dropped_and_its_cost_kept() -> None:
    execution, slow = start(single()), PretendWorker()
    (claim,) = slow.claim(execution)
    slow.die()
    sweep()
    estimated = LLMCall.objects.get(pk=claim.call_id).cost_usd
    drive(execution, Scripted(note=document(title="Of the second")))
    before = list(Event.objects.values_list("seq", flat=True))
    assert slow.finish(claim, document(title="Of the first")) is None
    assert Document.objects.get().title == "Of the second"
    assert list(Event.objects.values_list("seq", flat=True)) == before
    call = LLMCall.objects.get(pk=claim.call_id)
    assert (call.status, call.is_estimated) == ("succeeded", False)
    assert call.cost_usd != estimated
    execution.refresh_from_db()
    assert execution.cost_usd == sum(row.cost_usd or 0 for row in LLMCall.objects.all())


def test_a_zombies_claim_brings_nothing_while_the_step_is_held_by_another() -> None:
    execution, slow, quick = start(single()), PretendWorker(), PretendWorker()
    (old,) = slow.claim(execution)
    slow.die()
    sweep()
    (new,) = quick.claim(execution)
    assert new.token != old.token
    assert work.current_tokens([old.token, new.token]) == {new.token}
    assert slow.finish(old, document(title="Old")) is None
    quick.finish(new, document(title="New"))
    assert Document.objects.get().title == "New"


def test_a_result_is_recorded_once_however_often_it_is_brought() -> None:
    execution, worker = start(chain(2)), PretendWorker()
    (claim,) = worker.claim(execution)
    reply = document(title="Once")
    worker.book(claim, reply)
    outcome = worker.read(claim, reply)
    following = worker.record(claim, outcome)
    assert following is not None
    assert worker.record(claim, outcome) is None
    worker.book(claim, reply)
    assert Document.objects.count() == 1
    worker.finish(following[0], valid(following[0]))
    assert status(execution) == "completed"


def test_a_call_is_booked_once() -> None:
    execution, worker = start(single()), PretendWorker()
    (claim,) = worker.claim(execution)
    worker.book(claim, document(title="x"))
    cost = LLMCall.objects.get().cost_usd
    work.book_cancelled(claim, sent_progress(text_chars=50_000))
    ledger.book_lost(
        execution_id=execution.pk, call_id=claim.call_id, model=claim.request.model, request_chars=claim.request_chars
    )
    worker.book(claim, Answer(text="{}", usage={"input_tokens": 1_000_000}))
    call = LLMCall.objects.get()
    assert (call.status, call.cost_usd) == ("succeeded", cost)
    worker.record(claim, worker.read(claim, document(title="x")))


# Stopping in order


def test_a_released_step_goes_to_another_worker_and_counts_against_nothing() -> None:
    execution, worker = start(single()), PretendWorker()
    for _ in range(4):
        (claim,) = worker.claim(execution)
        work.book_cancelled(claim, sent_progress())
        forget_jobs()
        work.release(claim)
        assert jobs(execution) == ["todo"]
    step = Step.objects.get(execution=execution)
    assert (step.crashes, step.attempt, step.failures) == (0, 1, 0)
    drive(execution)
    assert status(execution) == "completed"


def test_a_release_of_a_step_that_is_another_workers_by_now_changes_nothing() -> None:
    execution, slow, quick = start(single()), PretendWorker(), PretendWorker()
    (old,) = slow.claim(execution)
    slow.die()
    sweep()
    (new,) = quick.claim(execution)
    work.release(old)
    assert Step.objects.get().token == new.token
    quick.finish(new, valid(new))


def test_an_answer_that_was_booked_is_kept_when_its_step_is_released() -> None:
    execution, worker = start(single()), PretendWorker()
    (claim,) = worker.claim(execution)
    worker.book(claim, document(title="Paid for"))
    work.release(claim)
    (again,) = PretendWorker().claim(execution)
    assert again.stored_answer is not None
    PretendWorker().finish(again, NEVER_USED)
    assert (LLMCall.objects.count(), Document.objects.get().title) == (1, "Paid for")


def test_a_worker_that_stops_records_its_result_and_leaves_the_rest_to_others() -> None:
    execution, worker = start(chain(2)), PretendWorker()
    (claim,) = worker.claim(execution)
    forget_jobs()
    assert worker.finish(claim, valid(claim), limit=0) == []
    assert jobs(execution) == ["todo"]
    drive(execution)
    assert status(execution) == "completed"
