"""An execution's history, added up: what its events alone say of it. Pure.

A frame is one event as clients see it, a mapping with ``seq``, ``event_type``, ``path`` and ``data``. What the fold
says must be what is stored; ``executions.verification`` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from executions.engine.state import FINAL, ExecutionStatus, StepStatus

Frame = Mapping[str, Any]

_ENDS = {
    "execution_completed": ExecutionStatus.COMPLETED,
    "execution_failed": ExecutionStatus.FAILED,
    "execution_cancelled": ExecutionStatus.CANCELLED,
}
_STEP_MOVES = {
    "step_started": StepStatus.RUNNING,
    "step_retrying": StepStatus.RUNNING,
    "clarification_needed": StepStatus.WAITING_CLARIFICATION,
    "clarification_answered": StepStatus.RUNNING,
    "acceptance_needed": StepStatus.WAITING_ACCEPTANCE,
    "step_completed": StepStatus.COMPLETED,
    "step_failed": StepStatus.FAILED,
    "iteration_expanded": StepStatus.RUNNING,
}
_OVER = frozenset({StepStatus.COMPLETED, StepStatus.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What events add up to. A step that no event names is pending (cancelled, in a cancelled execution).

    Between its start and its end an execution is folded to ``running`` while a step is at work or nothing waits;
    a step that could start, but has not, is in no event, so ``waiting_*`` may in truth be ``running``.
    """

    status: ExecutionStatus
    completed_steps: tuple[str, ...]
    document_ids: tuple[str, ...]
    steps: Mapping[str, StepStatus]
    documents_of_steps: Mapping[str, str]


def fold(events: Iterable[Frame]) -> Folded:
    """Return what ``events``, in the order of their ``seq``, add up to."""
    state = _State()
    for event in events:
        state.add(event)
    return Folded(
        status=state.status(),
        completed_steps=tuple(state.completed),
        document_ids=tuple(state.document_ids),
        steps=state.steps,
        documents_of_steps=state.documents,
    )


def order_problems(events: Iterable[Frame]) -> list[str]:
    """Return what stands where it must not: after an end, or twice."""
    problems: list[str] = []
    end: str | None = None
    completed: set[str] = set()
    for number, event in enumerate(events):
        kind, path = event["event_type"], event["path"]
        if (kind == "execution_started") is not (number == 0):
            problems.append(f"event {event['seq']} is {kind}; execution_started is the first event, and only that")
        if end == "execution_failed" and kind != "execution_retried":
            problems.append(f"event {event['seq']} ({kind}) follows execution_failed without a retry")
        elif end is not None and _ENDS[end] in FINAL:
            problems.append(f"event {event['seq']} ({kind}) follows {end}")
        elif end is None and kind == "execution_retried":
            problems.append(f"event {event['seq']}: a retry of an execution that had not failed")
        if path in completed and path:
            problems.append(f"event {event['seq']} ({kind}) follows the completion of {path}")
        if kind == "step_completed":
            completed.add(path)
        end = kind if kind in _ENDS else None
    return problems


@dataclass(slots=True)
class _State:
    """The sum so far."""

    end: ExecutionStatus | None = None
    steps: dict[str, StepStatus] = field(default_factory=dict)
    iterations: set[str] = field(default_factory=set)
    completed: list[str] = field(default_factory=list)
    document_ids: list[str] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)

    def add(self, event: Frame) -> None:
        kind, path, data = event["event_type"], event["path"], event["data"]
        if kind in _STEP_MOVES:
            self.steps[path] = _STEP_MOVES[kind]
        if kind == "iteration_expanded":
            self.iterations.add(path)
        elif kind == "step_completed":
            self.completed.append(path)
        elif kind == "document_created":
            self.document_ids.append(data["document_id"])
            if path:
                self.documents[path] = data["document_id"]
        elif kind == "execution_retried":
            self.end = None
            self._replace({StepStatus.FAILED}, StepStatus.PENDING)
        elif kind in _ENDS:
            self._finish(_ENDS[kind])

    def _finish(self, end: ExecutionStatus) -> None:
        self.end = end
        if end is ExecutionStatus.CANCELLED:
            self._replace(set(StepStatus) - _OVER, StepStatus.CANCELLED)
        elif end is ExecutionStatus.FAILED:
            # What was to be tried again waits for a retry of the execution; iterations stay as they are.
            self._replace({StepStatus.RUNNING}, StepStatus.PENDING, spared=self.iterations)

    def _replace(self, old: set[StepStatus], new: StepStatus, spared: Iterable[str] = ()) -> None:
        for path, status in self.steps.items():
            if status in old and path not in spared:
                self.steps[path] = new

    def status(self) -> ExecutionStatus:
        if self.end is not None:
            return self.end
        if not self.steps:
            return ExecutionStatus.PENDING
        statuses = {status for path, status in self.steps.items() if path not in self.iterations}
        if StepStatus.RUNNING not in statuses and StepStatus.FAILED not in statuses:
            if StepStatus.WAITING_CLARIFICATION in statuses:
                return ExecutionStatus.WAITING_CLARIFICATION
            if StepStatus.WAITING_ACCEPTANCE in statuses:
                return ExecutionStatus.WAITING_ACCEPTANCE
        return ExecutionStatus.RUNNING
