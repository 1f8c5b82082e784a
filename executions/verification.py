"""Whether the stored rows keep the engine's promises. It only reads; tests and ``manage.py verify`` call it.

I2 at most one succeeded attempt per production of a document, and every document has one; I3 versions are 1..n with
one latest, each content matches its hash and its pinned schema; I4 events are 1..n; I5 the fold of the events is
the stored state; I6 costs and reservations are the sums of the ledger, also those of shared budgets; I7 a gate is
closed once, and every decision says who, when and on what; I8 nothing follows an end, and the statuses of steps agree
with the execution's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from documents.canonical import content_sha256
from executions import verification_queries as queries
from executions.engine.layout import Layout
from executions.engine.plan import StepState, execution_status
from executions.engine.state import TERMINAL, ExecutionStatus, StepStatus
from executions.folding import Frame, fold, order_problems
from workflows.models import WorkflowRevision
from workflows.schemas import build_validator

CHUNK_SIZE = 100
_ROWS_AT_A_TIME = 20
# Findings of one document or one series beyond these say nothing more.
_FINDINGS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken promise. ``invariant`` is ``I2`` to ``I8``; where a budget's account is wrong, no execution is named."""

    invariant: str
    execution_id: UUID | None
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.execution_id or 'budgets'}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What is stored of one execution, beside its events and documents."""

    execution_id: UUID
    revision_id: int
    status: ExecutionStatus
    last_seq: int
    steps: Mapping[str, StepState]
    documents_of_steps: Mapping[str, str]
    document_ids: frozenset[str]


def verify_executions(execution_ids: Collection[UUID] | None = None) -> list[Violation]:
    """Return every broken promise of the named executions, or of all."""
    return list(iterate_violations(execution_ids))


def iterate_violations(
    execution_ids: Collection[UUID] | None = None, *, on_chunk: Callable[[int], None] | None = None
) -> Iterator[Violation]:
    """Yield the violations of :func:`verify_executions`, a chunk of executions at a time.

    ``on_chunk`` is told how many executions each finished chunk had.
    """
    for chunk in _chunks(execution_ids):
        with _snapshot():
            found = [violation for check in _CHECKS for violation in check(chunk)]
        yield from found
        if on_chunk is not None:
            on_chunk(len(chunk))
    if execution_ids is None:
        with _snapshot():
            found = list(check_accounts())
        yield from found


def _chunks(execution_ids: Collection[UUID] | None) -> Iterator[list[UUID]]:
    if execution_ids is not None:
        ordered = sorted(set(execution_ids))
        for start in range(0, len(ordered), CHUNK_SIZE):
            yield ordered[start : start + CHUNK_SIZE]
        return
    last = UUID(int=0)
    while chunk := [row[0] for row in _rows(queries.NEXT_EXECUTIONS, {"after": last, "limit": CHUNK_SIZE})]:
        yield chunk
        last = chunk[-1]


@contextmanager
def _snapshot() -> Iterator[None]:
    """Let all queries see one moment, so that executions may go on meanwhile."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            _execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def check_attempts(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I2: as many succeeded attempts as documents, by step; a running attempt holds its step, and no other does."""
    for execution_id, path, attempts, documents in _rows(queries.PRODUCTIONS, {"ids": list(chunk)}):
        detail = f"{path}: {attempts} succeeded attempts brought a document, {documents} are stored"
        yield Violation(invariant="I2", execution_id=execution_id, detail=detail)
    for execution_id, path, token, running in _rows(queries.TOKENS, {"ids": list(chunk)}):
        detail = f"{path}: the step is held by attempt {token}, running is {running}"
        yield Violation(invariant="I2", execution_id=execution_id, detail=detail)


