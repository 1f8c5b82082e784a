"""One transition of one execution: lock it, change it in memory, write everything at once.

:func:`locked` is the only way to change an execution. Inside it the execution row is locked, its
unfinished steps are loaded, and the changes are collected; leaving the block writes steps, attempts,
calls, gates, events and the execution in one round trip, in Django's transaction. ``seq`` of the events
is taken under the lock, so it has no gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from documents import database
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
from executions.models import EventType
from executions.transitions import statements
from executions.transitions.definitions import layout_of
from executions.transitions.rows import JSON, ExecutionRow, StepRow

Statement = tuple[str, list[tuple[Any, ...]]]


class Unit:
    """A locked execution and what is about to be written of it. Made by :func:`locked` only."""

    def __init__(self, execution: ExecutionRow, steps: dict[str, StepRow], now: datetime) -> None:
        self.execution = execution
        self.steps = steps
        self.now = now
        self.reserved_delta = Decimal(0)
        self._events: list[tuple[Any, ...]] = []
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
            (
                self.execution.id,
                self.execution.last_seq,
                event_type.value,
                step.step_id if step else "",
                step.path if step else "",
                self.now,
                Jsonb(data),
            )
        )

    def write(self, sql: str, *params: tuple[Any, ...]) -> None:
        """Run ``sql`` once per tuple of parameters when the unit is written."""
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
        if not (self._is_dirty or self._statements or self.reserved_delta):
            return
        raw = database.raw_connection()
        with connection.wrap_database_errors, raw.pipeline():
            cursor = database.Cursor(raw)
            self._write_steps(cursor)
            for sql, params in self._statements:
                for row in params:
                    cursor.execute(sql, row, prepare=True)
            for row in self._events:
                cursor.execute(statements.INSERT_EVENT, row, prepare=True)
            cursor.execute(statements.UPDATE_EXECUTION, self._execution_params(), prepare=True)
        self._statements, self._events = [], []
        self.reserved_delta = Decimal(0)
        self._is_dirty = False

    def _write_steps(self, cursor: database.Cursor) -> None:
        for step in self.steps.values():
            if step.is_dirty and not step.is_new:
                cursor.execute(statements.UPDATE_STEP, (*_mutable(step), step.id), prepare=True)
                step.is_dirty = False

    def _execution_params(self) -> tuple[Any, ...]:
        row = self.execution
        return (
            row.status.value,
            row.last_seq,
            self.reserved_delta,
            row.error_code,
            row.error_detail,
            row.completed_at,
            self.now,
            row.id,
        )

    def insert_steps(self, steps: list[StepRow]) -> None:
        """Insert new rows at once (their ids are needed before the unit is written)."""
        raw = database.raw_connection()
        with connection.wrap_database_errors:
            cursors = []
            with raw.pipeline():
                for step in steps:
                    cursor = database.Cursor(raw)
                    cursor.execute(statements.INSERT_STEP, _all_columns(self.execution.id, step), prepare=True)
                    cursors.append(cursor)
            for step, cursor in zip(steps, cursors, strict=True):
                row = cursor.fetchone()
                assert row is not None
                step.id, step.is_new, step.is_dirty = row[0], False, False
        self.steps.update({step.path: step for step in steps})
        self._is_dirty = True


@contextmanager
def locked(execution_id: UUID) -> Iterator[Unit]:
    """Lock an execution in a transaction of its own (or the caller's) and write its changes at the end.

    :raises ExecutionNotFound: there is none of that id.
    """
    with transaction.atomic():
        unit = lock(execution_id)
        yield unit
        unit.flush()


def lock(execution_id: UUID) -> Unit:
    """Lock and load; the caller holds the transaction and calls :meth:`Unit.flush`."""
    if not connection.in_atomic_block:
        raise RuntimeError("an execution is locked only inside a transaction")
    execution_rows, step_rows, clock = database.query_together(
        (statements.LOCK_EXECUTION, (execution_id,)),
        (statements.UNFINISHED_STEPS, (execution_id,)),
        (statements.CLOCK, ()),
    )
    if not execution_rows:
        raise ExecutionNotFound(str(execution_id))
    execution = ExecutionRow(*execution_rows[0])
    execution.status = ExecutionStatus(execution.status)
    steps = {}
    for values in step_rows:
        step = StepRow(*values)
        step.status = StepStatus(step.status)
        steps[step.path] = step
    return Unit(execution, steps, clock[0][0])


def _mutable(step: StepRow) -> tuple[Any, ...]:
    return (
        step.status.value,
        step.attempt,
        step.failures,
        step.provider_failures,
        step.crashes,
        step.question_rounds,
        step.rework_rounds,
        step.token,
        step.due_at,
        Jsonb(step.carry),
        step.document_id,
        step.total_items,
        step.started_at,
        step.completed_at,
        step.error_code,
        step.error_detail,
    )


def _all_columns(execution_id: UUID, step: StepRow) -> tuple[Any, ...]:
    return (
        execution_id,
        step.path,
        step.step_id,
        step.is_iteration,
        step.scope_type,
        step.scope_id,
        step.sort_key,
        *_mutable(step),
    )
