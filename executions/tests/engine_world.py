"""What the state machine remembers, and what may happen to it: claims in hands, replies, queues, agreeable people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.utils import timezone
from hypothesis import strategies as st

from documents.models import Document
from executions.engine.state import FINAL, ExecutionStatus
from executions.exceptions import CombineError
from executions.llm import errors as llm
from executions.models import (
    Attempt,
    DecisionChannel,
    DecisionKind,
    Event,
    Execution,
    Gate,
    GateKind,
)
from executions.services import work
from executions.services.decisions import Verdict, answer_questions, record_decision
from executions.services.executions import retry_execution
from executions.tests.engine_cast import person
from executions.tests.pretend_worker import Answer, PretendWorker, Reply, asking, document, sent_progress, valid
from executions.values import Claim

JSON = dict[str, Any]
T = TypeVar("T")


@dataclass
class Held:
    """A claim in the hands of a worker, and how far it has come."""

    worker: PretendWorker
    claim: Claim
    reply: Reply | None = None
    is_booked: bool = False

    def __repr__(self) -> str:
        return f"{self.claim.path} of worker {self.worker.id}"


@dataclass
class World:
    """What the machine remembers beside the database: who holds what, and what has happened to whom."""

    workers: list[PretendWorker]
    executions: list[UUID] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    zombies: list[Held] = field(default_factory=list)
    # By step: the call whose answer is in the ledger, and has not been used.
    unused: dict[int, UUID] = field(default_factory=dict)
    ends: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    number: int = 0
    # How much of what rules need is there (see ``seen_now``).
    seen: Counter[str] = field(default_factory=Counter)


def reply_of(kind: str, claim: Claim, number: int) -> Reply:
    match kind:
        case "document":
            return valid(claim)
        case "questions":
            return asking()
        case "invalid":
            return document(nonsense=number)
        case "provider_error":
            return llm.Overloaded("busy", progress=sent_progress(usage={"input_tokens": 10}))
        case "rate_limited":
            return llm.RateLimited("slow", retry_after=30.0)
        case "truncated":
            return llm.Truncated("cut", progress=sent_progress(text_chars=400))
        case "cut_short":
            return Answer(text='{"title": "cu', stop_reason="max_tokens")
        case _:
            return Answer(text="I will not.", stop_reason="refusal")


def one_of(data: st.DataObject, things: Sequence[T], label: str) -> T:
    """Draw one of ``things`` by its place: their ids are others each time, and a failure must repeat."""
    return things[data.draw(st.integers(0, 99), label=label) % len(things)]


def refused(act: Callable[[], object]) -> bool:
    """Return whether what somebody asked for was refused."""
    try:
        act()
    except CombineError:
        return True
    return False


def is_current(held: Held) -> bool:
    """Return whether the step is still this attempt's."""
    return work.current_tokens([held.claim.token]) == {held.claim.token}


_FETCH = """
UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(worker)s
 WHERE id = (SELECT id FROM procrastinate_jobs
              WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
              ORDER BY array_position(%(order)s::text[], args->>'execution_id'), id LIMIT 1)
RETURNING id, args->>'execution_id'
"""


def fetch_job(worker: PretendWorker, order: Sequence[UUID]) -> tuple[int, UUID] | None:
    """Have a worker get a job from the queue, of the first execution of ``order`` that has one.

    The queue itself gives them out by age, which is another one each time an example is played.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FETCH, {"worker": worker.id, "order": [str(each) for each in order]})
        found = cursor.fetchone()
        return (found[0], UUID(found[1])) if found else None


def stop_the_clock() -> None:
    """Put every wait that has just begun off by an hour: time passes only where a rule says so."""
    with connection.cursor() as cursor:
        for table, column in (("executions_step", "due_at"), ("procrastinate_jobs", "scheduled_at")):
            cursor.execute(
                f"UPDATE {table} SET {column} = {column} + interval '1 hour'"  # noqa: S608 - names of ours
                f" WHERE {column} BETWEEN now() - interval '20 min' AND now() + interval '20 min'"
            )


def state_of(execution_id: UUID) -> tuple[Any, ...]:
    """Return what a result that comes too late may not change."""
    execution = Execution.objects.get(pk=execution_id)
    return (
        execution.status,
        execution.last_seq,
        execution.error_code,
        Event.objects.filter(execution=execution).count(),
        Document.objects.count(),
        sorted(Attempt.objects.filter(execution=execution).values_list("pk", "status")),
    )


def finish_well(execution: Execution) -> None:
    """Bring an execution to an end, by people who agree to all and models that write well."""
    for _ in range(200):
        worker = PretendWorker()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE executions_step SET due_at = NULL WHERE execution_id = %s", [execution.pk])
        waiting = worker.claim(execution)
        while waiting:
            claim = waiting.pop()
            waiting += worker.finish(claim, valid(claim)) or []
        execution.refresh_from_db()
        if execution.status in FINAL:
            return
        if execution.status == ExecutionStatus.FAILED:
            retry_execution(actor=person("olga"), execution_id=execution.pk, budget_usd=Decimal(1000))
            continue
        for gate in Gate.objects.filter(execution=execution, status="open").select_related("execution"):
            agree(gate)
    raise AssertionError(f"the run does not end: {execution.status} {execution.error_code}")


def agree(gate: Gate) -> None:
    """Have everybody who may say yes, or answer."""
    for name in ("ed", "eva", "olga"):
        meant: dict[str, Any] = {
            "actor": person(name),
            "gate": gate,
            "channel": DecisionChannel.API,
            "at": timezone.now(),
        }
        if gate.kind == GateKind.CLARIFICATION:
            refused(partial(answer_questions, answers={"WHO": "All"}, **meant))
        else:
            refused(partial(record_decision, verdict=Verdict(decision=DecisionKind.ACCEPT), **meant))


_SEEN = """
SELECT kind, count(*) FROM executions_gate WHERE status = 'open' GROUP BY kind
UNION ALL SELECT status, count(*) FROM executions_execution GROUP BY status
UNION ALL SELECT 'timers', count(*) FROM executions_step WHERE due_at IS NOT NULL
UNION ALL SELECT 'jobs', count(*) FROM procrastinate_jobs
           WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
"""

_TABLES = (
    *("executions_execution", "executions_project", "executions_step", "executions_attempt", "executions_llmcall"),
    *("executions_event", "executions_gate", "executions_decision", "documents_document"),
    *("procrastinate_jobs", "procrastinate_workers", "procrastinate_events"),
)


def seen_now() -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(_SEEN)
        return Counter(dict(cursor.fetchall()))


def empty_the_tables() -> None:
    """Forget the example before this one. People and definitions may stay."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")  # nobody pulls the plug here
        cursor.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
