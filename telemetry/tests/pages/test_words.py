"""Figures in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from telemetry.pages import words


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ("12", "10", "up 20 %"),
        ("9.5", "10", "down 5.0 %"),
        ("10", "10.0", "as before"),
        ("320", "10", "up 32-fold"),
        ("0", "10", "down 100 %"),
        # Nothing can be said of what was nothing, or is not known.
        ("10", "0", ""),
        (None, "10", ""),
        ("10", None, ""),
    ],
)
def test_an_amount_is_compared_with_the_one_before(now: str | None, before: str | None, said: str) -> None:
    assert words.change(*(None if each is None else Decimal(each) for each in (now, before))) == said


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [(0.75, 0.5, "up 25 points"), (0.5, 0.512, "down 1.2 points"), (0.5, 0.5, "as before"), (None, 0.5, "")],
)
def test_a_rate_is_compared_in_points(now: float | None, before: float, said: str) -> None:
    assert words.points(now, before) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1.23", ""),
        ("1.2345", "$1.2345"),
        ("0.0041", ""),
        ("0.00412", "$0.00412"),
        ("0", ""),
        ("0.0000000001", "$0.0000000001"),
        ("1234567.8900000001", "$1,234,567.8900000001"),
    ],
)
def test_an_amount_has_all_its_places_where_the_rounded_one_has_not(amount: str, said: str) -> None:
    assert words.exact(Decimal(amount)) == said


def test_shares_and_amounts_below_zero() -> None:
    assert [words.share(each) for each in (None, 0.0, 0.004, 0.096, 0.5, 1.0)] == [
        *("–", "0 %", "0.4 %", "9.6 %", "50 %", "100 %")
    ]
    assert words.signed_money(Decimal("-1.2")) == "−$1.20"
    assert words.signed_money(Decimal("0.0041")) == "$0.0041"
