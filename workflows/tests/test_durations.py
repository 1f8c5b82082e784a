from __future__ import annotations

from datetime import timedelta

import pytest

from workflows.durations import BadDuration, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P3D", timedelta(days=3)),
        ("PT4H", timedelta(hours=4)),
        ("P1DT12H", timedelta(days=1, hours=12)),
        ("P2W", timedelta(weeks=2)),
        ("PT1H30M15S", timedelta(hours=1, minutes=30, seconds=15)),
    ],
)
def test_a_duration_is_counted_off(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "3 days", "P-1D", "p1d", "PT0S", "P999999W", "P1.5D", "P١D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadDuration):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P1M", "P1Y", "P1Y2M3D"])
def test_months_and_years_are_refused_with_a_reason(text: str) -> None:
    with pytest.raises(BadDuration, match="no fixed length"):
        parse_duration(text)
