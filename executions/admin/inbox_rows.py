"""The rows of the inbox: what is said of each gate, found with one statement per kind of fact, not per row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Func, IntegerField, Q, Sum
from django.utils import timezone

from documents.models import Document
from documents.rendering import visible
from executions.amounts import money
from executions.models import Attempt, Decision, Gate, GateAssignment, GateClaim, GateKind, GateStatus, LLMCall
from executions.services.claims import assignments_of, claims_of

_SOON = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One gate as the inbox, and the page that accepts several, show it."""

    gate: Gate
    what: str
    title: str
    is_sample: bool
    checks: str
    cost: str
    claim: GateClaim | None
    is_claimed_by_me: bool
    assignment: GateAssignment | None
    is_handed_to_me: bool
    votes: Sequence[Decision]
    can_accept: bool
    is_late: bool
    is_soon: bool

    @property
    def outcome(self) -> str:
        """Return how a closed gate ended: what was decided last there, or what else became of it."""
        return self.votes[-1].decision if self.votes else self.gate.status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What it took to make the document of a step."""

    tries: int = 0
    findings: int = 0


def rows_of(gates: Sequence[Gate], user: User) -> list[InboxRow]:
    """Return ``gates`` (as :func:`executions.admin.inbox.shown_gates` has them) as rows, in their order."""
    now = timezone.now()
    keys = [gate.pk for gate in gates]
    steps = [gate.step_id for gate in gates]
    claims, handed = claims_of(keys, now), assignments_of(keys)
    documents = _documents([gate.document_id for gate in gates if gate.document_id is not None])
    work, costs, votes = _work(steps), _costs([gate.execution_id for gate in gates], steps), _votes(keys)
    found = []
    for gate in gates:
        document = documents.get(gate.document_id) if gate.document_id is not None else None
        held, given = claims.get(gate.pk), handed.get(gate.pk)
        is_open = gate.status == GateStatus.OPEN
        found.append(
            InboxRow(
                gate=gate,
                what=_what(gate),
                title=visible(document.title) if document is not None else "",
                is_sample=document is not None and document.is_offline,
                checks=_checks(gate, work.get(gate.step_id, _Work())),
                cost=costs.get(gate.step_id, money(Decimal(0))),
                claim=held,
                is_claimed_by_me=held is not None and held.user_id == user.pk,
                assignment=given,
                is_handed_to_me=given is not None and given.user_id == user.pk,
                votes=votes[gate.pk],
                can_accept=is_open and gate.kind == GateKind.ACCEPTANCE and getattr(gate, "is_mine", False),
                is_late=is_open and gate.due_at is not None and gate.due_at < now,
                is_soon=is_open and gate.due_at is not None and now <= gate.due_at < now + _SOON,
            )
        )
    return found


def _what(gate: Gate) -> str:
    if gate.kind == GateKind.ACCEPTANCE:
        return f"{gate.document_type} v{gate.document_version}"
    count = getattr(gate, "question_count", 0)
    return f"{count} question{'' if count == 1 else 's'} for {gate.document_type}"


def _checks(gate: Gate, work: _Work) -> str:
    """Say what stood in the way of this version, as far as it was checked by us."""
    said = []
    if work.findings:
        said.append(f"{work.findings} finding{'' if work.findings == 1 else 's'} mended")
    if work.tries > 1:
        said.append(f"{work.tries} tries")
    if gate.step.rework_rounds:
        said.append(f"rework round {gate.step.rework_rounds}")
    return ", ".join(said) or ("no findings" if gate.kind == GateKind.ACCEPTANCE else "")


def _documents(keys: Collection[UUID]) -> dict[UUID, Document]:
    return {each.pk: each for each in Document.objects.filter(pk__in=keys).only("pk", "title", "is_offline")}


def _work(steps: Collection[int]) -> dict[int, _Work]:
    length = Func("findings", function="jsonb_array_length", output_field=IntegerField())
    rows = Attempt.objects.filter(step__in=steps).order_by().values("step_id")
    counted = rows.annotate(tries=Count("pk"), found=Sum(length)).values_list("step_id", "tries", "found")
    return {step_id: _Work(tries=tries, findings=found or 0) for step_id, tries, found in counted}


def _costs(executions: Collection[UUID], steps: Collection[int]) -> dict[int, str]:
    """Return what the calls of each step have cost; what has no price is unknown, never zero."""
    rows = LLMCall.objects.filter(execution__in=set(executions), step__in=steps).order_by().values("step_id")
    priceless = Count("pk", filter=Q(cost_usd__isnull=True) & ~Q(status="in_flight"))
    summed = rows.annotate(total=Sum("cost_usd"), priceless=priceless).values_list("step_id", "total", "priceless")
    return {step_id: money(None if without else total or Decimal(0)) for step_id, total, without in summed}


def _votes(gates: Collection[UUID]) -> dict[UUID, list[Decision]]:
    found: dict[UUID, list[Decision]] = defaultdict(list)
    shown = Decision.objects.filter(gate__in=gates).only("gate", "user", "by", "decision", "channel", "decided_at")
    for decision in shown.order_by("decided_at", "id"):
        found[decision.gate_id].append(decision)
    return found
