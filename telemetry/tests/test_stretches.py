"""Of which sums a stretch of time is put together: nothing twice, nothing left out, and of the longest that fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from telemetry.dashboard.reading import in_parts
from telemetry.models import Span
from telemetry.queries import Scope

_TIMES = st.datetimes(datetime(2023, 12, 1), datetime(2025, 4, 1), timezones=st.just(UTC))  # noqa: DTZ001 - drawn in UTC
_BEGINNINGS = {Span.DAY: range(1, 32), Span.THIRD: (1, 11, 21), Span.MONTH: (1,)}


@given(_TIMES, st.timedeltas(timedelta(), timedelta(days=430)))
def test_a_stretch_of_time_is_put_together_of_whole_spans(since: datetime, length: timedelta) -> None:
    until = since + length
    found = in_parts(Scope(since=since, until=until))
    pieces = sorted([*found.ends, *found.whole()])
    assert all(first < last for first, last in pieces)
    assert [last for _, last in pieces[:-1]] == [first for first, _ in pieces[1:]]
    if length:
        assert (pieces[0][0], pieces[-1][1]) == (since, until)
    for span, stretches in found.spans.items():
        assert all(
            (each.hour, each.minute, each.microsecond) == (0, 0, 0) and each.day in _BEGINNINGS[span]
            for stretch in stretches
            for each in stretch
        )


def _parts_of(since: datetime, until: datetime) -> list[tuple[str, int, int]]:
    found = in_parts(Scope(since=since, until=until))
    whole = [(span.value, *stretch) for span, stretches in found.spans.items() for stretch in stretches]
    return [(name, first.day, last.day) for name, first, last in sorted(whole, key=lambda each: each[1])]


def test_the_longest_that_fit_are_taken() -> None:
    def day(year: int, month: int, number: int) -> datetime:
        return datetime(year, month, number, tzinfo=UTC)

    assert _parts_of(day(2024, 1, 28), day(2024, 4, 14)) == [
        ("day", 28, 1),
        ("month", 1, 1),
        ("third", 1, 11),
        ("day", 11, 14),
    ]
    assert _parts_of(day(2024, 2, 5), day(2024, 3, 1)) == [("day", 5, 11), ("third", 11, 1)]
    assert _parts_of(day(2024, 2, 1), day(2024, 3, 1)) == [("month", 1, 1)]
    thirds = [day(2024, 2, 1), day(2024, 2, 11), day(2024, 2, 21), day(2024, 3, 1)]
    assert [_parts_of(*each) for each in pairwise(thirds)] == [
        [("third", 1, 11)],
        [("third", 11, 21)],
        [("third", 21, 1)],
    ]
