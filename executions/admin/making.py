"""How a version was made: what the model was told and given, each try, what was found, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Prefetch, Q, QuerySet, Sum

from documents.models import Document, DocumentStatus
from executions.amounts import money
from executions.models import Attempt, CallStatus, Decision, DecisionKind, Gate, GateKind, GateStatus, LLMCall
from workflows.definition import Definition, ProductionStep

MOST_ATTEMPTS = 30
_SETTLED = (DocumentStatus.ACCEPTED.value, DocumentStatus.FINAL.value)
_SENT_BACK = (DecisionKind.REQUEST_CHANGES.value, DecisionKind.REJECT.value)
_OVER = ~Q(status=CallStatus.IN_FLIGHT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One document that the step builds on. ``document`` is ``None`` where the run has none."""

    name: str
    scope_id: str
    document: Document | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Everything of the view "How it was made". ``attempts`` are those of this version, the last one first.

    A version by a person names them as ``writer``: no model was asked for it.
    """

    step: ProductionStep | None
    inputs: tuple[Input, ...]
    answered: tuple[Gate, ...]
    sent_back: tuple[Decision, ...]
    attempts: tuple[Attempt, ...]
    has_more: bool
    cost: str
    writer: str = ""
    from_version: int = 0


def last_round(gate: Gate, history: Sequence[Decision]) -> datetime | None:
    """Return when the version before was sent back: what came later was done for this one."""
    times = [
        decision.decided_at
        for decision in history
        if decision.decision in _SENT_BACK and (decision.document_version or 0) < (gate.document_version or 0)
    ]
    return max(times, default=None)


def round_cost(gate: Gate, history: Sequence[Decision]) -> Decimal | None:
    """Return what the model's work on this version cost; ``None`` where that is not known. One statement."""
    row = _calls(gate, history).aggregate(
        known=Sum("cost_usd"), unknown=Count("pk", filter=Q(cost_usd__isnull=True) & _OVER), count=Count("pk")
    )
    known: Decimal | None = row["known"]
    return known if row["count"] and not row["unknown"] else None


def making_of(gate: Gate, document: Document, definition: Definition, history: Sequence[Decision]) -> Making:
    """Gather it, in a fixed number of statements."""
    by_hand = document.edits or {}
    if by_hand.get("by"):
        return Making(
            step=None,
            inputs=(),
            answered=(),
            sent_back=(),
            attempts=(),
            has_more=False,
            cost="",
            writer=by_hand["by"],
            from_version=by_hand["from_version"],
        )
    found = definition.step(gate.step.step_id)
    step = found if isinstance(found, ProductionStep) else None
    calls = LLMCall.objects.filter(execution=gate.execution_id).defer("response_text", "usage", "unit_prices")
    calls = calls.order_by("started_at", "id")
    attempts = Attempt.objects.filter(step=gate.step_id, started_at__lte=document.created_at)
    since = last_round(gate, history)
    if since is not None:
        attempts = attempts.filter(started_at__gte=since)
    rows = list(attempts.order_by("-n").prefetch_related(Prefetch("calls", queryset=calls))[: MOST_ATTEMPTS + 1])
    answered = Gate.objects.filter(
        execution=gate.execution_id,
        kind=GateKind.CLARIFICATION,
        status=GateStatus.DECIDED,
        closed_at__lte=document.created_at,
    )
    return Making(
        step=step,
        inputs=_inputs(gate, document, definition, step) if step is not None else (),
        answered=tuple(answered.order_by("opened_at", "id")),
        sent_back=tuple(each for each in history if each.decision in _SENT_BACK and each.decided_at == since),
        attempts=tuple(rows[:MOST_ATTEMPTS]),
        has_more=len(rows) > MOST_ATTEMPTS,
        cost=money(round_cost(gate, history)),
    )


def _calls(gate: Gate, history: Sequence[Decision]) -> QuerySet[LLMCall]:
    # By the execution as well, for which there is an index.
    calls = LLMCall.objects.filter(execution=gate.execution_id, step=gate.step_id)
    since = last_round(gate, history)
    return calls if since is None else calls.filter(started_at__gte=since)


def _inputs(gate: Gate, document: Document, definition: Definition, step: ProductionStep) -> tuple[Input, ...]:
    """Return the documents that the step was given: of its own run, settled when it ran, in the scopes around it."""
    wanted = {
        ref.doc_type: _scope_around(gate, definition, ref.doc_type) for ref in step.inputs if ref.doc_type is not None
    }
    rows = Document.objects.filter(
        execution_id=gate.execution_id,
        document_type__in=wanted,
        status__in=_SETTLED,
        created_at__lte=document.created_at,
    )
    newest: dict[tuple[str, str], Document] = {}
    for row in rows.filter(scope_id__in=set(wanted.values())).defer("content", "summary").order_by("version"):
        newest[row.document_type, row.scope_id] = row
    names = definition.document_types
    return tuple(
        Input(
            name=names[doc_type].name if doc_type in names else doc_type,
            scope_id=scope_id,
            document=newest.get((doc_type, scope_id)),
        )
        for doc_type, scope_id in wanted.items()
    )


def _scope_around(gate: Gate, definition: Definition, doc_type: str) -> str:
    """Return the scope instance, around the gate's, in which documents of this type live."""
    depth = 1
    scope = definition.scopes[definition.document_types[doc_type].scope]
    while scope.parent is not None:
        depth += 1
        scope = definition.scopes[scope.parent]
    return ":".join(gate.scope_id.split(":")[:depth])
