"""Budgets on the cost page: how they stand, and how the spending of one goes, day by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from executions.amounts import money
from executions.models import BudgetPeriod
from executions.services.budgets import BudgetState
from telemetry import queries
from telemetry.charts.burndown import BurnDown
from telemetry.dashboard.values import Filter
from telemetry.days import UTC_ZONE, Days
from telemetry.pages import words
from telemetry.pages.filters import CostFilters
from telemetry.pages.tables import Column, Table

_RECENT_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The burn-down of one budget."""

    name: str
    caption: str
    svg: SafeString
    table: Table[int]


def concerned(states: Sequence[BudgetState], asked: Filter) -> list[BudgetState]:
    """Return the budgets that what is asked for counts against, the most used first."""
    projects, workflow = asked.scope.projects, asked.scope.workflow_id
    found = [
        each
        for each in states
        if (projects is None or each.project_id is None or each.project_id in projects)
        and (workflow is None or each.workflow_id in ("", workflow))
    ]
    return sorted(found, key=lambda each: (-each.share, each.name, each.budget_id))


def chosen(found: Sequence[BudgetState], wanted: str) -> BudgetState | None:
    """Return the budget whose days are drawn: the one that is asked for, else the month's that is used most."""
    monthly = [each for each in found if each.period == BudgetPeriod.MONTH]
    return next((each for each in monthly if str(each.budget_id) == wanted), monthly[0] if monthly else None)


def budget_url(filters: CostFilters, state: BudgetState) -> str:
    """Return the address of the page with the days of ``state``; a budget by the day has none to show."""
    if state.period != BudgetPeriod.MONTH:
        return ""
    return f"?{filters.changed(budget=str(state.budget_id))}#budget"


def burn_down(state: BudgetState, *, now: datetime) -> Drawn:
    """Draw what was spent in the budget's period, and what the last seven whole days let expect for its rest.

    The days are those of UTC, as the budget's are. The calls are those that it is of: whoever sees a budget sees them.
    """
    first, last = state.starts_at.astimezone(UTC).date(), (state.ends_at - timedelta(seconds=1)).astimezone(UTC).date()
    today = min(now.astimezone(UTC).date(), last)
    amounts = _by_day(state, today - timedelta(days=_RECENT_DAYS), first, today)
    spent = list(accumulate(amounts[day] for day in _dates(first, today)))
    recent = [amounts[today - timedelta(days=back)] for back in range(1, _RECENT_DAYS + 1)]
    mean = sum(recent, Decimal(0)) / _RECENT_DAYS
    forecast = spent[-1] + mean * (last - today).days
    days = _dates(first, last)
    drawn = BurnDown(
        name="burn-down",
        title=_("Spending against the budget of %(name)s") % {"name": state.name},
        description=_words(state, spent[-1], forecast),
        days=days,
        spent=spent,
        budget=state.amount_usd,
        forecast=forecast,
    )
    return Drawn(name=drawn.name, caption=drawn.description, svg=drawn.svg(), table=_table(days, spent))


def _by_day(state: BudgetState, since: date, first: date, today: date) -> dict[date, Decimal]:
    scope = queries.Scope(
        projects=None if state.project_id is None else [state.project_id], workflow_id=state.workflow_id or None
    )
    days = Days(UTC_ZONE, min(since, first), today)
    return {day: totals.cost_usd for day, totals in queries.by_day(scope, days, queries.reach())}


def _dates(first: date, last: date) -> list[date]:
    return Days(UTC_ZONE, first, last).dates()


def _words(state: BudgetState, spent: Decimal, forecast: Decimal) -> str:
    text = _("%(spent)s of %(budget)s are spent, %(share)s.") % {
        "spent": money(spent),
        "budget": money(state.amount_usd),
        "share": words.share(float(spent / state.amount_usd) if state.amount_usd else None),
    }
    return f"{text} " + _("As the last seven days were, it will be %(forecast)s by %(day)s. Days of UTC.") % {
        "forecast": money(forecast),
        "day": date_format(state.ends_at - timedelta(seconds=1), "j F"),
    }


def _table(days: Sequence[date], spent: Sequence[Decimal]) -> Table[int]:
    return Table(
        slug="burn-down",
        caption=_("Spent of the budget by day"),
        rows=range(len(spent)),
        columns=[
            Column(name="date", heading=_("Day"), find=lambda at: days[at], shown=lambda at: f"{days[at]:%a %Y-%m-%d}"),
            Column(
                name="cost_usd",
                heading=_("On this day"),
                look="money",
                find=lambda at: spent[at] - (spent[at - 1] if at else Decimal(0)),
            ),
            Column(name="spent_usd", heading=_("Since the first day"), look="money", find=lambda at: spent[at]),
        ],
    )
