"""One transition of one execution: lock it, change it in memory, write everything at once.

A :class:`Unit` is the only way to change an execution. :func:`lock` locks the execution's row and loads its
unfinished steps, the caller changes them through the unit, and ``flush`` writes steps, attempts, calls, gates,
events and the execution in one round trip, all in the caller's transaction. ``seq`` of the events is taken under
the lock, so it has no gaps. Several executions may be changed in one transaction (:func:`lock_all`,
:func:`flush_all`): what is sent to the server is the same few statements.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from documents import database
from executions import notifications
from executions.engine.layout import Layout
from executions.engine.plan import Command, execution_status, plan
from executions.engine.state import (
    TERMINAL,
    ErrorCode,
    ExecutionStatus,
    StepStatus,
    check_execution_move,
    check_step_move,
)
from executions.exceptions import ExecutionNotFound
from executions.models import EventType, Execution
from executions.transitions import statements
from executions.transitions.definitions import layout_of
from executions.transitions.rows import JSON, ExecutionRow, StepRow

Statement = tuple[str, list[tuple[Any, ...]]]


class Unit:
    """A locked execution and what is about to be written of it. Made by :func:`lock` and :func:`lock_all` only."""

    def __init__(
        self, execution: ExecutionRow, steps: dict[str, StepRow], now: datetime, *, has_budgets: bool = False
    ) -> None:
        self.execution = execution
        self.steps = steps
        self.now = now
        self.has_budgets = has_budgets  # whether there is any that executions share
        self.reserved_delta = Decimal(0)
        self._events: list[JSON] = []
        self._attempts: list[JSON] = []
        self._calls: list[JSON] = []
        self._finished: list[JSON] = []
        self._statements: list[Statement] = []
        self._is_dirty = False

    @property
    def layout(self) -> Layout:
        return layout_of(self.execution.revision_id)

    @property
    def is_draining(self) -> bool:
        """Whether a step has failed: nothing new starts, what is in flight is finished."""
        return any(step.status is StepStatus.FAILED for step in self.steps.values())

    @property
    def is_over(self) -> bool:
        return self.execution.status in TERMINAL

    def in_flight(self) -> list[StepRow]:
        return [step for step in self.steps.values() if step.token is not None]

    def plan(self) -> list[Command]:
        return plan(self.layout, [step.state(self.now) for step in self._unfinished()])

    def move_step(self, step: StepRow, target: StepStatus) -> None:
        """Change the status of ``step``; times follow from the status."""
        check_step_move(step.status, target)
        step.status = target
        if target is StepStatus.RUNNING and step.started_at is None:
            step.started_at = self.now
        if target is StepStatus.COMPLETED:
            step.completed_at = self.now
        self.touch(step)

    def touch(self, step: StepRow) -> None:
        """Note that the row of ``step`` must be written."""
        step.is_dirty = True
        self._is_dirty = True

    def move_execution(self, target: ExecutionStatus) -> None:
        execution = self.execution
        if execution.status is target:
            return
        check_execution_move(execution.status, target)
        execution.status = target
        execution.completed_at = self.now if target in TERMINAL else None
        self._is_dirty = True

    def event(self, event_type: EventType, data: JSON, step: StepRow | None = None) -> None:
        """Append one event; its ``seq`` is the next one."""
        self.execution.last_seq += 1
        self._is_dirty = True
        self._events.append(
            {
                "execution_id": self.execution.id,
                "at": self.now,
                "seq": self.execution.last_seq,
                "event_type": event_type.value,
                "step_id": step.step_id if step else "",
                "path": step.path if step else "",
                "data": data,
            }
        )

    def attempt(self, row: JSON) -> None:
        """Have a running attempt written."""
        self._attempts.append({"execution_id": self.execution.id, "at": self.now, **row})

    def finish_attempt(self, row: JSON) -> None:
        """Have a running attempt ended."""
        self._finished.append({"at": self.now, **row})
        self._is_dirty = True

    def call(self, row: JSON) -> None:
        """Have a model call written that is about to be sent."""
        self._calls.append({"execution_id": self.execution.id, "at": self.now, **row})

    def write(self, sql: str, *params: tuple[Any, ...]) -> None:
        """Run ``sql`` once per tuple of parameters when the unit is written, before all else."""
        self._statements.append((sql, list(params)))

    def fail_step(self, step: StepRow, code: ErrorCode, detail: str) -> None:
        """End ``step`` with an error; the first one is the execution's."""
        self.move_step(step, StepStatus.FAILED)
        step.token, step.due_at = None, None
        step.error_code, step.error_detail = code.value, detail
        self.event(EventType.STEP_FAILED, {"code": code.value, "detail": detail}, step)
        if not self.execution.error_code:
            self.execution.error_code, self.execution.error_detail = code.value, detail

    def settle_status(self) -> None:
        """Give the execution the status that its steps imply, with the event that ends it, if it ends."""
        if self.is_over:
            return
        unfinished = [step.state(self.now) for step in self._unfinished()]
        status = execution_status(self.layout, unfinished)
        has_begun = any(step.status is not StepStatus.PENDING for step in self.steps.values())
        is_still_pending = self.execution.status is ExecutionStatus.PENDING and not has_begun
        if status is self.execution.status or (status is ExecutionStatus.RUNNING and is_still_pending):
            return
        self.move_execution(status)
        if status is ExecutionStatus.COMPLETED:
            self.event(EventType.EXECUTION_COMPLETED, {})
        elif status is ExecutionStatus.FAILED:
            self._end_failed()

    def _end_failed(self) -> None:
        for step in self.steps.values():
            if step.status is StepStatus.RUNNING and not step.is_iteration:
                # It was to be tried again; a retry of the execution starts it afresh.
                self.move_step(step, StepStatus.PENDING)
                step.due_at = None
        execution = self.execution
        if not execution.error_code:
            execution.error_code = ErrorCode.INTERNAL_ERROR.value
            execution.error_detail = "Nothing can go on: the definition's steps wait for each other."
        self.event(EventType.EXECUTION_FAILED, {"code": execution.error_code, "detail": execution.error_detail})

    def _unfinished(self) -> list[StepRow]:
        return [step for step in self.steps.values() if step.status is not StepStatus.COMPLETED]

    def flush(self) -> None:
        """Write everything that was collected; nothing is sent where nothing changed."""
        flush_all([self])

    def _take_written(self) -> dict[str, list[JSON]]:
        """Return the rows to write, by table, and forget them."""
        row = self.execution
        changed = [step for step in self.steps.values() if step.is_dirty]
        for step in changed:
            step.is_dirty = False
        execution = {
            "id": row.id,
            "at": self.now,
            "status": row.status.value,
            "last_seq": row.last_seq,
            "reserved": self.reserved_delta,
            "warned": row.budget_warned,
            "error_code": row.error_code,
            "error_detail": row.error_detail,
            "completed_at": row.completed_at,
        }
        written = {
            "finished": self._finished,
            "steps": [{"id": step.id, **step.columns()} for step in changed],
            "attempts": self._attempts,
            "calls": self._calls,
            "events": self._events,
            "executions": [execution],
        }
        self._statements, self._events, self._attempts, self._calls, self._finished = [], [], [], [], []
        self.reserved_delta = Decimal(0)
        self._is_dirty = False
        return written

    def insert_steps(self, steps: list[StepRow]) -> None:
        """Insert new rows at once (their ids are needed before the unit is written)."""
        rows = [{**step.place(), **step.columns()} for step in steps]
        inserted = database.rows(statements.INSERT_STEPS, (self.execution.id, database.json_rows(rows)))
        ids = {path: row_id for row_id, path in inserted}
        for step in steps:
            step.id, step.is_dirty = ids[step.path], False
            self.steps[step.path] = step
        self._is_dirty = True


