"""Rates, as they are counted in the database."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, connections
from django.db.models import F
from django.utils import timezone

from combine import rates
from combine.models import Allowance
from combine.rates import Charge, Rate, give_back, parse_rate, take

FIVE_A_MINUTE = Charge(key="user:1", rate=Rate(5, 60), policy="default")
THREE_A_MINUTE = Charge(key="token:1", rate=Rate(3, 60), policy="token")


def figures(charges: Sequence[Charge]) -> list[tuple[int, int]]:
    """Use the rates once, and return what is left of each and how long to wait."""
    return [(each.remaining, each.wait_seconds) for each in take(charges)]


def pass_time(**time: float) -> None:
    """Have it be later, for all that is counted."""
    Allowance.objects.update(spent_until=F("spent_until") - timedelta(**time))


@pytest.mark.parametrize(
    ("text", "rate"),
    [("5/s", Rate(5, 1)), ("600/min", Rate(600, 60)), ("15/hour", Rate(15, 3600)), ("1/day", Rate(1, 86400))],
)
def test_a_rate_is_read_with_the_units_that_the_environment_may_use(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


def test_a_rate_is_used_up_and_comes_back_bit_by_bit(db: None) -> None:
    assert [figures([FIVE_A_MINUTE])[0] for _ in range(6)] == [(4, 0), (3, 0), (2, 0), (1, 0), (0, 0), (0, 12)]
    pass_time(seconds=11)
    assert figures([FIVE_A_MINUTE]) == [(0, 1)]
    pass_time(seconds=1)
    assert figures([FIVE_A_MINUTE]) == [(0, 0)]
    pass_time(days=1)
    assert figures([FIVE_A_MINUTE]) == [(4, 0)]


def test_it_is_said_when_all_is_there_again(db: None) -> None:
    assert [take([FIVE_A_MINUTE])[0].reset_seconds for _ in range(6)] == [12, 24, 36, 48, 60, 60]


def test_of_several_rates_all_are_used_or_none(db: None) -> None:
    both = [FIVE_A_MINUTE, THREE_A_MINUTE]
    assert [figures(both) for _ in range(5)] == [
        [(4, 0), (2, 0)],
        [(3, 0), (1, 0)],
        [(2, 0), (0, 0)],
        [(2, 0), (0, 20)],
        [(2, 0), (0, 20)],
    ]
    assert figures([FIVE_A_MINUTE]) == [(1, 0)]


@pytest.mark.parametrize("count", [1, 3, 7, 11, 60, 7000])
def test_rounding_neither_takes_the_last_one_nor_adds_any(db: None, count: int) -> None:
    charge = Charge(key="user:1", rate=Rate(count, 86400), policy="default")
    step = 1 if count < 100 else count - 3
    Allowance.objects.create(key="user:1", spent_until=timezone.now() + charge.rate.cost * (step - 1))
    for left in range(count - step, -1, -1):
        (standing,) = take([charge])
        assert (standing.remaining, standing.wait_seconds) == (left, 0)
    assert take([charge])[0].wait_seconds > 0


def test_a_use_can_be_given_back(db: None) -> None:
    take([FIVE_A_MINUTE])
    take([FIVE_A_MINUTE])
    give_back(FIVE_A_MINUTE)
    assert figures([FIVE_A_MINUTE]) == [(3, 0)]


def test_what_weighs_nothing_any_more_is_removed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    take([THREE_A_MINUTE])
    pass_time(minutes=2)
    take([FIVE_A_MINUTE])
    monkeypatch.setattr(rates._broom, "due_at", 0.0)
    take([FIVE_A_MINUTE])
    assert list(Allowance.objects.values_list("key", flat=True)) == ["user:1"]


def test_the_table_is_not_logged(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'combine_allowance'")
        assert cursor.fetchone() == ("u",)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_callers_at_once_get_exactly_what_there_is() -> None:
    charges = [Charge(key="user:1", rate=Rate(25, 86400), policy="default"), THREE_A_MINUTE]
    barrier = Barrier(8)

    def call(number: int) -> int:
        barrier.wait()
        # Half of them ask the other way round, as other code might.
        mine = [charges[0], Charge(key=f"token:{number}", rate=Rate(100, 60), policy="token")]
        taken = sum(all(s.wait_seconds == 0 for s in take(mine[:: 1 if number % 2 else -1])) for _ in range(10))
        connections.close_all()
        return taken

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 25
