"""The figures on top of the page, each beside that of the period before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from telemetry.dashboard.runs import RunCounts
from telemetry.dashboard.sums import Documents, Sums
from telemetry.dashboard.values import Cards, Compared, Filter, Number
from telemetry.totals import share_of

Source = TypeVar("Source")


def cards_of(
    asked: Filter,
    *,
    calls: tuple[Sums, Sums],
    documents: tuple[Documents, Documents],
    counts: tuple[RunCounts, RunCounts],
) -> Cards:
    """Return the figures of a period and of the one before; ``None`` for what does not belong to what is asked."""
    is_of_documents = asked.scope.model is None
    is_of_runs = is_of_documents and asked.scope.step_id is None
    by_accepted = [
        share_of(each.totals.total_cost_usd, of.accepted_count) if is_of_documents else None
        for each, of in zip(calls, documents, strict=True)
    ]
    return Cards(
        spend_usd=_compared(calls, lambda each: each.totals.total_cost_usd),
        call_count=_compared(calls, lambda each: each.totals.call_count),
        unpriced_count=_compared(calls, lambda each: each.totals.unpriced_count),
        accepted_count=_compared(documents, lambda each: each.accepted_count if is_of_documents else None),
        cost_per_accepted_usd=Compared(now=by_accepted[0], before=by_accepted[1]),
        first_pass_rate=_compared(documents, lambda each: each.first_pass_rate if is_of_documents else None),
        rework_usd=_compared(calls, lambda each: each.rework_usd),
        rework_rate=_compared(calls, lambda each: each.share(each.rework_usd)),
        execution_count=_compared(counts, lambda each: each.execution_count if is_of_runs else None),
        failure_rate=_compared(counts, lambda each: each.failure_rate if is_of_runs else None),
    )


def _compared(both: tuple[Source, Source], figure: Callable[[Source], Number | None]) -> Compared[Number]:
    now, before = both
    return Compared(now=figure(now), before=figure(before))
