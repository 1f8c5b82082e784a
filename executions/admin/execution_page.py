"""What the page of one execution says, gathered in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from documents.models import Document
from documents.rendering import Rendered, render
from executions.admin.display import duration, in_words, money, span
from executions.admin.waiting import open_gates, waits_for
from executions.models import Event, Execution, ExecutionStatus, Gate, LLMCall, Step, StepStatus

MOST_STEPS = 300
MOST_EVENTS = 50
MOST_CALLS = 50
MOST_DOCUMENTS = 100
MOST_GATES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step with what it took and cost; ``depth`` is how many iterations are around it."""

    step: Step
    depth: int
    took: str
    cost: str
    call_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the calls of a run cost together. Calls without a known price are counted apart, never as zero."""

    known: Decimal
    call_count: int
    unpriced_count: int
    is_offline: bool

    @property
    def text(self) -> str:
        if not self.unpriced_count:
            return money(self.known)
        calls = "1 call has" if self.unpriced_count == 1 else f"{self.unpriced_count} calls have"
        return f"{money(self.known)} or more: {calls} no known price"


def page_context(execution: Execution, user: User) -> dict[str, Any]:
    """Return everything that the page shows."""
    spending = _spending(execution)
    gates = Gate.objects.filter(execution=execution).defer("questions", "answers")
    waiting = list(open_gates(gates).order_by("opened_at", "id")[:MOST_GATES])
    mine = set(waits_for(gates, user).values_list("pk", flat=True)[:MOST_GATES])
    documents = Document.objects.filter(execution_id=execution.pk).defer("content", "summary")
    return {
        "execution": execution,
        "sentence": status_sentence(execution, waiting),
        "for_me": [gate for gate in waiting if gate.pk in mine],
        "for_others": [gate for gate in waiting if gate.pk not in mine],
        "spending": spending,
        "budget": money(execution.budget_usd) if execution.budget_usd is not None else "no limit",
        "elapsed": duration(execution.started_at, execution.completed_at or timezone.now()),
        "brief": _brief(execution),
        "steps": _step_lines(execution),
        "step_counts": _step_counts(execution),
        "events": list(Event.objects.filter(execution=execution).order_by("-seq")[:MOST_EVENTS])[::-1],
        "documents": documents.order_by("-created_at", "-id")[:MOST_DOCUMENTS],
        "gates": gates.order_by("-opened_at", "-id")[:MOST_GATES],
        "calls": _calls(execution),
        "limits": {"steps": MOST_STEPS, "events": MOST_EVENTS, "calls": MOST_CALLS},
    }


def status_sentence(execution: Execution, waiting: Sequence[Gate]) -> str:
    """Say in one sentence where the run stands."""
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
    return f"{in_words(status).capitalize()}: {what} open, the oldest for{since}."


def _spending(execution: Execution) -> Spending:
    row = LLMCall.objects.filter(execution=execution).aggregate(
        known=Sum("cost_usd"),
        count=Count("id"),
        unpriced=Count("id", filter=Q(cost_usd__isnull=True) & ~Q(status="in_flight")),
        offline=Count("id", filter=Q(is_offline=True)),
    )
    return Spending(
        known=row["known"] or Decimal(0),
        call_count=row["count"],
        unpriced_count=row["unpriced"],
        is_offline=row["offline"] > 0,
    )


def _step_lines(execution: Execution) -> list[StepLine]:
    steps = list(Step.objects.filter(execution=execution).defer("carry").order_by("sort_key")[:MOST_STEPS])
    costs = _costs([step.pk for step in steps])
    lines = []
    for step in steps:
        known, count, unpriced = costs.get(step.pk, (None, 0, 0))
        cost = money(known) if count else ""
        lines.append(
            StepLine(
                step=step,
                depth=min(step.path.count("["), 3),
                took=duration(step.started_at, step.completed_at or (timezone.now() if _is_on(step) else None)),
                cost=f"{cost} + unknown" if unpriced and known is not None else cost,
                call_count=count,
            )
        )
    return lines


def _is_on(step: Step) -> bool:
    return step.status in (StepStatus.RUNNING, StepStatus.WAITING_ACCEPTANCE, StepStatus.WAITING_CLARIFICATION)


def _costs(steps: list[int]) -> dict[int, tuple[Decimal | None, int, int]]:
    rows = (
        LLMCall.objects.filter(step__in=steps)
        .order_by()
        .values("step_id")
        .annotate(
            known=Sum("cost_usd"),
            count=Count("id"),
            unpriced=Count("id", filter=Q(cost_usd__isnull=True) & ~Q(status="in_flight")),
        )
    )
    return {row["step_id"]: (row["known"], row["count"], row["unpriced"]) for row in rows}


def _step_counts(execution: Execution) -> list[tuple[str, int]]:
    rows = Step.objects.filter(execution=execution).order_by().values("status").annotate(count=Count("id"))
    counts = {row["status"]: row["count"] for row in rows}
    return [(status, counts[status]) for status in StepStatus.values if status in counts]


def _calls(execution: Execution) -> QuerySet[LLMCall]:
    calls = LLMCall.objects.filter(execution=execution).select_related("step")
    return calls.defer("response_text", "usage", "unit_prices", "step__carry")[:MOST_CALLS]


def _brief(execution: Execution) -> Rendered | None:
    return render(execution.brief) if execution.brief else None


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
