"""The engine against everything that can happen, in any order (Hypothesis), on the real database.

Two pretend workers, people who may and may not, and a clock that is moved by hand. After every step all promises
of ``executions.verification`` must hold, and nothing may be left asleep; in the end every run must come to an end.
``ENGINE_EXAMPLES`` and ``ENGINE_STEPS`` ask for more (a night: 5000 and 50); a failure prints how to repeat it.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from executions.engine.state import FINAL
from executions.models import (
    Attempt,
    DecisionChannel,
    DecisionKind,
    Execution,
    Gate,
    GateKind,
    GateStatus,
    Step,
)
from executions.services import work
from executions.services.access import refusal
from executions.services.decisions import Verdict, answer_questions, record_decision
from executions.services.executions import cancel_execution, retry_execution
from executions.tests import invariants
from executions.tests.engine_cast import person, start
from executions.tests.engine_world import (
    Held,
    World,
    empty_the_tables,
    fetch_job,
    finish_well,
    is_current,
    one_of,
    refused,
    reply_of,
    seen_now,
    state_of,
    stop_the_clock,
)
from executions.tests.generated_workflows import generated
from executions.tests.pretend_worker import Answer, PretendWorker, sent_progress, sweep
from executions.values import Claim

JSON = dict[str, Any]

BUDGETS = st.sampled_from([None, None, None, Decimal("0.4"), Decimal(5)])
LIMITS = st.sampled_from([0, 1, 2, 17, 17, 17])
NAMES = ("olga", "ed", "eva", "vic", "root")
REPLIES = (
    *["document"] * 12,
    "questions",
    "invalid",
    "provider_error",
    "rate_limited",
    "cut_short",
    "truncated",
    "refusal",
)


class EngineMachine(RuleBasedStateMachine):
    """Rules that need something are only offered where it is there, so that thirty steps lead somewhere."""

    @initialize(first=generated(), budget=BUDGETS)
    def open_shop(self, first: JSON, budget: Decimal | None) -> None:
        empty_the_tables()
        for name in NAMES:
            person(name)
        self.world = World(workers=[PretendWorker(), PretendWorker()])
        self.start(first, "apollo", budget)
        self.fetch_a_job(0, 16)

    # People

    @precondition(lambda self: len(self.world.executions) < 3)
    @rule(workflow=generated(), project=st.sampled_from(["apollo", "gemini"]), budget=BUDGETS)
    def start(self, workflow: JSON, project: str, budget: Decimal | None) -> None:
        execution = start(workflow, project=project, budget=budget, brief={"wish": "a lighthouse"})
        self.world.executions.append(execution.pk)

    @rule(data=st.data(), name=st.sampled_from(NAMES), is_meant=st.integers(0, 9))
    def cancel(self, data: st.DataObject, name: str, is_meant: int) -> None:
        if is_meant:  # rather seldom: nothing follows it
            return
        execution_id = self.some_execution(data)
        refused(lambda: cancel_execution(actor=person(name), execution_id=execution_id, reason="Enough."))

    @precondition(lambda self: self.world.seen["failed"])
    @rule(data=st.data(), name=st.sampled_from(["olga", "olga", "vic"]), budget=st.sampled_from([None, Decimal(9)]))
    def retry(self, data: st.DataObject, name: str, budget: Decimal | None) -> None:
        failed = Execution.objects.filter(status="failed").order_by("started_at").values_list("pk", flat=True)
        execution_id = one_of(data, list(failed), "execution")
        steps = list(Step.objects.filter(execution=execution_id, status="failed").values_list("pk", flat=True))
        was_refused = refused(
            lambda: retry_execution(actor=person(name), execution_id=execution_id, reason="Again.", budget_usd=budget)
        )
        assert was_refused is (name == "vic")
        if not was_refused:
            for step_id in steps:  # a step that failed begins anew
                self.world.unused.pop(step_id, None)

    @precondition(lambda self: self.world.seen[GateKind.ACCEPTANCE])
    @rule(
        data=st.data(),
        name=st.sampled_from(["ed", "ed", "eva", "eva", "olga", "vic", "root"]),
        kind=st.sampled_from(["accept", "accept", "accept", "request_changes", "reject"]),
    )
    def decide(self, data: st.DataObject, name: str, kind: str) -> None:
        gate = self.some_gate(data, GateKind.ACCEPTANCE)
        is_stale = data.draw(st.integers(0, 9)) == 0
        verdict = Verdict(
            decision=DecisionKind(kind),
            comment="Because.",
            comments=[{"path": "/title", "text": "Here."}] if kind != "accept" else [],
            document_id=uuid4() if is_stale else None,
        )
        is_allowed = refusal(person(name), gate) is None
        was_refused = refused(
            lambda: record_decision(
                actor=person(name), gate=gate, verdict=verdict, channel=DecisionChannel.API, at=timezone.now()
            )
        )
        assert was_refused or (is_allowed and not is_stale)

    @precondition(lambda self: self.world.seen[GateKind.CLARIFICATION])
    @rule(data=st.data(), name=st.sampled_from(NAMES), is_right=st.sampled_from([True, True, True, False]))
    def answer(self, data: st.DataObject, name: str, is_right: bool) -> None:
        gate = self.some_gate(data, GateKind.CLARIFICATION)
        answers = {"WHO": "Lighthouse keepers"} if is_right else {"WHO": 7}
        is_allowed = refusal(person(name), gate) is None
        was_refused = refused(
            lambda: answer_questions(
                actor=person(name), gate=gate, answers=answers, channel=DecisionChannel.API, at=timezone.now()
            )
        )
        assert was_refused or (is_right and is_allowed)

    def some_gate(self, data: st.DataObject, kind: GateKind) -> Gate:
        """Return a gate, mostly an open one."""
        gates = list(Gate.objects.filter(kind=kind).select_related("execution").order_by("opened_at", "id"))
        waiting = [gate for gate in gates if gate.status == GateStatus.OPEN]
        if waiting and data.draw(st.integers(0, 9)) > 0:
            gates = waiting
        return one_of(data, gates, "gate")

    def some_execution(self, data: st.DataObject) -> UUID:
        return one_of(data, self.world.executions, "execution")

    # Workers

    @precondition(lambda self: self.world.seen["jobs"])
    @rule(which=st.integers(0, 1), limit=st.sampled_from([1, 2, 16, 16]))
    def fetch_a_job(self, which: int, limit: int) -> None:
        """A worker gets a job from the queue and claims what may start."""
        worker = self.world.workers[which]
        job = fetch_job(worker, self.world.executions)
        if job is None:
            return
        job_id, execution_id = job
        self.claim_all(worker, execution_id, limit)
        with connection.cursor() as cursor:
            cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [job_id])

    @precondition(lambda self: self.world.seen["jobs"])
    @rule(which=st.integers(0, 1))
    def take_wake_ups(self, which: int) -> None:
        """A worker takes many wake-ups off the queue at once."""
        worker = self.world.workers[which]
        found = worker.take()
        self.hold(worker, sorted(found.claims, key=lambda claim: self.world.executions.index(claim.execution_id)))
        for execution_id in sorted(found.more, key=self.world.executions.index):
            self.claim_all(worker, execution_id, 16)

    @rule(data=st.data(), which=st.integers(0, 1), is_a_job=st.booleans())
    def wake_once_more(self, data: st.DataObject, which: int, is_a_job: bool) -> None:
        """A wake-up comes that nobody needs, through the queue or past it."""
        execution_id = self.some_execution(data)
        if is_a_job:
            work.wake(execution_id)
        else:
            self.claim_all(self.world.workers[which], execution_id, 16)

    def claim_all(self, worker: PretendWorker, execution_id: UUID, limit: int) -> None:
        has_more = True
        while has_more:
            claims = worker.claim(execution_id, limit)
            self.hold(worker, claims)
            has_more = len(claims) == limit

    def hold(self, worker: PretendWorker, claims: list[Claim]) -> None:
        for claim in claims:
            paid = self.world.unused.get(claim.step_row_id)
            assert paid is None or (claim.stored_answer is not None and claim.call_id == paid), "paid for twice"
            self.world.held.append(Held(worker=worker, claim=claim))

    @precondition(lambda self: self.world.held)
    @rule(data=st.data(), kind=st.sampled_from(REPLIES), limit=LIMITS)
    def finish(self, data: st.DataObject, kind: str, limit: int) -> None:
        """An answer comes (or its booked one is read), is booked, and recorded."""
        self.finish_one(self.some_held(data), kind, limit)

    @precondition(lambda self: self.world.held)
    @rule(data=st.data(), kinds=st.lists(st.sampled_from(REPLIES), min_size=6, max_size=6), limit=LIMITS)
    def finish_several(self, data: st.DataObject, kinds: list[str], limit: int) -> None:
        for kind in kinds:
            if self.world.held:
                self.finish_one(self.some_held(data), kind, limit)

    def finish_one(self, held: Held, kind: str, limit: int) -> None:
        self.book(held, kind)
        self.world.held.remove(held)
        self.bring(held, limit)

    @precondition(lambda self: self.world.held)
    @rule(
        data=st.data(),
        kind=st.sampled_from(REPLIES),
        is_booked=st.booleans(),
        misfortune=st.sampled_from(["nothing yet", "nothing yet", "crash", "release", "lose_track"]),
    )
    def misfortune(self, data: st.DataObject, kind: str, is_booked: bool, misfortune: str) -> None:
        """Something comes between a claim and its result; the answer may have been booked by then."""
        held = self.some_held(data)
        if is_booked:
            self.book(held, kind)
        if misfortune == "crash":
            jobs = data.draw(st.sampled_from(["none", "a fetched one", "taken ones"]), label="jobs")
            self.crash(self.world.workers.index(held.worker), jobs=jobs)
        elif misfortune == "release":
            self.release(held)
        elif misfortune == "lose_track" and not held.is_booked:
            self.lose_track(held)

    def release(self, held: Held) -> None:
        """A worker that stops in order breaks its call off and gives the step back."""
        if not held.is_booked and held.claim.stored_answer is None:
            work.book_cancelled(held.claim, sent_progress(text_chars=100))
        work.release(held.claim)
        self.world.held.remove(held)

    def crash(self, which: int, *, jobs: str) -> None:
        """A worker dies with all it holds; another comes in its place. What it held may still come, much later."""
        dead = self.world.workers[which]
        if jobs == "a fetched one":
            fetch_job(dead, self.world.executions)
        elif jobs == "taken ones":
            self.hold(dead, dead.take().claims)
        dead.die()
        self.world.zombies += [held for held in self.world.held if held.worker is dead]
        self.world.held = [held for held in self.world.held if held.worker is not dead]
        self.world.workers[which] = PretendWorker()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE executions_execution SET updated_at = updated_at - interval '10 s'")
        sweep()

    def lose_track(self, held: Held) -> None:
        """A worker never hears of a claim that it has made, and finds out."""
        self.world.held.remove(held)
        known = [each.claim.token for each in self.world.held if each.worker is held.worker]
        work.give_back_unknown(worker_id=held.worker.id, known=known, older_than=0)

    @precondition(lambda self: self.world.zombies)
    @rule(data=st.data(), kind=st.sampled_from(REPLIES))
    def zombie(self, data: st.DataObject, kind: str) -> None:
        """A worker that was believed dead brings its result: nothing changes but what is known of its cost."""
        held = one_of(data, self.world.zombies, "zombie")
        self.world.zombies.remove(held)
        before = state_of(held.claim.execution_id)
        self.book(held, kind)
        assert held.worker.record(held.claim, self.read(held)) is None
        assert state_of(held.claim.execution_id) == before

    @precondition(lambda self: self.world.seen["timers"])
    @rule()
    def time_passes(self) -> None:
        """Every wait is over, by two hours (see ``stop_the_clock``)."""
        with connection.cursor() as cursor:
            for table, column in (("executions_step", "due_at"), ("procrastinate_jobs", "scheduled_at")):
                cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '2 hours'")  # noqa: S608 - ours
        sweep()

    def some_held(self, data: st.DataObject) -> Held:
        return one_of(data, self.world.held, "held")

    def book(self, held: Held, kind: str) -> None:
        held.worker.begin(held.claim)
        stored = held.claim.stored_answer
        if stored is not None:
            held.reply = Answer(text=stored.text, stop_reason=stored.stop_reason)
        elif not held.is_booked:
            self.world.number += 1
            held.reply = reply_of(kind, held.claim, self.world.number)
            held.worker.book(held.claim, held.reply)
            if isinstance(held.reply, Answer) and is_current(held):
                self.world.unused[held.claim.step_row_id] = held.claim.call_id
        held.is_booked = True

    def read(self, held: Held) -> Any:
        assert held.reply is not None
        return held.worker.read(held.claim, held.reply)

    def bring(self, held: Held, limit: int) -> None:
        holds_step = is_current(held)
        following = held.worker.record(held.claim, self.read(held), limit)
        assert (following is not None) is holds_step
        if following is not None:
            stop_the_clock()
            self.world.unused.pop(held.claim.step_row_id, None)
            self.hold(held.worker, following)
            if len(following) == limit > 1:
                self.claim_all(held.worker, held.claim.execution_id, limit)

    # What must hold

    @invariant()
    def promises_are_kept(self) -> None:
        invariants.check()
        self.world.seen = seen_now()

    @invariant()
    def budgets_hold(self) -> None:
        """A call that was believed lost may turn out dearer than its estimate; nothing else overspends."""
        with_zombies = Attempt.objects.filter(status="superseded").values("execution")
        for execution in Execution.objects.exclude(budget_usd=None).exclude(pk__in=with_zombies):
            assert execution.budget_usd is not None
            assert execution.cost_usd + execution.reserved_usd <= execution.budget_usd

    @invariant()
    def workers_know_what_they_hold(self) -> None:
        known = {held.claim.token for held in self.world.held}
        assert set(Attempt.objects.filter(status="running").values_list("pk", flat=True)) <= known

    @invariant()
    def ends_are_final(self) -> None:
        for execution in Execution.objects.filter(status__in=[each.value for each in FINAL]):
            now = (execution.status, execution.last_seq)
            assert self.world.ends.setdefault(execution.pk, now) == now

    def teardown(self) -> None:
        """Whatever has happened: with workers that work and people who agree, every run comes to an end."""
        if not hasattr(self, "world"):
            return
        self.world.held.clear()
        for worker in self.world.workers:
            worker.die()
        sweep()
        for execution in Execution.objects.all():
            finish_well(execution)
        invariants.check()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_engine_keeps_its_promises_whatever_happens() -> None:
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=int(os.environ.get("ENGINE_EXAMPLES", "60")),
            stateful_step_count=int(os.environ.get("ENGINE_STEPS", "30")),
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
