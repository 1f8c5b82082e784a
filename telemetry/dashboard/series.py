"""Cost by day or by week, in parts: one statement, whatever the zone.

The sums of UTC days are read for the days of the same dates. Where a day, or a week, of the zone does not begin at
midnight in UTC, the quarters of an hour between the two are counted to the one that they are of, and taken from the
other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from telemetry.dashboard.reading import projects, within
from telemetry.dashboard.sums import by_kind
from telemetry.dashboard.values import Filter, Group, Series, Stacked
from telemetry.days import Days, beginning
from telemetry.measures import ALL_KEPT, DETAILED, KINDS, STEPS, of_call
from telemetry.models import BEGINNING, Span
from telemetry.queries import Conditions, Part, Reach, Scope, during, from_ledger, of_sums, rows_of, select

_ZERO = Decimal(0)
_KEYS = {Group.MODEL: "model", Group.WORKFLOW: "workflow_id", Group.STEP: "step_id", Group.KIND: "''"}
_KEYS_OF_CALL = {Group.MODEL: "c.model", Group.WORKFLOW: "e.workflow_id", Group.STEP: "s.step_id", Group.KIND: "''"}
_FINISHED = "succeeded_count + failed_count + cancelled_count + lost_count"
_KIND_COSTS = tuple(f"{kind}_cost_usd" for kind in KINDS)
# The number of the bar that something belongs to.
_NUMBER_OF_SUMS = "width_bucket(starts_at, %s::timestamptz[]) - 1 AS number"
_NUMBER_OF_CALL = "width_bucket(c.started_at, %s::timestamptz[]) - 1 AS number"
# Which quarters of an hour are of another date in the zone: they are the one day's, not the other's.
_MOVED = """
JOIN unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS moved (since, until, of_day, not_of)
  ON t.starts_at >= to_timestamp(moved.since) AND t.starts_at < to_timestamp(moved.until)
