"""The table of workflows, and of the steps of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from telemetry.dashboard.reading import Cell, Decided, Times
from telemetry.dashboard.runs import RunCounts, Runs
from telemetry.dashboard.spreads import document_cost, spread
from telemetry.dashboard.sums import Documents, Sums
from telemetry.dashboard.values import Filter, StepRow, WorkflowRow
from telemetry.totals import share_of

T = TypeVar("T")

_OF_GATES = ("people", "document_cost")


def workflows(
    asked: Filter, cells: Sequence[Cell], gates: Sequence[Decided], times: Sequence[Times], runs: Sequence[Runs]
) -> list[WorkflowRow]:
    """Return the workflows of which anything was done in the period, the dearest first."""
    whole = Sums.of(cells)
    cells_of = _by(cells, lambda each: each.place.workflow_id)
    gates_of = _by(gates, lambda each: each.workflow_id)
    times_of = _by((each for each in times if each.measure in _OF_GATES), lambda each: each.place.workflow_id)
    runs_of = _by((each for each in runs if each.is_now), lambda each: each.workflow_id)
    has_documents = asked.scope.model is None
    rows = []
    names = set(cells_of)
    # A run that has made no such call is not meant by a filter of calls.
    if has_documents and asked.scope.step_id is None:
        names |= runs_of.keys() | gates_of.keys()
    for name in names:
        sums, documents = Sums.of(cells_of[name]), Documents.of(gates_of[name])
        counts, totals = RunCounts.of(runs_of[name]), sums.totals
        rows.append(
            WorkflowRow(
                workflow_id=name,
                execution_count=counts.execution_count,
                failed_count=counts.failed_count,
                call_count=totals.call_count,
                unpriced_count=totals.unpriced_count,
                cost_usd=totals.total_cost_usd,
                share=whole.share(sums.cost_usd),
                accepted_count=documents.accepted_count if has_documents else None,
                cost_per_accepted_usd=_by_accepted(sums, documents) if has_documents else None,
                document_cost=document_cost(times_of[name]) if has_documents else None,
                first_pass_rate=documents.first_pass_rate if has_documents else None,
                tries_per_document=sums.tries,
                rework_usd=sums.rework_usd,
                people=spread(times_of[name], "people") if has_documents else None,
            )
        )
    return sorted(rows, key=lambda row: (-(row.cost_usd or 0), row.workflow_id))


def steps(asked: Filter, cells: Sequence[Cell], gates: Sequence[Decided], times: Sequence[Times]) -> list[StepRow]:
    """Return the steps of a workflow, the dearest first."""
    whole = Sums.of(cells)
    cells_of = _by(cells, lambda each: each.place.step_id)
    gates_of = _by(gates, lambda each: each.step_id)
    times_of = _by(times, lambda each: each.place.step_id)
    has_documents = asked.scope.model is None
    rows = []
    for name in cells_of.keys() | (gates_of.keys() if has_documents else ()):
        sums, documents = Sums.of(cells_of[name]), Documents.of(gates_of[name])
        totals = sums.totals
        rows.append(
            StepRow(
                step_id=name,
                call_count=totals.call_count,
                error_count=totals.error_count,
                unpriced_count=totals.unpriced_count,
                cost_usd=totals.total_cost_usd,
                share=whole.share(sums.cost_usd),
                accepted_count=documents.accepted_count if has_documents else None,
                cost_per_accepted_usd=_by_accepted(sums, documents) if has_documents else None,
                document_cost=document_cost(times_of[name]) if has_documents else None,
                first_pass_rate=documents.first_pass_rate if has_documents else None,
                tries_per_document=sums.tries,
                rework_usd=sums.rework_usd,
                latency=spread(times_of[name], "latency"),
                people=spread(times_of[name], "people") if has_documents else None,
            )
        )
    return sorted(rows, key=lambda row: (-(row.cost_usd or 0), row.step_id))


def _by_accepted(sums: Sums, documents: Documents) -> Decimal | None:
    return share_of(sums.totals.total_cost_usd, documents.accepted_count)


def _by(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found
