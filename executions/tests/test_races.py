"""Two (or eight) at the same moment, on connections of their own: exactly one wins, and the other is told so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from documents.models import Document, DocumentStatus
from documents.services import NewDocument, create_version
from executions import ledger
from executions.exceptions import AlreadyDecided, Conflict, InvalidState
from executions.models import Attempt, Decision, Event, Execution, GateKind, LLMCall, Project
from executions.services import work
from executions.services.executions import cancel_execution, retry_execution
from executions.tests import invariants
from executions.tests.engine_cast import answer, decide, history, open_gate, person, start, status
from executions.tests.engine_definitions import epics, fork, reviewed, single, stored
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    Scripted,
    asking,
    backlog,
    drive,
    response_of,
    sweep,
    valid,
)

pytestmark = [pytest.mark.race, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

REPEATS = 50
Act = Callable[[], Any]


class Crowd:
    """Threads with a connection each, let go together."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = ThreadPoolExecutor(size)

    def together(self, *acts: Act) -> list[Any]:
        """Return what each act returned, or the exception that it raised."""
        barrier = Barrier(len(acts))
        return [future.result() for future in [self._threads.submit(self._act, act, barrier) for act in acts]]

    def _act(self, act: Act, barrier: Barrier) -> Any:
        connection.ensure_connection()
        barrier.wait(60)
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - what was raised is the result
            return error

    def close(self) -> None:
        barrier = Barrier(self.size)

        def leave() -> None:
            barrier.wait(60)
            connections.close_all()

        for future in [self._threads.submit(leave) for _ in range(self.size)]:
            future.result()
        self._threads.shutdown()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd(8)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _cast(db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    for name in ("olga", "ed", "eva", "root"):
        person(name)
    yield
    invariants.check()


def later(number: int, act: Act) -> Act:
    """Return the act, begun a little later, so that either side is first at times."""

    def wait_and_act() -> Any:
        time.sleep((number % 8) ** 2 * 0.001)
        return act()

    return wait_and_act


def errors(results: list[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


def test_of_two_decisions_one_wins_and_the_other_is_told_who_did(crowd: Crowd) -> None:
    revision, winners = stored(reviewed("editor")), set()
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution)
        gate = open_gate(execution)
        results = crowd.together(
            partial(decide, "ed", gate, "accept", "Good."),
            partial(decide, "eva", gate, "reject", "Bad."),
        )
        (lost,) = errors(results)
        assert isinstance(lost, AlreadyDecided), lost
        (decision,) = Decision.objects.filter(gate=gate)
        assert (lost.by, lost.decision) == (decision.by, decision.decision)
        winners.add(decision.by)
        assert status(execution) == ("running" if decision.by == "ed" else "failed")
    assert winners == {"ed", "eva"}, "both must have been first at times, or nothing was raced"


def test_of_the_same_decision_by_one_person_twice_one_counts(crowd: Crowd) -> None:
    revision = stored(reviewed("editor", quorum=2))
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution)
        gate = open_gate(execution)
        results = crowd.together(*[partial(decide, "ed", gate, "accept")] * 3)
        assert [type(error) for error in errors(results)] == [Conflict, Conflict]
        assert Decision.objects.filter(gate=gate).count() == 1
        assert status(execution) == "waiting_acceptance"


def test_a_quorum_met_at_once_from_both_sides_completes_the_step_once(crowd: Crowd) -> None:
    revision = stored(reviewed("editor", quorum=2))
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution)
        gate = open_gate(execution)
        results = crowd.together(partial(decide, "ed", gate, "accept"), partial(decide, "eva", gate, "accept"))
        assert not errors(results)
        assert history(execution).count("step_completed note") == 1
        assert status(execution) == "running"


def test_accept_against_cancel(crowd: Crowd) -> None:
    revision = stored(reviewed("editor"))
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution)
        gate = open_gate(execution)
        accepted, cancelled = crowd.together(
            partial(decide, "ed", gate, "accept"),
            partial(cancel_execution, actor=person("olga"), execution_id=execution.pk),
        )
        assert not isinstance(cancelled, Exception)
        assert isinstance(accepted, InvalidState | Decision)
        assert status(execution) == "cancelled"
        assert history(execution)[-1] == "execution_cancelled"