CROSS JOIN LATERAL (VALUES (of_day, 1), (not_of, -1)) AS signed (number, sign)
"""


@dataclass(slots=True)
class _Found:
    """What one series comes to, and on each of its days."""

    values: list[Decimal]
    call_count: int = 0
    unpriced_count: int = 0


@dataclass(frozen=True, slots=True)
class _Bars:
    """Days, or weeks, in a row: the first day of each, and the day after the last."""

    zone: ZoneInfo
    first_days: list[date]
    end: date

    @classmethod
    def of(cls, days: Days, *, is_weekly: bool) -> _Bars:
        begin = [each for each in days.dates() if not is_weekly or each == days.first or each.weekday() == 0]
        return cls(days.zone, begin, days.last + timedelta(days=1))

    def __len__(self) -> int:
        return len(self.first_days)

    def edges(self) -> list[datetime]:
        """Return when each begins in its zone, and when the last ends."""
        return [beginning(each, self.zone) for each in (*self.first_days, self.end)]

    def midnights(self) -> list[datetime]:
        """Return when UTC days of the same dates begin."""
        return [datetime.combine(each, time.min, tzinfo=UTC) for each in (*self.first_days, self.end)]


def stacked(asked: Filter, known: Reach, *, now: datetime, is_weekly: bool = False) -> Stacked:
    """Return what each day, or week, cost, the dearest series first."""
    bars = _Bars.of(asked.days, is_weekly=is_weekly)
    series: dict[str, _Found] = defaultdict(lambda: _Found([_ZERO] * len(bars)))
    totals = [_ZERO] * len(bars)
    for number, key, cost, calls, unpriced, *kinds in _rows(asked, bars, known):
        totals[number] += cost
        if asked.group is Group.KIND:
            found = {"cost_usd": cost, **dict(zip(_KIND_COSTS, kinds, strict=True))}
            for kind, of_kind in by_kind(found).items():
                series[kind].values[number] += of_kind
        else:
            series[key].values[number] += cost
            series[key].call_count += int(calls)
            series[key].unpriced_count += int(unpriced)
    return Stacked(
        group=asked.group,
        days=bars.first_days,
        last_day=asked.days.last,
        series=_dearest_first(series),
        totals=totals,
        is_partial_last=bars.edges()[-1] > now,
        is_weekly=is_weekly,
    )


def _dearest_first(series: dict[str, _Found]) -> list[Series]:
    rows = [
        Series(
            key=str(key),
            label=str(key),
            values=found.values,
            total_usd=sum(found.values, _ZERO),
            call_count=found.call_count,
            unpriced_count=found.unpriced_count,
        )
        for key, found in series.items()
        if found.call_count or any(found.values)
    ]
    return sorted(rows, key=lambda row: (-row.total_usd, row.key))


def _rows(asked: Filter, bars: _Bars, known: Reach) -> list[tuple[Any, ...]]:
    scope, group = within(asked), asked.group
    if scope.projects == []:
        return []
    midnights, edges = bars.midnights(), bars.edges()
    read = f"SELECT {_NUMBER_OF_CALL}, {_KEYS_OF_CALL[group]} AS key, {of_call(_of_calls(group))}"
    # Only the kinds of tokens need a call's prices.
    joined = DETAILED if group is Group.KIND else STEPS
    parts = _from_days(group, scope, midnights)
    parts += _from_moved(group, scope, midnights, edges)
    parts += [(sql, [edges, *values]) for sql, values in from_ledger(read, joined, scope, known)]
    sums = ", ".join(f"sum({name})" for name in _of_calls(group))
    by_bar = f"SELECT number, key, {sums} FROM part WHERE number BETWEEN 0 AND %s GROUP BY number, key"  # noqa: S608
    return rows_of(by_bar, [len(bars) - 1], parts)


def _from_days(group: Group, scope: Scope, midnights: list[datetime]) -> list[Part]:
    parts = []
    # Kinds of tokens are of no step.
    is_plain = group is Group.KIND and scope.table is None
    table, of_table = ("daysums", []) if is_plain else ("spansums", [("span = %s", Span.DAY.value), *_asked(scope)])
    for which, sign in projects(scope):
        sql, values = select(
            f"SELECT starts_at, {_KEYS[group]} AS key, {_of_sums(group, 'sum')} FROM telemetry_{table}",  # noqa: S608
            [which, *during((midnights[0], midnights[-1])), *of_table],
        )
        # A day is numbered once, not with each of its rows: of a year there are thousands.
        signed = ", ".join(f"{sign}{name} AS {name}" for name in _of_calls(group))
        of_day = f"SELECT {_NUMBER_OF_SUMS}, key, {signed} FROM ({sql} GROUP BY starts_at, key) of_day"  # noqa: S608
        parts.append((of_day, [midnights, *values]))
    return parts


def _from_moved(group: Group, scope: Scope, midnights: list[datetime], edges: list[datetime]) -> list[Part]:
    moved = [
        (min(edge, midnight), max(edge, midnight), *((number, number - 1) if edge < midnight else (number - 1, number)))
        for number, (edge, midnight) in enumerate(zip(edges, midnights, strict=True))
        if edge != midnight
    ]
    if not moved:
        return []
    since, until, of_day, not_of = map(list, zip(*moved, strict=True))
    parts = []
    table, rows = _table_of_slots(group, scope)
    for conditions, sign in rows:
        columns = f"number, {_KEYS[group]} AS key, {_of_sums(group, f'sign * {sign}1 * ')}"
        sql, values = select(f"SELECT {columns} FROM {table} t {_MOVED}", conditions)  # noqa: S608
        parts.append((sql, [_seconds(since), _seconds(until), of_day, not_of, *values]))
    return parts


def _table_of_slots(group: Group, scope: Scope) -> tuple[str, list[tuple[Conditions, str]]]:
    """Return the sums by quarter of an hour that know what is asked, and which rows of them."""
    if group is Group.STEP or scope.step_id is not None:
        return "telemetry_stepsums", [(_real(of_sums(scope)), "")]
    if group is not Group.KIND or scope.table is not None:
        return "telemetry_workflowsums", [(_real(of_sums(scope)), "")]
    return "telemetry_slotsums", [([which], sign) for which, sign in projects(scope)]


def _real(conditions: Conditions) -> Conditions:
    """Return conditions, one at least."""
    return conditions or [("t.starts_at >= %s", BEGINNING)]


def _asked(scope: Scope) -> Conditions:
    return of_sums(replace(scope, projects=None))


def _of_calls(group: Group) -> dict[str, str]:
    """Return what a call adds: its cost, that it was made, that it has no price; by kind, what each kind cost."""
    names = {"cost_usd": ALL_KEPT["cost_usd"], "call_count": "1", "unpriced_count": ALL_KEPT["unpriced_count"]}
    return names | {name: ALL_KEPT[name] for name in _KIND_COSTS if group is Group.KIND}


def _of_sums(group: Group, made: str) -> str:
    """Return the same of sums; ``made`` is what is done with each: added up, or taken away."""
    names = ("cost_usd", "unpriced_count", *(_KIND_COSTS if group is Group.KIND else ()))
    kept = {name: name for name in names} | {"call_count": _FINISHED}
    return ", ".join(f"{made}({kept[name]}) AS {name}" for name in _of_calls(group))


def _seconds(times: list[datetime]) -> list[int]:
    return [int(each.timestamp()) for each in times]
