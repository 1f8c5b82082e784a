"""What the month will cost if it goes on as in the last week."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from telemetry import queries
from telemetry.dashboard.values import Filter, Forecast
from telemetry.days import Days, beginning

RECENT_DAYS = 7
_PLACES = Decimal("0.0000000001")


def forecast_of(asked: Filter, known: queries.Reach, *, now: datetime) -> Forecast:
    """Return what this calendar month of the filter's zone has cost, and the forecast of the whole."""
    today = now.astimezone(asked.zone).date()
    first = today.replace(day=1)
    last = (today.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    recent = today - timedelta(days=RECENT_DAYS)
    found = dict(queries.by_day(asked.scope, Days(asked.zone, min(first, recent), today), known))
    week = [found[recent + timedelta(days=number)] for number in range(RECENT_DAYS)]
    mean = (sum((day.cost_usd for day in week), Decimal(0)) / RECENT_DAYS).quantize(_PLACES)
    by_day = [found[day] for day in Days(asked.zone, first, today).dates()]
    spent = sum((day.cost_usd for day in by_day), Decimal(0))
    left = Decimal((beginning(last + timedelta(days=1), asked.zone) - now) / timedelta(days=1))
    is_unknown = not spent and not mean and any(day.unpriced_count for day in (*week, *by_day))
    return Forecast(
        first_day=first,
        today=today,
        last_day=last,
        spent_usd=spent,
        daily_mean_usd=mean,
        forecast_usd=None if is_unknown else (spent + mean * left).quantize(_PLACES),
        spent_by_day=[day.cost_usd for day in by_day],
    )
