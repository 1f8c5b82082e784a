"""Where a run stands, in words: what the desk's page and the live page say of it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.utils import timezone

from documents.models import Document
from executions.amounts import duration, money, span
from executions.models import Execution, ExecutionStatus, Gate, LLMCall, Step, StepStatus

_MOST_NAMED = 5
_UNPRICED = Q(cost_usd__isnull=True) & ~Q(status="in_flight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What some calls cost together. Calls without a known price are counted apart, never as zero."""

    known: Decimal
    call_count: int
    unpriced_count: int
    priced_count: int
    is_offline: bool = False

    @property
    def text(self) -> str:
        if not self.unpriced_count:
            return money(self.known)
        calls = "1 call has" if self.unpriced_count == 1 else f"{self.unpriced_count} calls have"
        return f"{money(self.known)} or more: {calls} no known price"

    @property
    def short(self) -> str:
        """Return what fits a narrow place; nothing where no call has ended yet."""
        if self.unpriced_count:
            return f"{money(self.known)} + unknown" if self.priced_count else "unknown"
        return money(self.known) if self.priced_count else ""


def spending_of(execution: Execution) -> Spending:
    row = LLMCall.objects.filter(execution=execution).aggregate(
        known=Sum("cost_usd"),
        count=Count("id"),
        unpriced=Count("id", filter=_UNPRICED),
        priced=Count("cost_usd"),
        offline=Count("id", filter=Q(is_offline=True)),
    )
    return Spending(
        known=row["known"] or Decimal(0),
        call_count=row["count"],
        unpriced_count=row["unpriced"],
        priced_count=row["priced"],
        is_offline=row["offline"] > 0,
    )


def spending_by_step(steps: Q) -> dict[int, Spending]:
    """Return what the calls of each step cost; ``steps`` is a condition on calls."""
    rows = LLMCall.objects.filter(steps).order_by().values("step_id")
    rows = rows.annotate(
        known=Sum("cost_usd"),
        count=Count("id"),
        unpriced=Count("id", filter=_UNPRICED),
        priced=Count("cost_usd"),
        offline=Count("id", filter=Q(is_offline=True)),
    )
    return {
        row["step_id"]: Spending(
            known=row["known"] or Decimal(0),
            call_count=row["count"],
            unpriced_count=row["unpriced"],
            priced_count=row["priced"],
            is_offline=row["offline"] > 0,
        )
        for row in rows
    }


def status_sentence(execution: Execution, waiting: Sequence[Gate]) -> str:
    """Say in one sentence where the run stands; ``waiting`` are its undecided gates, oldest first."""
    status = ExecutionStatus(execution.status)
    length = duration(execution.started_at, execution.completed_at)
    if status == ExecutionStatus.COMPLETED:
        return f"Completed in {length}."
    if status == ExecutionStatus.CANCELLED:
        return f"Cancelled after {length}. What was finished by then is kept."
    if status == ExecutionStatus.FAILED:
        return f"Failed after {length}. A retry repeats only what is not finished."
    if status == ExecutionStatus.PENDING:
        return f"Started {span(timezone.now() - execution.started_at)} ago; a worker will take it up."
    since = f" {span(timezone.now() - waiting[0].opened_at)} by now" if waiting else ""
    what = f"{len(waiting)} decision{'s' if len(waiting) != 1 else ''}"
    if status == ExecutionStatus.RUNNING:
        return "Running." if not waiting else f"Running; beside that it waits for {what}, the oldest for{since}."
    kind = "acceptance" if status == ExecutionStatus.WAITING_ACCEPTANCE else "clarification"
    return f"Waiting for {kind}: {what} open, the oldest for{since}."


def kept_when_cancelled(execution_id: UUID) -> list[str]:
    """Say what a cancellation keeps and what it breaks off."""
    documents = Document.objects.filter(execution_id=execution_id).count()
    calls = LLMCall.objects.filter(execution_id=execution_id, status="in_flight").count()
    gates = Gate.objects.filter(execution_id=execution_id, status="open").count()
    kept = "1 document is kept" if documents == 1 else f"{documents} documents are kept"
    said = [
        f"{kept}, in the state that it has now." if documents == 1 else f"{kept}, in the states that they have now."
    ]
    if calls:
        said.append(f"Calls to the model that are under way ({calls}) are broken off; what they used is booked.")
    if gates:
        said.append(f"Open gates ({gates}) are closed; nobody will be asked any more.")
    return [*said, "A cancelled run is over for good. To go on, start a new one."]


def goes_on_from(execution: Execution) -> list[str]:
    """Say which steps a retry does again, and what they may cost, judged by what they have cost so far."""
    failed = Step.objects.filter(execution=execution, status=StepStatus.FAILED).order_by("sort_key")
    steps = list(failed.filter(is_iteration=False).values_list("path", "error_code")[: _MOST_NAMED + 1])
    if not steps:
        return []
    named = ", ".join(f"{path} ({code})" if code else path for path, code in steps[:_MOST_NAMED])
    more = " and others" if len(steps) > _MOST_NAMED else ""
    calls = LLMCall.objects.filter(step__in=failed.values("pk"))
    spent = calls.aggregate(known=Sum("cost_usd"))["known"]
    cost = f" They have cost {money(spent)} so far, and may cost as much again." if spent is not None else ""
    return [f"The run goes on from: {named}{more}.{cost}"]
