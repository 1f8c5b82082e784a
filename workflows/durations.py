"""ISO 8601 durations, as acceptance policies use them (``P3D``, ``PT4H30M``, ``P2W``)."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6})S)?)?",
    re.ASCII,
)
_CALENDAR = re.compile(r"P[^T]*[YM]", re.ASCII)
_LONGEST = timedelta(days=3660)


class BadDuration(ValueError):
    """The text is no duration that we can count off; the message says why."""


def parse_duration(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration.

    Years and months are refused: their length depends on the day they start on.

    :raises BadDuration: for anything else, for zero and for more than ten years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        if _CALENDAR.match(text):
            raise BadDuration("years and months have no fixed length; use weeks, days or hours, such as P30D")
        raise BadDuration("expected an ISO 8601 duration such as P3D, PT4H or P1DT12H")
    length = timedelta(**{unit: int(count) for unit, count in match.groupdict().items() if count})
    if not timedelta(0) < length <= _LONGEST:
        raise BadDuration("the duration must be longer than nothing and at most ten years")
    return length
