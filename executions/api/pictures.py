"""Pictures of executions: rows gathered in a fixed number of statements, and what follows from them.

Serializers give a picture its shape; streams and pages that show the same thing use the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db.models import Case, Value, When

from documents.models import Document
from executions.engine.state import TERMINAL, ExecutionStatus
from executions.models import Execution, Gate, GateKind, GateStatus, Step, StepStatus

_AT_WORK = (StepStatus.RUNNING, StepStatus.WAITING_CLARIFICATION, StepStatus.WAITING_ACCEPTANCE)
_STEP_COLUMNS = (
    "path", "step_id", "is_iteration", "status", "attempt", "started_at", "completed_at", "total_items", "sort_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an iteration is: items in its collection (None: not known yet), and how many are finished."""

    total: int | None
    completed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAcceptance:
    gate: Gate
    document: Document | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """An execution as lists show it."""

    execution: Execution
    current_step_id: str | None

    @property
    def error(self) -> dict[str, str] | None:
        execution = self.execution
        if not execution.error_code:
            return None
        return {"code": execution.error_code, "detail": execution.error_detail}


@dataclass(frozen=True, kw_only=True)
class Picture(Summary):
    """An execution whole: its steps in order, and its open gates, oldest first."""

    steps: Sequence[Step]
    gates: Sequence[Gate]
    reviewed: Document | None = None

    @property
    def completed_steps(self) -> list[str]:
        """Paths of the finished production steps, in the order in which they were finished."""
        done = [(step.completed_at, step.sort_key, step.path) for step in self._production if step.completed_at]
        return [path for _, _, path in sorted(done)]

    @property
    def step_progress(self) -> dict[str, Step]:
        return {step.path: step for step in self._production}

    @property
    def _production(self) -> list[Step]:
        return [step for step in self.steps if not step.is_iteration]

    @cached_property
    def iteration_progress(self) -> dict[str, Progress]:
        """An item is finished when every step inside it is."""
        items: dict[str, dict[str, bool]] = {step.path: {} for step in self.steps if step.is_iteration}
        for step in self.steps:
            for path, item in items_around(step.path):
                is_done = step.status == StepStatus.COMPLETED
                items[path][item] = items[path].get(item, True) and is_done
        totals = {step.path: step.total_items for step in self.steps}
        return {path: Progress(total=totals[path], completed=sum(found.values())) for path, found in items.items()}

    @property
    def pending_acceptance(self) -> PendingAcceptance | None:
        gate = _first(self.gates, GateKind.ACCEPTANCE)
        return None if gate is None else PendingAcceptance(gate=gate, document=self.reviewed)

    @property
    def pending_clarification(self) -> Gate | None:
        return _first(self.gates, GateKind.CLARIFICATION)


def picture_of(execution: Execution) -> Picture:
    """Gather everything about one execution."""
    steps = list(Step.objects.filter(execution=execution).order_by("sort_key").only(*_STEP_COLUMNS))
    gates = list(
        Gate.objects.filter(execution=execution, status=GateStatus.OPEN)
        .select_related("step")
        .prefetch_related("decisions")
        .order_by("opened_at", "id")
    )
    for gate in gates:
        gate.execution = execution
    reviewed = _first(gates, GateKind.ACCEPTANCE)
    return Picture(
        execution=execution,
        steps=steps,
        gates=gates,
        current_step_id=_current(execution, steps),
        reviewed=None if reviewed is None else _reviewed(reviewed),
    )


def summaries_of(executions: Sequence[Execution]) -> list[Summary]:
    """Gather what lists show of some executions, in one statement more."""
    active = [execution.pk for execution in executions if not _is_over(execution)]
    rank = Case(When(status__in=_AT_WORK, then=Value(0)), default=Value(1))
    first = (
        Step.objects.filter(execution__in=active, is_iteration=False, status__in=(*_AT_WORK, StepStatus.PENDING))
        .order_by("execution_id", rank, "sort_key")
        .distinct("execution_id")
        .values_list("execution_id", "step_id")
    )
    current: dict[UUID, str] = dict(first)
    return [Summary(execution=execution, current_step_id=current.get(execution.pk)) for execution in executions]


def items_around(path: str) -> Iterator[tuple[str, str]]:
    """Yield (path of the iteration, item id) of each iteration around a step, outermost first.

    Ids hold dots, but never brackets: ``per_epic[E1].per_story[S2].plan``.
    """
    end = 0
    while (begin := path.find("[", end)) != -1:
        end = path.index("]", begin)
        yield path[:begin], path[begin + 1 : end]


def _current(execution: Execution, steps: Sequence[Step]) -> str | None:
    if _is_over(execution):
        return None
    production = [step for step in steps if not step.is_iteration]
    at_work = (step.step_id for step in production if step.status in _AT_WORK)
    pending = (step.step_id for step in production if step.status == StepStatus.PENDING)
    return next(at_work, None) or next(pending, None)


def _is_over(execution: Execution) -> bool:
    return ExecutionStatus(execution.status) in TERMINAL


def _reviewed(gate: Gate) -> Document:
    assert gate.document_id is not None
    return Document.objects.defer("content").get(pk=gate.document_id)


def _first(gates: Sequence[Gate], kind: GateKind) -> Gate | None:
    return next((gate for gate in gates if gate.kind == kind), None)
