"""What the page of one execution says, gathered in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from documents.models import Document
from documents.rendering import Rendered, render
from executions.amounts import duration, money
from executions.models import Budget, Event, Execution, Gate, LLMCall, Step, StepStatus
from executions.overview import spending_by_step, spending_of, status_sentence
from executions.services.access import gates_waiting_for, is_operator, undecided_gates
from executions.services.stopped import is_own, stopper_of

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


def page_context(execution: Execution, user: User) -> dict[str, Any]:
    """Return everything that the page shows."""
    spending = spending_of(execution)
    gates = Gate.objects.filter(execution=execution).defer("questions", "answers")
    waiting = list(undecided_gates(gates).order_by("opened_at", "id")[:MOST_GATES])
    mine = set(gates_waiting_for(gates, user).values_list("pk", flat=True)[:MOST_GATES])
    documents = Document.objects.filter(execution_id=execution.pk).defer("content", "summary")
    return {
        "execution": execution,
        "sentence": status_sentence(execution, waiting),
        "stopper": _stopper(execution, user),
        "may_raise": is_own(execution.error_code, execution.error_detail) and is_operator(user),
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


def _stopper(execution: Execution, user: User) -> Budget | None:
    """Return the shared budget that has stopped the run, where the person may look at it."""
    budget = stopper_of(execution)
    return budget if budget is not None and (budget.project_id is not None or user.is_superuser) else None


def _step_lines(execution: Execution) -> list[StepLine]:
    steps = list(Step.objects.filter(execution=execution).defer("carry").order_by("sort_key")[:MOST_STEPS])
    costs = spending_by_step(Q(step__in=[step.pk for step in steps]))
    lines = []
    for step in steps:
        spent = costs.get(step.pk)
        lines.append(
            StepLine(
                step=step,
                depth=min(step.path.count("["), 3),
                took=duration(step.started_at, step.completed_at or (timezone.now() if _is_on(step) else None)),
                cost=spent.short if spent is not None else "",
                call_count=spent.call_count if spent is not None else 0,
            )
        )
    return lines


def _is_on(step: Step) -> bool:
    return step.status in (StepStatus.RUNNING, StepStatus.WAITING_ACCEPTANCE, StepStatus.WAITING_CLARIFICATION)


def _step_counts(execution: Execution) -> list[tuple[str, int]]:
    rows = Step.objects.filter(execution=execution).order_by().values("status").annotate(count=Count("id"))
    counts = {row["status"]: row["count"] for row in rows}
    return [(status, counts[status]) for status in StepStatus.values if status in counts]


def _calls(execution: Execution) -> QuerySet[LLMCall]:
    calls = LLMCall.objects.filter(execution=execution).select_related("step")
    return calls.defer("response_text", "usage", "unit_prices", "step__carry")[:MOST_CALLS]


def _brief(execution: Execution) -> Rendered | None:
    return render(execution.brief) if execution.brief else None