def flush_all(units: Sequence[Unit]) -> None:
    """Write what several units have collected, in one round trip."""
    changed = [unit for unit in units if unit._is_dirty or unit._statements or unit.reserved_delta]
    if not changed:
        return
    # Nobody can watch what was not there before its first event.
    news = [unit.execution.id for unit in changed if unit._events and unit._events[0]["seq"] > 1]
    first = [(sql, row) for unit in changed for sql, params in unit._statements for row in params]
    tables: dict[str, list[JSON]] = {}
    for unit in changed:
        for table, rows in unit._take_written().items():
            tables.setdefault(table, []).extend(rows)
    params = {table: database.json_rows(rows) for table, rows in tables.items()}
    database.query_together(*first, (statements.WRITE, params))
    notifications.publish(news)


def unit_of_new(execution: Execution) -> Unit:
    """Return the unit of an execution that the caller's transaction has just inserted: nobody else can see it yet."""
    values = {field.name: getattr(execution, field.name) for field in fields(ExecutionRow)}
    row = ExecutionRow(**(values | {"status": ExecutionStatus(execution.status)}))
    return Unit(row, {}, execution.updated_at)


def lock(execution_id: UUID) -> Unit:
    """Lock and load; the caller holds the transaction and calls :meth:`Unit.flush`.

    :raises ExecutionNotFound: there is none of that id.
    """
    return lock_all([execution_id])[execution_id]


def lock_all(execution_ids: Collection[UUID]) -> dict[UUID, Unit]:
    """Lock and load several executions, always in the order of their ids, so that nobody waits in a circle.

    :raises ExecutionNotFound: there is none of one of the ids.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an execution is locked only inside a transaction")
    wanted = list(execution_ids)
    execution_rows, step_rows = database.query_together(
        (statements.LOCK_EXECUTIONS, (wanted,)), (statements.UNFINISHED_STEPS, (wanted,))
    )
    steps: dict[UUID, dict[str, StepRow]] = {execution_id: {} for execution_id in wanted}
    clock: datetime = step_rows[0][0]
    has_budgets: bool = step_rows[0][1]
    for _, _, execution_id, *columns in step_rows:
        if execution_id is not None:
            step = StepRow(*columns)
            step.status = StepStatus(step.status)
            steps[execution_id][step.path] = step
    units = {}
    for *values, updated_at in execution_rows:
        execution = ExecutionRow(*values)
        execution.status = ExecutionStatus(execution.status)
        # The clock may have been set back; a history's times never are.
        units[execution.id] = Unit(execution, steps[execution.id], max(clock, updated_at), has_budgets=has_budgets)
    for execution_id in wanted:
        if execution_id not in units:
            raise ExecutionNotFound(str(execution_id))
    return units
