"""What the cost pages show: plain figures, with their units. ``None`` is unknown, or nothing to divide by; never zero.

Money is US dollars, exact. Times of waiting are milliseconds. A rate is a share between 0 and 1. All figures of one
:class:`Filter` are of the calls that were started, the gates that were closed and the runs that were started in its
days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from telemetry.days import Days
from telemetry.queries import Scope
from telemetry.totals import Totals

Number = TypeVar("Number", int, Decimal, float)


class Group(StrEnum):
    """What the daily bars are stacked by."""

    MODEL = "model"
    WORKFLOW = "workflow"
    STEP = "step"
    KIND = "kind"


class Kind(StrEnum):
    """What tokens are charged as. ``OTHER`` is what a call cost beyond its tokens' prices: nearly always nothing."""

    INPUT = "input"
    OUTPUT = "output"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    OTHER = "other"


class Cause(StrEnum):
    """Why a call was made. All but the first two are the cost of rework."""

    FIRST = "first"
    ANSWER = "answer"
    CORRECTION = "correction"
    REWORK = "rework"
    PROVIDER = "provider"
    WORKER = "worker"
    RETRY = "retry"

    @property
    def is_rework(self) -> bool:
        return self not in (Cause.FIRST, Cause.ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is asked: days of a zone, both included, and of whose calls.

    ``scope`` comes from ``telemetry.queries.visible_to(user, project_id)``, with ``workflow_id``, ``step_id`` and
    ``model`` put in by ``dataclasses.replace``; its ``since`` and ``until`` are not used.
    """

    scope: Scope
    zone: ZoneInfo
    start: date
    end: date
    group: Group = Group.MODEL

    @property
    def days(self) -> Days:
        return Days(self.zone, self.start, self.end)

    @property
    def before(self) -> Filter:
        """The same of as many days right before."""
        length = self.end - self.start + timedelta(days=1)
        return replace(self, start=self.start - length, end=self.end - length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Generic[Number]):
    """A figure of the period, and of the period before. ``None`` where it is not known."""

    now: Number | None
    before: Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """The figures that matter most.

    ``unpriced_count`` calls are in no sum of money. Documents are those that people accepted; ``first_pass_rate`` says
    how many of them in the first version. ``rework_rate`` is the share of the spend that was rework. ``failure_rate``
    is of the runs that were started in the period and are over. With a filter by model, what is said of documents and
    runs is ``None``: neither belongs to a model.
    """

    spend_usd: Compared[Decimal]
    call_count: Compared[int]
    unpriced_count: Compared[int]
    accepted_count: Compared[int]
    cost_per_accepted_usd: Compared[Decimal]
    first_pass_rate: Compared[float]
    rework_usd: Compared[Decimal]
    rework_rate: Compared[float]
    execution_count: Compared[int]
    failure_rate: Compared[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What this calendar month (of the filter's zone) costs, whatever period is asked for.

    ``forecast_usd`` is what is spent, and the mean of the last seven whole days for what is left of the month; ``None``
    where nothing has a price. ``spent_by_day`` is what each day cost, from the first of the month to today: what a
    burn-down adds up. ``daily_mean_usd`` continues the line.
    """

    first_day: date
    today: date
    last_day: date
    spent_usd: Decimal
    daily_mean_usd: Decimal
    forecast_usd: Decimal | None
    spent_by_day: Sequence[Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One colour of the bars: ``values`` are dollars, one for each day. ``key`` is the model, workflow, step or kind.

    ``unpriced_count`` calls of it are in no value. Series come with the dearest first; ``label`` is the key in words
    where there are any.
    """

    key: str
    label: str
    values: Sequence[Decimal]
    total_usd: Decimal
    call_count: int
    unpriced_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """Cost by day, in parts. Every day of the period is there; all series together are the day's cost.

    Where ``is_weekly``, the same by week: ``days`` are then the first days of each, Mondays but for the first.
    """

    group: Group
    days: Sequence[date]
    last_day: date
    series: Sequence[Series]
    totals: Sequence[Decimal]
    is_partial_last: bool
    is_weekly: bool = False

    @property
    def total_usd(self) -> Decimal:
        return sum(self.totals, Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseRow:
    """What calls of one cause came to. ``share`` is of the whole spend."""

    cause: Cause
    call_count: int
    cost_usd: Decimal
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """What calls came to that ended in one way: ``succeeded``, ``failed``, ``cancelled`` or ``lost``."""

    status: str
    call_count: int
    cost_usd: Decimal
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rework:
    """The cost of rework: by why a call was made, and by how it ended. Each of the two adds up to the spend."""

    causes: Sequence[CauseRow]
    statuses: Sequence[StatusRow]
    rework_usd: Decimal
    rework_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """Tokens of one kind, and what they cost. ``token_count`` is ``None`` for :attr:`Kind.OTHER`."""

    kind: Kind
    token_count: int | None
    cost_usd: Decimal
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens by kind. ``thinking_tokens`` are among the output.

    ``saved_usd`` is what reading from the cache saved against plain input, less what writing to it cost more; it can be
    negative.
    """

    kinds: Sequence[KindRow]
    thinking_tokens: int
    cache_hit_rate: float | None
    saved_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something took: half of them at most ``p50_ms``, 19 of 20 at most ``p95_ms``. At most 10 % wrong."""

    count: int
    p50_ms: int | None
    p95_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSpread:
    """What documents cost: half of them at most ``p50_usd``, 19 of 20 at most ``p95_usd``. At most 10 % wrong.

    As times, of all UTC days that the period has a part of.
    """

    count: int
    p50_usd: Decimal | None
    p95_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """How long succeeded calls of a step of a workflow with a model took, to the whole answer and to its first token.

    ``first_token`` is of all calls that got one.
    """

    workflow_id: str
    step_id: str
    model: str
    latency: Spread
    first_token: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Where time goes: waiting for a worker, for the model, for people. ``people`` is ``None`` with a model filter.

    These and the latencies are of all UTC days that the period has a part of.
    """

    queue: Spread
    model: Spread
    people: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """A workflow. Runs are those started in the period, costs those of calls in it, documents those accepted in it.

    ``tries_per_document`` is all calls by first tries. ``people`` is how long gates were open. ``document_cost`` is of
    each accepted document what its step's calls had cost by then.
    """

    workflow_id: str
    execution_count: int
    failed_count: int
    call_count: int
    unpriced_count: int
    cost_usd: Decimal | None
    share: float | None
    accepted_count: int | None
    cost_per_accepted_usd: Decimal | None
    document_cost: CostSpread | None
    first_pass_rate: float | None
    tries_per_document: float | None
    rework_usd: Decimal
    people: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step of one workflow: as :class:`WorkflowRow`, and how long its calls took."""

    step_id: str
    call_count: int
    error_count: int
    unpriced_count: int
    cost_usd: Decimal | None
    share: float | None
    accepted_count: int | None
    cost_per_accepted_usd: Decimal | None
    document_cost: CostSpread | None
    first_pass_rate: float | None
    tries_per_document: float | None
    rework_usd: Decimal
    latency: Spread
    people: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One of the dearest runs. ``cost_usd`` is of all its calls that the filter names, whenever they were made."""

    execution_id: UUID
    project_id: str
    workflow_id: str
    status: str
    started_at: datetime
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedRow:
    """Calls of a model that have no price. ``is_known_now``: ``manage.py reprice`` would find one."""

    model: str
    call_count: int
    is_known_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """Dollars per million tokens by the price data that is installed now; ``None`` where it knows none.

    ``from_tokens`` is the length of the prompt above which a line applies, where a price depends on it: such a model
    has several. A call keeps the price of its own moment.
    """

    model: str
    from_tokens: int
    input_usd: Decimal | None
    output_usd: Decimal | None
    cache_read_usd: Decimal | None
    cache_write_5m_usd: Decimal | None
    cache_write_1h_usd: Decimal | None
    price_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Everything on the page of all costs, read from one state of the database. ``totals`` know no times."""

    filter: Filter
    totals: Totals
    cards: Cards
    forecast: Forecast
    stacked: Stacked
    rework: Rework
    tokens: Tokens
    latencies: Sequence[LatencyRow]
    waits: Waits
    workflows: Sequence[WorkflowRow]
    dearest: Sequence[ExecutionRow]
    unpriced: Sequence[UnpricedRow]
    prices: Sequence[PriceRow]
