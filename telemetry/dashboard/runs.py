"""Runs that were started in a period: how many there were and failed, and which were the dearest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from executions.models import ExecutionStatus
from telemetry.dashboard.reading import within
from telemetry.dashboard.values import ExecutionRow, Filter
from telemetry.queries import Conditions, chosen, select
from telemetry.totals import ratio

MOST_SHOWN = 20

_COUNTED = f"""
SELECT e.workflow_id, e.started_at >= %s AS is_now, count(*),
       count(*) FILTER (WHERE e.status = '{ExecutionStatus.FAILED}'),
       count(*) FILTER (WHERE e.completed_at IS NOT NULL)
  FROM executions_execution e
"""  # noqa: S608 - static text
_SHOWN = "SELECT e.id, e.project_id, e.workflow_id, e.status, e.started_at"
_COST_OF_CALLS = """
(SELECT sum(c.cost_usd) FROM executions_llmcall c JOIN executions_step s ON s.id = c.step_id
  WHERE c.execution_id = e.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How many runs were started, of those that failed, and that are over by now."""

    workflow_id: str
    is_now: bool
    execution_count: int
    failed_count: int
    ended_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Runs of several workflows together."""

    execution_count: int
    failed_count: int
    failure_rate: float | None

    @classmethod
    def of(cls, runs: Iterable[Runs]) -> RunCounts:
        rows = list(runs)
        failed, ended = sum(row.failed_count for row in rows), sum(row.ended_count for row in rows)
        return cls(
            execution_count=sum(row.execution_count for row in rows),
            failed_count=failed,
            failure_rate=ratio(failed, ended),
        )


def runs(asked: Filter) -> list[Runs]:
    """Return the runs of the period and of the one before, by workflow."""
    now, before = within(asked), within(asked.before)
    during: Conditions = [("e.started_at >= %s", before.since), ("e.started_at < %s", now.until), *_asked(asked)]
    sql, values = select(_COUNTED, during)
    rows = _rows(f"{sql} GROUP BY 1, 2", [now.since, *values])
    names = ("workflow_id", "is_now", "execution_count", "failed_count", "ended_count")
    return [Runs(**dict(zip(names, row, strict=True))) for row in rows]


def dearest(asked: Filter) -> list[ExecutionRow]:
    """Return the runs of the period that cost most; with a filter by step or model, by what those calls cost."""
    scope = within(asked)
    of_calls = [
        (text, value)
        for text, value in (("s.step_id = %s", scope.step_id), ("c.model = %s", scope.model))
        if value is not None
    ]
    cost = f"{' AND '.join([_COST_OF_CALLS, *(text for text, _ in of_calls)])})" if of_calls else "e.cost_usd"
    during: Conditions = [("e.started_at >= %s", scope.since), ("e.started_at < %s", scope.until), *_asked(asked)]
    sql, values = select(f"{_SHOWN}, {cost} AS cost FROM executions_execution e", during)
    found = _rows(
        f"SELECT * FROM ({sql}) run WHERE cost > 0 ORDER BY cost DESC, started_at DESC, id LIMIT {MOST_SHOWN}",  # noqa: S608
        [*(value for _, value in of_calls), *values],
    )
    names = ("execution_id", "project_id", "workflow_id", "status", "started_at", "cost_usd")
    return [ExecutionRow(**dict(zip(names, row, strict=True))) for row in found]


def _asked(asked: Filter) -> Conditions:
    scope = replace(asked.scope, step_id=None, model=None)
    return chosen(scope, projects="e.project_id", workflow="e.workflow_id", step="", model="")


def _rows(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        # Made of this module's texts; every value is a parameter.
        cursor.execute(sql, values)
        return list(cursor.fetchall())
