"""Days of a time zone, as stretches of real time: 23 or 25 hours long where clocks are changed.

A day begins at the first moment whose local date it is. Where clocks skip midnight that is later than 00:00, and a date
that a zone skipped altogether has no length.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC_ZONE = ZoneInfo("UTC")
_ONE_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Some days in a row, the last one included."""

    zone: ZoneInfo
    first: date
    last: date

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def dates(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(len(self))]

    def edges(self) -> list[datetime]:
        """Return when each day begins, and when the last one ends: one more than there are days."""
        return [beginning(each, self.zone) for each in (*self.dates(), self.last + _ONE_DAY)]


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset({"UTC", *zoneinfo.available_timezones()})


@lru_cache(maxsize=700)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the time zone of that name in the IANA database, or ``None``."""
    return ZoneInfo(name) if name in _zone_names() else None


@lru_cache(maxsize=10_000)
def beginning(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, in UTC."""
    at = datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).time() == time.min:
        return at
    # Midnight was skipped: the day began when the clocks were put on, within the last hours.
    while (at - _MINUTE).astimezone(zone).date() >= day:
        at -= _MINUTE
    return at
