"""When things happen in the demo: working days before today, office hours, and how long people take."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

_OPENS, _CLOSES = 8, 17
_SATURDAY = 5
_LONGEST = timedelta(hours=3)


def working_day(now: datetime, days: int) -> datetime:
    """Return the midnight (UTC) that begins the working day ``days`` before the day of ``now``."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    while days:
        day -= timedelta(days=1)
        days -= day.weekday() < _SATURDAY
    return day


def office_time(at: datetime, rng: Random) -> datetime:
    """Return ``at``, or a time in the first hour of the next working day where it is not in office hours."""
    if at.weekday() < _SATURDAY and _OPENS <= at.hour < _CLOSES:
        return at
    day = at.replace(hour=_OPENS, minute=0, second=0, microsecond=0)
    if at.hour >= _OPENS:
        day += timedelta(days=1)
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day + timedelta(minutes=rng.uniform(2, 55))


def thinking_time(rng: Random, *, median_minutes: float) -> timedelta:
    """Draw how long somebody takes to come and decide."""
    drawn = timedelta(minutes=rng.lognormvariate(math.log(median_minutes), 0.8))
    return min(drawn, _LONGEST)