def check_series(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I3: the versions of every series that these executions wrote in."""
    for row in _rows(queries.SERIES, {"ids": list(chunk)}):
        execution_id, document_type, scope_id, count, first, last, latest_count, latest = row
        detail = (
            f"{document_type} of {scope_id}: {count} versions from {first} to {last};"
            f" {latest_count} of them the latest (version {latest})"
        )
        yield Violation(invariant="I3", execution_id=execution_id, detail=detail)


def check_documents(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I3: every content matches its hash, and the schema that its execution has pinned."""
    for row in _stream(queries.DOCUMENTS, {"ids": list(chunk)}):
        document_id, execution_id, revision_id, document_type, text, digest = row
        content = json.loads(text)
        name = f"{document_type} {document_id}"
        if (actual := content_sha256(content)) != digest:
            detail = f"{name}: the stored hash is {digest}, the content's {actual}"
            yield Violation(invariant="I3", execution_id=execution_id, detail=detail)
        declared = _layout(revision_id).definition.document_types.get(document_type)
        if declared is None:
            detail = f"{name}: the pinned revision declares no such document type"
            yield Violation(invariant="I3", execution_id=execution_id, detail=detail)
            continue
        if problems := build_validator(declared.schema).problems(content, limit=_FINDINGS_SHOWN):
            listed = "; ".join(f"{problem.path or '/'}: {problem.detail}" for problem in problems)
            detail = f"{name} does not match its schema: {listed}"
            yield Violation(invariant="I3", execution_id=execution_id, detail=detail)


def check_states(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I4, I5, I8: numbering and order of the events, what they add up to, and steps against their execution."""
    histories = groupby(_events(chunk), key=lambda event: event["execution_id"])
    history_id, events = next(histories, (None, iter(())))
    for execution in _load(chunk):
        if execution.execution_id == history_id:
            yield from _check_history(execution, list(events))
            history_id, events = next(histories, (None, iter(())))
        else:
            yield Violation(invariant="I4", execution_id=execution.execution_id, detail="the execution has no events")
        if detail := _status_problem(execution):
            yield Violation(invariant="I8", execution_id=execution.execution_id, detail=detail)


def check_costs(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I6: the execution's totals are the sums of its ledger."""
    for execution_id, cost, ledger_cost, reserved, ledger_reserved in _rows(queries.COSTS, {"ids": list(chunk)}):
        if cost != ledger_cost:
            detail = f"cost_usd is {cost}, the sum of its calls {ledger_cost}"
            yield Violation(invariant="I6", execution_id=execution_id, detail=detail)
        if reserved != ledger_reserved:
            detail = f"reserved_usd is {reserved}, the sum of its calls in flight {ledger_reserved}"
            yield Violation(invariant="I6", execution_id=execution_id, detail=detail)


def check_accounts() -> Iterator[Violation]:
    """I6: the accounts of shared budgets are the sums of the calls that they are for."""
    for account_id, starts_at, spent, reserved, calls_spent, calls_reserved in _rows(queries.ACCOUNTS, {}):
        detail = (
            f"account {account_id} from {starts_at:%Y-%m-%d}: {spent} spent and {reserved} reserved,"
            f" the sums of its calls are {calls_spent} and {calls_reserved}"
        )
        yield Violation(invariant="I6", execution_id=None, detail=detail)


def check_gates(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I7: every gate was opened and closed once, by enough decisions, each about the version it showed."""
    for query, text in queries.GATE_CHECKS:
        for execution_id, gate_id, fact in _rows(query, {"ids": list(chunk)}):
            detail = f"gate {gate_id} {text.format(fact=fact)}"
            yield Violation(invariant="I7", execution_id=execution_id, detail=detail)


def check_ends(chunk: Sequence[UUID]) -> Iterator[Violation]:
    """I8: nothing is at work, or open, in an execution that is over."""
    for execution_id, status, fact in _rows(queries.LIVE_AFTER_END, {"ids": list(chunk)}):
        yield Violation(invariant="I8", execution_id=execution_id, detail=f"is {status}, but has {fact}")


_CHECKS = (check_attempts, check_series, check_documents, check_states, check_costs, check_gates, check_ends)


def _check_history(stored: _Stored, events: Sequence[Frame]) -> Iterator[Violation]:
    found: list[tuple[str, str]] = []
    numbers = [event["seq"] for event in events]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong = next(seq for expected, seq in enumerate(numbers, start=1) if seq != expected)
        found.append(("I4", f"events are not numbered 1..{len(numbers)}: the first one out of order is {wrong}"))
    if stored.last_seq != numbers[-1]:
        found.append(("I4", f"last_seq is {stored.last_seq}, the last event is {numbers[-1]}"))
    found += [("I8", problem) for problem in order_problems(events)]
    found += [("I5", problem) for problem in _fold_problems(stored, events)]
    for invariant, detail in found:
        yield Violation(invariant=invariant, execution_id=stored.execution_id, detail=detail)


def _fold_problems(stored: _Stored, events: Sequence[Frame]) -> Iterator[str]:
    folded = fold(events)
    # Steps that could start but have not are in no event: only the planner tells `running` from waiting then.
    is_undecided = stored.status is ExecutionStatus.RUNNING and folded.status not in TERMINAL
    if folded.status is not stored.status and not is_undecided:
        yield f"the events add up to {folded.status}, stored is {stored.status}"
    is_cancelled = stored.status is ExecutionStatus.CANCELLED
    unseen = StepStatus.CANCELLED if is_cancelled else StepStatus.PENDING
    for path, step in stored.steps.items():
        expected = folded.steps.get(path, unseen)
        if step.status is not expected:
            yield f"{path}: the events add up to {expected}, stored is {step.status}"
        if (document := stored.documents_of_steps.get(path, "")) != folded.documents_of_steps.get(path, ""):
            yield f"{path}: its document is {document or 'none'}, by the events another one"
    if missing := sorted(set(folded.steps) - set(stored.steps)):
        yield f"{missing[0]}: has events, but no row"
    if frozenset(folded.document_ids) != stored.document_ids or len(folded.document_ids) != len(stored.document_ids):
        yield f"the events name {len(folded.document_ids)} documents, stored are {len(stored.document_ids)} (or others)"


def _status_problem(stored: _Stored) -> str | None:
    if stored.status is ExecutionStatus.CANCELLED:
        allowed = {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED}
        wrong = [path for path, step in stored.steps.items() if step.status not in allowed]
        return f"is cancelled, but {wrong[0]} is {stored.steps[wrong[0]].status}" if wrong else None
    unfinished = [step for step in stored.steps.values() if step.status is not StepStatus.COMPLETED]
    if stored.status is ExecutionStatus.PENDING and all(step.status is StepStatus.PENDING for step in unfinished):
        return None
    implied = execution_status(_layout(stored.revision_id), unfinished)
    return None if implied is stored.status else f"is {stored.status}, but its steps make it {implied}"


def _load(chunk: Sequence[UUID]) -> Iterator[_Stored]:
    """Yield the stored state of each execution; steps and documents of one at a time."""
    for execution_id, revision_id, status, last_seq in _rows(queries.EXECUTIONS, {"ids": list(chunk)}):
        rows = _rows(queries.STEPS, {"id": execution_id})
        yield _Stored(
            execution_id=execution_id,
            revision_id=revision_id,
            status=ExecutionStatus(status),
            last_seq=last_seq,
            steps={row[0]: _step_state(row) for row in rows},
            documents_of_steps={row[0]: str(row[6]) for row in rows if row[6] is not None},
            document_ids=frozenset(str(row[0]) for row in _rows(queries.DOCUMENT_IDS, {"id": execution_id})),
        )


def _step_state(row: tuple[Any, ...]) -> StepState:
    path, step_id, scope_id, sort_key, status, is_held, _document_id = row
    return StepState(
        path=path,
        step_id=step_id,
        item_ids=tuple(scope_id.split(":")[1:]),
        sort_key=sort_key,
        status=StepStatus(status),
        is_in_flight=is_held,
    )


def _events(chunk: Sequence[UUID]) -> Iterator[Frame]:
    for execution_id, seq, event_type, path, data in _stream(queries.EVENTS, {"ids": list(chunk)}):
        yield {
            "execution_id": execution_id,
            "seq": seq,
            "event_type": event_type,
            "path": path,
            "data": json.loads(data),  # Django's cursors hand out jsonb as text
        }


@lru_cache(maxsize=64)
def _layout(revision_id: int) -> Layout:
    return Layout(WorkflowRevision.objects.get(pk=revision_id).parsed())


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _rows(sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _stream(sql: str, params: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield rows from a cursor of the server's, a few at a time: contents are large."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
            yield from rows
