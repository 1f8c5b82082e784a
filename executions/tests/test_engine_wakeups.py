"""Wake-ups that are lost, doubled or late, and claims that nobody knows of: nothing is left asleep."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction

from executions import wakeups
from executions.exceptions import ExecutionNotFound
from executions.llm import errors as llm
from executions.models import Attempt, Execution, LLMCall, Step
from executions.services import advancing, work
from executions.tests.engine_cast import start, status
from executions.tests.engine_definitions import fork, single
from executions.tests.pretend_worker import (
    PretendWorker,
    Scripted,
    document,
    drive,
    sweep,
    valid,
)
from executions.wakeups import ADVANCE_TASK, QUEUE

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


def test_a_run_whose_wake_up_was_lost_is_woken_again() -> None:
    execution = start(single())
    forget_jobs()
    assert sweep() == 0, "it may just have been started"
    age(execution, 7)
    assert sweep() == 1
    assert jobs(execution) == ["todo"]
    assert sweep() == 0
    drive(execution)


def test_a_run_that_waits_for_its_next_try_is_not_woken_before() -> None:
    execution = start(single())
    drive(execution, Scripted(note=llm.RateLimited("slow", retry_after=100)))
    forget_jobs()
    age(execution, 60)
    assert sweep() == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE executions_step SET due_at = clock_timestamp() - interval '1 s'")
    assert sweep() == 1
    drive(execution)
    assert status(execution) == "completed"


def test_the_job_of_a_dead_worker_is_sent_again_although_another_worker_is_at_work_on_the_run() -> None:
    execution, living, dead = start(fork()), PretendWorker(), PretendWorker()
    fetch_job(living)
    (first,) = living.claim(execution)
    (left,) = living.finish(first, valid(first), limit=1) or []
    work.wake(execution.pk)
    fetch_job(dead)
    dead.die()
    sweep()
    assert "todo" in jobs(execution), "the right branch must not wait until the left one has ended"
    assert left.path == "left"
    drive(execution)
    living.finish(left, valid(left), limit=0)
    drive(execution)
    assert status(execution) == "completed"


def test_jobs_are_known_by_their_name_for_ever() -> None:
    start(single())
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, queue_name, args FROM procrastinate_jobs")
        ((name, queue, args),) = cursor.fetchall()
    assert (name, queue) == ("executions.advance", "executions") == (ADVANCE_TASK, QUEUE)
    assert "execution_id" in args


def test_a_wake_up_is_only_kept_with_what_made_it_necessary() -> None:
    execution = start(single())
    forget_jobs()
    with transaction.atomic():
        wakeups.tx_defer(execution.pk)
        transaction.set_rollback(True)
    assert jobs(execution) == []
    work.wake(execution.pk)
    work.wake(execution.pk)
    assert jobs(execution) == ["todo"]


# Many at once


def test_wake_ups_are_taken_together_with_a_first_step_of_each_run() -> None:
    runs = [start(single(), project=f"p{n}") for n in range(3)]
    worker = PretendWorker()
    first, rest = worker.take(limit=2), worker.take(limit=16)
    assert (first.taken, rest.taken) == (2, 1)
    claims = [*first.claims, *rest.claims]
    assert {claim.execution_id for claim in claims} == {run.pk for run in runs}
    assert [jobs(run) for run in runs] == [[], [], []]
    assert not first.more
    assert worker.take().taken == 0
    for claim in claims:
        worker.finish(claim, valid(claim))
    assert {status(run) for run in runs} == {"completed"}


def test_a_wake_up_stays_where_its_claim_is_not_kept() -> None:
    execution = start(single())
    with transaction.atomic():
        assert PretendWorker().take().claims
        transaction.set_rollback(True)
    assert jobs(execution) == ["todo"]
    assert not Attempt.objects.exists()


def test_two_wake_ups_of_one_run_are_one_look_at_it() -> None:
    execution = start(single())
    with transaction.atomic():
        wakeups.tx_defer(execution.pk, at=execution.started_at - timedelta(days=1))
    assert jobs(execution) == ["todo", "todo"]
    found = PretendWorker().take()
    assert (found.taken, len(found.claims)) == (1, 1)
    assert jobs(execution) == []


def test_whoever_claims_one_of_several_steps_knows_that_there_are_more() -> None:
    execution, worker = start(fork()), PretendWorker()
    (first,) = worker.take().claims
    worker.book(first, valid(first))
    outcome = worker.read(first, valid(first))
    found = advancing.record(claim=first, outcome=outcome, worker_id=worker.id, limit=1)
    assert (len(found.claims), found.more) == (1, [execution.pk])
    found = advancing.claim(execution_id=execution.pk, worker_id=worker.id, limit=1)
    assert (len(found.claims), found.more) == (1, [])


def make_unclaimable(execution: Execution) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE executions_execution SET model_ids = '[]' WHERE id = %s", [execution.pk])


def test_a_run_that_cannot_be_claimed_harms_nobody_who_was_woken_with_it() -> None:
    good, bad, other = (start(single(), project=f"p{n}") for n in range(3))
    make_unclaimable(bad)
    worker = PretendWorker()
    (found,) = advancing.transact_each([advancing.TakeRequest(limit=16)], worker_id=worker.id)
    assert isinstance(found, advancing.Claimed)
    assert found.taken == 3
    assert {claim.execution_id for claim in found.claims} == {good.pk, other.pk}
    assert [jobs(run) for run in (good, bad, other)] == [[], [], []]
    age(bad, 7)
    sweep()
    assert jobs(bad) == ["todo"], "whoever mends it need not start it"


def test_requests_that_share_a_transaction_are_carried_out_without_the_one_that_fails() -> None:
    good, bad = start(single(), project="p1"), start(single(), project="p2")
    make_unclaimable(bad)
    requests = [advancing.ClaimRequest(execution_id=run.pk, limit=1) for run in (good, bad)]
    first, second = advancing.transact_each(requests, worker_id=PretendWorker().id)
    assert isinstance(first, advancing.Claimed)
    assert [claim.execution_id for claim in first.claims] == [good.pk]
    assert isinstance(second, Exception)


# Claims whose commit was not answered


def test_steps_that_a_living_worker_holds_without_knowing_it_are_given_back() -> None:
    execution, worker = start(fork()), PretendWorker()
    (first,) = worker.claim(execution)
    left, right = worker.finish(first, valid(first)) or []
    forget_jobs()
    given = work.give_back_unknown(worker_id=worker.id, known=[left.token], older_than=0)
    assert given == 1
    assert jobs(execution) == ["todo"]
    assert work.current_tokens([left.token, right.token]) == {left.token}
    assert LLMCall.objects.get(pk=right.call_id).status == "cancelled"
    assert Step.objects.get(path="right").crashes == 0
    drive(execution)
    worker.finish(left, valid(left), limit=0)
    drive(execution)
    assert status(execution) == "completed"


def test_steps_that_were_claimed_just_now_are_not_given_back() -> None:
    execution, worker = start(single()), PretendWorker()
    worker.claim(execution)
    assert work.give_back_unknown(worker_id=worker.id, known=[], older_than=5) == 0
    assert work.give_back_unknown(worker_id=worker.id + 1, known=[], older_than=0) == 0
    assert Attempt.objects.get().status == "running"


def test_an_unknown_execution_is_no_crash() -> None:
    with pytest.raises(ExecutionNotFound):
        PretendWorker().claim(uuid.uuid4())
