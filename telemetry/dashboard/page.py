"""The figures of the cost pages. Each function takes the filter and the time, and runs a constant number of statements.

:func:`dashboard` is the whole page of all costs, from one state of the database; the others are a part of it each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.db import connection, transaction
from django.db.models import QuerySet

from executions.models import LLMCall
from telemetry import queries
from telemetry.dashboard import prices as price_data
from telemetry.dashboard import reading, runs, series, spreads, sums, workflow_rows
from telemetry.dashboard.cards import cards_of
from telemetry.dashboard.forecasts import forecast_of
from telemetry.dashboard.values import (
    Cards,
    Dashboard,
    ExecutionRow,
    Filter,
    Forecast,
    LatencyRow,
    PriceRow,
    Rework,
    Stacked,
    StepRow,
    Tokens,
    UnpricedRow,
    Waits,
    WorkflowRow,
)
from telemetry.reports import SHOWN_OF_CALL

# None of the statements is long enough for further processes of the server to be worth their start. Their plans do not
# depend on the values: whatever is read is found by indexes. To plan them anew takes as long as to run them.
_ONE_STATE = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off
"""


# From this many days on the page's bars are weeks: more of them could not be told apart.
MANY_DAYS = 93


@dataclass
class _Read:
    """What is read for a filter, each thing once and when it is first wanted."""

    asked: Filter
    known: queries.Reach = field(default_factory=queries.reach)

    @cached_property
    def all_cells(self) -> list[reading.Cell]:
        """Those of the period before too."""
        return reading.calls(self.asked, self.known)

    @property
    def cells(self) -> list[reading.Cell]:
        return [each for each in self.all_cells if each.is_now]

    @cached_property
    def all_gates(self) -> list[reading.Decided]:
        """Those of the period before too."""
        return reading.gates(self.asked, self.known)

    @property
    def gates(self) -> list[reading.Decided]:
        return [each for each in self.all_gates if each.is_now]

    @cached_property
    def times(self) -> list[reading.Times]:
        return reading.times(self.asked, self.known)

    @cached_property
    def runs(self) -> list[runs.Runs]:
        return runs.runs(self.asked)

    @cached_property
    def sums(self) -> sums.Sums:
        return sums.Sums.of(self.cells)

    def cards(self) -> Cards:
        return cards_of(
            self.asked,
            calls=(self.sums, sums.Sums.of(each for each in self.all_cells if not each.is_now)),
            documents=(
                sums.Documents.of(self.gates),
                sums.Documents.of(each for each in self.all_gates if not each.is_now),
            ),
            counts=(
                runs.RunCounts.of(row for row in self.runs if row.is_now),
                runs.RunCounts.of(row for row in self.runs if not row.is_now),
            ),
        )

    def workflows(self) -> list[WorkflowRow]:
        return workflow_rows.workflows(self.asked, self.cells, self.gates, self.times, self.runs)

    def waits(self) -> Waits:
        return spreads.waits(self.times, has_people=self.asked.scope.model is None)

    def prices(self) -> list[PriceRow]:
        return price_data.prices(cell.place.model for cell in self.cells)


def dashboard(asked: Filter, *, now: datetime) -> Dashboard:
    """Return everything that the page of all costs shows."""
    with one_state():
        read = _Read(asked)
        return Dashboard(
            filter=asked,
            totals=read.sums.totals,
            cards=read.cards(),
            forecast=forecast_of(asked, read.known, now=now),
            stacked=series.stacked(asked, read.known, now=now, is_weekly=len(asked.days) >= MANY_DAYS),
            rework=sums.rework(read.sums),
            tokens=sums.tokens(read.sums),
            latencies=spreads.latencies(read.times),
            waits=read.waits(),
            workflows=read.workflows(),
            dearest=runs.dearest(asked),
            unpriced=price_data.unpriced(read.cells),
            prices=read.prices(),
        )


def cards(asked: Filter, *, now: datetime) -> Cards:
    return _Read(asked).cards()


def forecast(asked: Filter, *, now: datetime) -> Forecast:
    return forecast_of(asked, queries.reach(), now=now)


def stacked(asked: Filter, *, now: datetime) -> Stacked:
    return series.stacked(asked, queries.reach(), now=now)


def rework(asked: Filter, *, now: datetime) -> Rework:
    return sums.rework(_Read(asked).sums)


def tokens(asked: Filter, *, now: datetime) -> Tokens:
    return sums.tokens(_Read(asked).sums)


def latencies(asked: Filter, *, now: datetime) -> Sequence[LatencyRow]:
    return spreads.latencies(_Read(asked).times)


def waits(asked: Filter, *, now: datetime) -> Waits:
    return _Read(asked).waits()


def workflows(asked: Filter, *, now: datetime) -> Sequence[WorkflowRow]:
    return _Read(asked).workflows()


def workflow_steps(asked: Filter, *, now: datetime) -> list[StepRow]:
    """Return the steps of the one workflow that the filter names."""
    read = _Read(asked)
    return workflow_rows.steps(asked, read.cells, read.gates, read.times)


def dearest(asked: Filter, *, now: datetime) -> Sequence[ExecutionRow]:
    return runs.dearest(asked)


def unpriced(asked: Filter, *, now: datetime) -> Sequence[UnpricedRow]:
    return price_data.unpriced(_Read(asked).cells)


def prices(asked: Filter, *, now: datetime) -> Sequence[PriceRow]:
    return _Read(asked).prices()


def calls(asked: Filter) -> QuerySet[LLMCall]:
    """Return the ledger rows of the period, the newest first, with their steps and executions."""
    scope = reading.within(asked)
    found = LLMCall.objects.filter(started_at__gte=scope.since, started_at__lt=scope.until)
    if scope.projects is not None:
        found = found.filter(execution__project__in=list(scope.projects))
    wanted = {
        "execution__workflow_id": scope.workflow_id,
        "step__step_id": scope.step_id,
        "model": scope.model,
    }
    found = found.filter(**{name: value for name, value in wanted.items() if value is not None})
    shown = (*SHOWN_OF_CALL, "execution__project_id", "execution__workflow_id")
    return found.select_related("step", "attempt", "execution").only(*shown).order_by("-started_at", "-id")


@contextmanager
def one_state() -> Iterator[None]:
    """Have all statements see one state of the database, and be planned as short ones.

    Within a transaction that is for that one to say.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ONE_STATE)
        yield
