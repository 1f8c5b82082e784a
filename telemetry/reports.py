"""What the costs pages of the API show: of a period, day by day, of one execution, of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum

from executions.models import CallStatus, Execution, ExecutionStatus, LLMCall
from executions.services.estimates import Estimate, estimate_from
from telemetry import queries
from telemetry.days import Days, beginning
from telemetry.models import BEGINNING
from telemetry.queries import Scope
from telemetry.totals import Totals, known_cost, share_of

if TYPE_CHECKING:
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from django.contrib.auth.models import User

    from workflows.models import WorkflowRevision

# Days in one answer: ten years.
MAX_DAYS = 3_660
_PAGE = 1_000
# What is shown of a call: not what the model answered.
SHOWN_OF_CALL = (
    *("step__step_id", "step__path", "attempt__n", "attempt__content_attempt", "execution_id", "status", "model"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    *("thinking_tokens", "cost_usd", "unit_prices", "price_version", "is_estimated", "is_offline", "latency_ms"),
    *("time_to_first_token_ms", "stop_reason", "error_class", "message_id", "request_id", "started_at", "finished_at"),
)

# What one call adds to each total: what telemetry.measures says in SQL.
_ADDS: dict[str, Callable[[LLMCall], int]] = {
    "succeeded_count": lambda call: call.status == CallStatus.SUCCEEDED,
    "failed_count": lambda call: call.status == CallStatus.FAILED,
    "cancelled_count": lambda call: call.status == CallStatus.CANCELLED,
    "lost_count": lambda call: call.status == CallStatus.LOST,
    "in_flight_count": lambda call: call.status == CallStatus.IN_FLIGHT,
    "unpriced_count": lambda call: call.cost_usd is None and call.status != CallStatus.IN_FLIGHT,
    "estimated_count": lambda call: call.is_estimated,
    "offline_count": lambda call: call.is_offline,
    "input_tokens": lambda call: call.input_tokens,
    "output_tokens": lambda call: call.output_tokens,
    "cache_read_tokens": lambda call: call.cache_read_tokens,
    "cache_write_5m_tokens": lambda call: call.cache_write_5m_tokens,
    "cache_write_1h_tokens": lambda call: call.cache_write_1h_tokens,
    "thinking_tokens": lambda call: call.thinking_tokens,
    "latency_ms": lambda call: (call.latency_ms or 0) if call.status == CallStatus.SUCCEEDED else 0,
    "timed_count": lambda call: call.status == CallStatus.SUCCEEDED and call.latency_ms is not None,
}
_ADDS_MONEY: dict[str, Callable[[LLMCall], Decimal]] = {
    "cost_usd": lambda call: call.cost_usd or Decimal(0),
    "estimated_cost_usd": lambda call: (call.cost_usd or Decimal(0)) if call.is_estimated else Decimal(0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of a zone, the last one included. Without ``start`` from the first call on, without ``end`` until today."""

    zone: ZoneInfo
    start: date | None = None
    end: date | None = None

    def last(self, now: datetime) -> date:
        """Return the last day: today where none is named, or the first day if that is yet to come."""
        today = now.astimezone(self.zone).date()
        return self.end or max(today, self.start or today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The totals of a period. ``period_start`` is that of the first call where none was asked for."""

    totals: Totals
    period_start: date | None
    period_end: date
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """The totals of one day, which goes from ``starts_at`` to ``ends_at``; partial while it is not over."""

    date: date
    starts_at: datetime
    ends_at: datetime
    is_partial: bool
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionTotals:
    """An execution's calls, and what they come to."""

    execution_id: UUID
    totals: Totals
    calls: Sequence[LLMCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStats:
    """Executions of one workflow: how many, what they cost, how long the completed ones took.

    From ``sample_count`` on it is what the next one would probably cost: see ``executions.services.estimates``.
    """

    workflow_id: str
    execution_count: int
    completed_count: int
    failed_count: int
    cancelled_count: int
    active_count: int
    waiting_count: int
    cost_usd: Decimal
    unpriced_call_count: int
    avg_duration_ms: int | None
    sample_count: int
    sample_is_of_revision: bool | None
    median_cost_usd: Decimal | None
    p95_cost_usd: Decimal | None
    median_duration_ms: int | None
    p95_duration_ms: int | None
    median_call_count: int | None
    sample_unpriced_count: int
    sample_offline_count: int

    @property
    def total_cost_usd(self) -> Decimal | None:
        return known_cost(self.cost_usd, self.unpriced_call_count)

    @property
    def avg_cost_usd(self) -> Decimal | None:
        return share_of(self.total_cost_usd, self.execution_count)


def summary(scope: Scope, period: Period, *, now: datetime) -> Summary:
    """Return what all calls of a period come to."""
    last = period.last(now)
    totals = queries.total(_within(scope, period.start, last, period.zone), queries.reach())
    first = period.start
    if first is None and totals.first_at is not None:
        first = totals.first_at.astimezone(period.zone).date()
    return Summary(totals=totals, period_start=first, period_end=last, time_zone=period.zone.key)


def daily(scope: Scope, period: Period, *, now: datetime) -> list[DayTotals]:
    """Return the totals of each day of a period, without a gap; of no day where there never was a call."""
    known, last = queries.reach(), period.last(now)
    first = period.start
    if first is None:
        if known.first_at is None or known.first_at.astimezone(period.zone).date() > last:
            return []
        # This is the first call of anybody; days before the caller's own first one are left out below.
        first = max(known.first_at.astimezone(period.zone).date(), last - timedelta(days=MAX_DAYS - 1))
    days = Days(period.zone, first, last)
    edges = days.edges()
    rows = [
        DayTotals(date=day, starts_at=begins, ends_at=ends, is_partial=ends > now, totals=totals)
        for (day, totals), (begins, ends) in zip(queries.by_day(scope, days, known), pairwise(edges), strict=True)
    ]
    return rows if period.start is not None else _from_first_call(rows)


def _from_first_call(rows: list[DayTotals]) -> list[DayTotals]:
    begins = next((number for number, row in enumerate(rows) if row.totals.call_count), len(rows))
    return rows[begins:]


def calls(execution_id: UUID, *, step_id: str | None = None, model: str | None = None) -> QuerySet[LLMCall]:
    """Return the ledger rows of an execution in the order in which they were begun; not what the model answered."""
    asked = {"step__step_id": step_id, "model": model}
    rows = LLMCall.objects.filter(
        execution_id=execution_id, **{name: value for name, value in asked.items() if value is not None}
    )
    return rows.select_related("step", "attempt").only(*SHOWN_OF_CALL).order_by("started_at", "id")


def in_pages(rows: QuerySet[LLMCall]) -> Iterator[LLMCall]:
    """Yield ordered calls, fetched a page at a time: so many can be sent on without being held in memory."""
    page = list(rows[:_PAGE])
    while page:
        yield from page
        at, call_id = page[-1].started_at, page[-1].pk
        beyond = Q(started_at__gt=at) | Q(started_at=at, pk__gt=call_id)
        page = list(rows.filter(beyond, started_at__gte=at)[:_PAGE]) if len(page) == _PAGE else []


def totals_of(rows: Sequence[LLMCall]) -> Totals:
    """Add up calls that were read already: so a list and its totals cannot differ."""
    sums: Any = {name: sum((adds(call) for call in rows), start=0) for name, adds in _ADDS.items()}
    costs: Any = {name: sum((adds(call) for call in rows), start=Decimal(0)) for name, adds in _ADDS_MONEY.items()}
    return Totals(**sums, **costs, first_at=min((call.started_at for call in rows), default=None))


def workflow_stats(user: User, revision: WorkflowRevision, period: Period, *, project_id: str | None) -> WorkflowStats:
    """Return the statistics of the executions of a workflow that ``user`` may see, and that began in the period.

    ``revision`` is the one whose executions say best what the next one costs.
    """
    workflow_id = revision.workflow_id
    rows = Execution.objects.visible_to(user).filter(workflow_id=workflow_id)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if period.start is not None:
        rows = rows.filter(started_at__gte=beginning(period.start, period.zone))
    if period.end is not None:
        rows = rows.filter(started_at__lt=beginning(period.end + timedelta(days=1), period.zone))
    is_completed = Q(status=ExecutionStatus.COMPLETED)
    lasted = ExpressionWrapper(F("completed_at") - F("started_at"), output_field=DurationField())
    found = rows.aggregate(
        execution_count=Count("id"),
        completed_count=Count("id", filter=is_completed),
        failed_count=Count("id", filter=Q(status=ExecutionStatus.FAILED)),
        cancelled_count=Count("id", filter=Q(status=ExecutionStatus.CANCELLED)),
        active_count=Count("id", filter=Q(status__in=(ExecutionStatus.PENDING, ExecutionStatus.RUNNING))),
        waiting_count=Count("id", filter=Q(status__startswith="waiting_")),
        cost_usd=Sum("cost_usd", default=Decimal(0)),
        duration=Avg(lasted, filter=is_completed),
    )
    duration: timedelta | None = found.pop("duration")
    unpriced = LLMCall.objects.filter(execution__in=rows, cost_usd=None).exclude(status=CallStatus.IN_FLIGHT)
    return WorkflowStats(
        workflow_id=workflow_id,
        unpriced_call_count=unpriced.count(),
        avg_duration_ms=None if duration is None else round(duration / timedelta(milliseconds=1)),
        **found,
        **_sampled(estimate_from(rows, revision.pk)),
    )


def _sampled(estimate: Estimate | None) -> dict[str, Any]:
    """Return the figures of an estimate by their names here; without one nothing is known."""
    return {
        "sample_count": estimate.run_count if estimate else 0,
        "sample_is_of_revision": estimate.is_of_revision if estimate else None,
        "median_cost_usd": estimate.median_cost_usd if estimate else None,
        "p95_cost_usd": estimate.p95_cost_usd if estimate else None,
        "median_duration_ms": estimate.median_duration_ms if estimate else None,
        "p95_duration_ms": estimate.p95_duration_ms if estimate else None,
        "median_call_count": estimate.median_call_count if estimate else None,
        "sample_unpriced_count": estimate.unpriced_run_count if estimate else 0,
        "sample_offline_count": estimate.offline_run_count if estimate else 0,
    }


def _within(scope: Scope, start: date | None, last: date, zone: ZoneInfo) -> Scope:
    since = BEGINNING if start is None else beginning(start, zone)
    return replace(scope, since=since, until=beginning(last + timedelta(days=1), zone))
