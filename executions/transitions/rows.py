"""The rows of one execution as the engine holds them in memory: plain, mutable, cheap to load.

The ORM's models describe the tables; the hot path reads and writes them through these, in a fixed number
of prepared statements (see docs/architecture.md, "The hot path").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from executions.engine.plan import StepState
from executions.engine.state import ExecutionStatus, StepStatus

JSON = dict[str, Any]


@dataclass(slots=True)
class ExecutionRow:
    id: UUID
    project_id: str
    revision_id: int
    workflow_id: str
    status: ExecutionStatus
    budget_usd: Decimal | None
    cost_usd: Decimal
    reserved_usd: Decimal
    budget_warned: int
    model_ids: dict[str, str]
    started_by_id: int | None
    last_seq: int
    error_code: str
    error_detail: str
    completed_at: datetime | None


@dataclass(slots=True)
class StepRow:
    """``carry`` is what the next attempt must be told: feedback, correction, more room, a call to resume."""

    id: int
    path: str
    step_id: str
    is_iteration: bool
    scope_type: str
    scope_id: str
    sort_key: str
    status: StepStatus
    attempt: int = 0
    tries: int = 0
    failures: int = 0
    provider_failures: int = 0
    crashes: int = 0
    question_rounds: int = 0
    rework_rounds: int = 0
    token: UUID | None = None
    due_at: datetime | None = None
    carry: JSON = field(default_factory=dict)
    document_id: UUID | None = None
    total_items: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_code: str = ""
    error_detail: str = ""
    is_dirty: bool = False

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items around the step, outermost first: a scope id is the project's id and theirs."""
        return tuple(self.scope_id.split(":")[1:])

    def state(self, now: datetime) -> StepState:
        """Return what the planner needs to know of this row."""
        return StepState(
            path=self.path,
            step_id=self.step_id,
            item_ids=self.item_ids,
            sort_key=self.sort_key,
            status=self.status,
            is_in_flight=self.token is not None,
            is_due=self.due_at is None or self.due_at <= now,
        )

    def place(self) -> JSON:
        """Return the columns that never change."""
        return {
            "path": self.path,
            "step_id": self.step_id,
            "is_iteration": self.is_iteration,
            "scope_type": self.scope_type,
            "scope_id": self.scope_id,
            "sort_key": self.sort_key,
        }

    def columns(self) -> JSON:
        """Return the columns that may change."""
        return {
            "status": self.status.value,
            "attempt": self.attempt,
            "tries": self.tries,
            "failures": self.failures,
            "provider_failures": self.provider_failures,
            "crashes": self.crashes,
            "question_rounds": self.question_rounds,
            "rework_rounds": self.rework_rounds,
            "token": self.token,
            "due_at": self.due_at,
            "carry": self.carry,
            "document_id": self.document_id,
            "total_items": self.total_items,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "error_code": self.error_code,
            "error_detail": self.error_detail,
        }