def test_cancel_against_the_result_of_the_last_step(crowd: Crowd) -> None:
    revision, ends = stored(single()), set()
    for number in range(REPEATS):
        execution, worker = start(revision), PretendWorker()
        (claim,) = worker.claim(execution)
        finished, cancelled = crowd.together(
            later(number // 8, partial(worker.finish, claim, valid(claim))),
            later(
                number,
                partial(cancel_execution, actor=person("olga"), execution_id=execution.pk),
            ),
        )
        end = status(execution)
        ends.add(end)
        assert history(execution)[-1] == f"execution_{end}"
        if end == "completed":
            assert finished == []
            assert isinstance(cancelled, InvalidState)
        else:
            assert finished is None
            assert not Document.objects.filter(execution_id=execution.pk).exists()
        execution.refresh_from_db()
        assert execution.cost_usd > 0
    assert ends == {"completed", "cancelled"}


def test_two_workers_never_claim_the_same_step(crowd: Crowd) -> None:
    revision = stored(epics())
    for _ in range(REPEATS):
        execution, workers = start(revision), [PretendWorker() for _ in range(3)]
        (first,) = workers[0].claim(execution)
        workers[0].finish(first, backlog(*[f"E{n}" for n in range(6)]), limit=0)
        results = crowd.together(*(partial(worker.claim, execution, 4) for worker in workers))
        assert not errors(results)
        paths = [claim.path for claims in results for claim in claims]
        assert len(paths) == len(set(paths)) == 7
        assert Attempt.objects.filter(execution=execution, status="running").count() == 7


def test_two_results_that_complete_the_inputs_of_a_step_start_it_once(crowd: Crowd) -> None:
    revision = stored(fork())
    for _ in range(REPEATS):
        execution, worker = start(revision), PretendWorker()
        (first,) = worker.claim(execution)
        left, right = worker.finish(first, valid(first)) or []
        results = crowd.together(
            partial(worker.finish, left, valid(left)),
            partial(worker.finish, right, valid(right)),
        )
        assert sorted(len(following) for following in results) == [0, 1]
        assert history(execution).count("step_started end") == 1


def test_of_two_answers_one_counts(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution, Scripted(note=asking()))
        gate = open_gate(execution, GateKind.CLARIFICATION)
        results = crowd.together(
            partial(answer, "olga", gate, {"WHO": "one"}),
            partial(answer, "root", gate, {"WHO": "two"}),
        )
        (lost,) = errors(results)
        assert isinstance(lost, AlreadyDecided)
        (decision,) = Decision.objects.filter(gate=gate)
        gate.refresh_from_db()
        assert gate.answers == decision.answers
        assert lost.by == decision.by
        assert history(execution).count("clarification_answered note") == 1


def test_two_starts_that_make_the_same_project(crowd: Crowd) -> None:
    revision = stored(single())
    for number in range(REPEATS):
        name = f"new-{number}"
        results = crowd.together(*[partial(start, revision, project=name)] * 4)
        assert not errors(results)
        assert Project.objects.filter(pk=name).count() == 1
        assert Execution.objects.filter(project=name).count() == 4


def test_versions_of_a_series_have_no_gaps_whoever_writes_them(crowd: Crowd) -> None:
    revision = stored(single())
    execution = start(revision)

    def write() -> int:
        with transaction.atomic():
            return create_version(
                NewDocument(
                    project_id="apollo",
                    scope_type="project",
                    scope_id="elsewhere",
                    document_type="memo",
                    status=DocumentStatus.FINAL,
                    title="Memo",
                    summary="",
                    content={"title": "Memo"},
                    created_at=timezone.now(),
                    created_by="olga",
                    created_by_step="",
                    execution_id=uuid4(),
                )
            ).version

    numbers = [number for _ in range(REPEATS) for number in crowd.together(*[write] * 8)]
    assert sorted(numbers) == list(range(1, 8 * REPEATS + 1))
    latest = Document.objects.filter(scope_id="elsewhere", is_latest=True)
    assert [row.version for row in latest] == [8 * REPEATS]
    assert status(execution) == "pending"


def test_eight_runs_of_a_project_write_the_same_series(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS // 5):
        executions, worker = [start(revision) for _ in range(8)], PretendWorker()
        claims = [worker.claim(execution)[0] for execution in executions]
        results = crowd.together(*(partial(worker.finish, claim, valid(claim)) for claim in claims))
        assert results == [[]] * 8
    versions = Document.objects.filter(scope_id="apollo").order_by("version").values_list("version", flat=True)
    assert list(versions) == list(range(1, 8 * (REPEATS // 5) + 1))


def test_costs_are_booked_exactly_beside_everything_else(crowd: Crowd) -> None:
    revision = stored(epics())
    for _ in range(REPEATS // 5):
        execution, worker = start(revision, budget=Decimal(100)), PretendWorker()
        (first,) = worker.claim(execution)
        claims = worker.finish(first, backlog(*[f"E{n}" for n in range(7)])) or []
        assert len(claims) == 8
        usage = {"input_tokens": 777, "output_tokens": 333}
        results = crowd.together(
            *(partial(worker.finish, claim, Answer(text=valid(claim).text, usage=usage)) for claim in claims)
        )
        assert not errors(results)
        execution.refresh_from_db()
        assert execution.status == "completed"
        assert execution.reserved_usd == 0
        assert execution.cost_usd == sum(call.cost_usd or 0 for call in LLMCall.objects.filter(execution=execution))


def test_one_call_booked_from_all_sides_is_booked_once(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS // 2):
        execution, worker = start(revision, budget=Decimal(5)), PretendWorker()
        (claim,) = worker.claim(execution)
        keys: dict[str, Any] = {
            "execution_id": execution.pk,
            "call_id": claim.call_id,
            "model": claim.request.model,
            "request_chars": claim.request_chars,
        }
        results = crowd.together(
            partial(ledger.book_lost, **keys),
            partial(work.book_response, claim, response_of(claim, valid(claim))),
            partial(work.book_response, claim, response_of(claim, valid(claim))),
            partial(ledger.book_lost, **keys),
        )
        assert not errors(results)
        call = LLMCall.objects.get(pk=claim.call_id)
        execution.refresh_from_db()
        assert call.status == "succeeded"
        assert execution.cost_usd == call.cost_usd
        assert execution.reserved_usd == 0


def test_a_takeover_against_the_result_of_a_worker_that_was_only_slow(crowd: Crowd) -> None:
    revision, drops = stored(single()), 0
    for number in range(REPEATS):
        execution, slow = start(revision), PretendWorker()
        (claim,) = slow.claim(execution)
        slow.die()
        finished, _ = crowd.together(
            later(number // 8, partial(slow.finish, claim, valid(claim))), later(number, sweep)
        )
        assert finished in ([], None)
        drops += finished is None
        drive(execution)
        assert status(execution) == "completed"
        assert Document.objects.filter(execution_id=execution.pk).count() == 1
    assert 0 < drops < REPEATS


def test_two_sweepers_take_a_step_over_once(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS):
        execution, dead = start(revision), PretendWorker()
        dead.claim(execution)
        dead.die()
        results = crowd.together(sweep, sweep, sweep)
        assert not errors(results)
        assert Event.objects.filter(execution=execution, event_type="step_retrying").count() == 1
        drive(execution)


def test_two_retries_retry_once(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS):
        execution = start(revision)
        drive(execution, Scripted(note=Answer(text="", stop_reason="refusal")))
        again = partial(retry_execution, actor=person("olga"), execution_id=execution.pk)
        results = crowd.together(again, again)
        assert [type(error) for error in errors(results)] == [InvalidState]
        assert history(execution).count("execution_retried") == 1
        drive(execution)


def test_wake_ups_from_all_sides_leave_one_job(crowd: Crowd) -> None:
    revision = stored(single())
    for _ in range(REPEATS):
        execution = start(revision)
        results = crowd.together(*[partial(work.wake, execution.pk)] * 6)
        assert not errors(results)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE args->>'execution_id' = %s AND status = 'todo'",
                [str(execution.pk)],
            )
            assert cursor.fetchone()[0] == 1
