"""How often something may be done. Counted in the database, so that all web processes count together.

A rate is kept as the time until which what was used up still weighs (GCRA, the "leaky bucket as a meter"): each use
moves it on by its share of the window, and time itself gives it back. So there is one number per caller and no edge of
a window at which everything is free again. One statement takes from all rates that hold for a request, or from none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from documents.database import execute, rows

# What weighs nothing any more is removed from time to time, by whoever happens to come along.
SWEEP_SECONDS = 600
_SWEPT_AT_A_TIME = 10_000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNIT_NAMES = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}

# Rows are taken in the order of their keys, so that nobody waits in a circle. A refused request takes nothing: one
# greedy token must not use up what its owner's other tokens share.
_TAKE = """
WITH asked AS MATERIALIZED (
    SELECT a.key, a.cost, a.span, c.now, greatest(t.spent_until, c.now) AS spent
      FROM unnest(%s::text[], %s::interval[], %s::interval[]) AS a(key, cost, span)
     CROSS JOIN (SELECT clock_timestamp() AS now) AS c
      LEFT JOIN combine_allowance AS t ON t.key = a.key
), taken AS (
    INSERT INTO combine_allowance AS t (key, spent_until)
    SELECT key, now + cost FROM asked
     WHERE NOT EXISTS (SELECT FROM asked WHERE spent + cost > now + span)
     ORDER BY key
        ON CONFLICT (key) DO UPDATE
       SET spent_until = (SELECT greatest(t.spent_until, a.now) + a.cost FROM asked AS a WHERE a.key = t.key)
     WHERE (SELECT greatest(t.spent_until, a.now) + a.cost <= a.now + a.span FROM asked AS a WHERE a.key = t.key)
 RETURNING t.key, t.spent_until
)
SELECT a.key, taken.key IS NOT NULL, extract(epoch FROM coalesce(taken.spent_until, a.spent) - a.now)::float8
  FROM asked AS a LEFT JOIN taken ON taken.key = a.key
"""
_GIVE_BACK = "UPDATE combine_allowance SET spent_until = spent_until - %s WHERE key = %s"
# SKIP LOCKED: this takes rows in no particular order, and so must never wait for one. Materialized: a plan that ran
# the subquery once per row would take more than the limit.
_SWEEP = """
WITH weightless AS MATERIALIZED (
    SELECT key FROM combine_allowance WHERE spent_until < clock_timestamp() LIMIT %s FOR UPDATE SKIP LOCKED
)
DELETE FROM combine_allowance t USING weightless WHERE t.key = weightless.key
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds."""

    count: int
    seconds: int

    @property
    def cost(self) -> timedelta:
        """The time that one use weighs. Rounded down: all of ``count`` must fit."""
        return timedelta(microseconds=self.seconds * 1_000_000 // self.count)

    def times(self, factor: int) -> Rate:
        return Rate(self.count * factor, self.seconds)

    def __str__(self) -> str:
        return f"{self.count:,} per {_UNIT_NAMES[self.seconds]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One use of a rate by somebody. ``policy`` is what the rate is called towards clients."""

    key: str
    rate: Rate
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where somebody stands with a rate: what is left, when all of it is there again, how long to wait for one."""

    charge: Charge
    remaining: int
    reset_seconds: int
    wait_seconds: int


@lru_cache(maxsize=64)
def parse_rate(text: str) -> Rate:
    """Read ``600/min``, as ``env.py`` has checked it."""
    count, _, unit = text.partition("/")
    return Rate(int(count), _UNITS[unit[0]])


def take(charges: Sequence[Charge]) -> list[Standing]:
    """Use each of these rates once, or, if one of them is used up, none.

    :returns: a standing per charge; where ``wait_seconds`` is not 0, the rate is used up and nothing was taken.
    """
    _broom.sweep_if_due()
    params = (
        [charge.key for charge in charges],
        [charge.rate.cost for charge in charges],
        [timedelta(seconds=charge.rate.seconds) for charge in charges],
    )
    found = {key: (is_taken, spent) for key, is_taken, spent in rows(_TAKE, params)}
    standings = [_standing(charge, *found[charge.key]) for charge in charges]
    lost = [charge for charge in charges if not found[charge.key][0]]
    if lost and not any(standing.wait_seconds for standing in standings):
        # Somebody else took the last one between our look and our turn.
        return [_used_up(each) if each.charge in lost else each for each in standings]
    return standings


def give_back(charge: Charge) -> None:
    """Undo one use."""
    execute(_GIVE_BACK, (charge.rate.cost, charge.key))


def _standing(charge: Charge, is_taken: bool, spent: float) -> Standing:
    cost, span = charge.rate.cost.total_seconds(), charge.rate.seconds
    # The thousandth is for what rounding to microseconds has taken away.
    remaining = min(charge.rate.count, max(0, math.floor((span - spent) / cost + 0.001)))
    is_used_up = not is_taken and remaining == 0
    return Standing(
        charge=charge,
        remaining=remaining,
        reset_seconds=math.ceil(spent),
        wait_seconds=max(1, math.ceil(spent + cost - span)) if is_used_up else 0,
    )


def _used_up(standing: Standing) -> Standing:
    rate = standing.charge.rate
    wait = max(1, math.ceil(rate.cost.total_seconds()))
    return Standing(charge=standing.charge, remaining=0, reset_seconds=rate.seconds, wait_seconds=wait)


class _Broom:
    """When this process sweeps next. Two threads that sweep at once do no harm."""

    def __init__(self) -> None:
        self.due_at = 0.0

    def sweep_if_due(self) -> None:
        now = time.monotonic()
        if now >= self.due_at:
            self.due_at = now + SWEEP_SECONDS
            execute(_SWEEP, (_SWEPT_AT_A_TIME,))


_broom = _Broom()
