"""Reads what the cost pages are made of: calls, times and decided gates of some days, brought together by step.

A stretch of time is put together of whole months, the whole thirds of months beside those, the whole days beside
those, and what is left at both ends; of the calls that are not in the sums yet, the ledger is read. So a year is read
nearly as quickly as a month. One statement reads each, with the period before, and sees one state of all that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from telemetry.dashboard.values import Filter
from telemetry.measures import (
    ALL_KEPT,
    CODE,
    DETAILED,
    GATES_AND_VERDICTS,
    IS_DECIDED,
    MEASURE_CODES,
    MEASURED_GATES,
    MEASURES,
    OF_GATE,
    PASSING,
    TIMED,
    of_call,
)
from telemetry.models import ALL_PROJECTS, BEGINNING, Span
from telemetry.queries import (
    ROLLED_UNTIL,
    Conditions,
    Part,
    Reach,
    Scope,
    chosen,
    of_ledger,
    of_sums,
    rows_of,
    utc_midnight,
)

Stretch = tuple[datetime, datetime]
# A text with placeholders, and the values for them.
Condition = tuple[str, list[Any]]


def _one_text(*names: str) -> str:
    """Return columns as one text: the first two have no line break, being ids."""
    return " || E'\\n' || ".join(names)


_ONE_DAY = timedelta(days=1)
# That much after its beginning a span is over, and the next one is not.
_LONGEST = {Span.DAY: _ONE_DAY, Span.THIRD: timedelta(days=11), Span.MONTH: timedelta(days=31)}
# Stands for the sign of what is read of sums.
_SIGN = "±"
# What the pages show nothing of is not read.
_UNREAD = {"first_at", "latency_ms", "timed_count"}
_READ = tuple(name for name in (*ALL_KEPT, *PASSING) if name not in _UNREAD)
_PLACE = "workflow_id, step_id, model"
_KEPT_OF_PLACE = f"{_PLACE}, " + ", ".join(f"{'0' if name in PASSING else _SIGN + name} AS {name}" for name in _READ)
_FROM_SLOTS = f"""
SELECT starts_at >= %s AS is_now, {_KEPT_OF_PLACE.replace(_SIGN, "")} FROM telemetry_stepsums
"""  # noqa: S608 - static text
_OF_CALL = "e.workflow_id, s.step_id, c.model"
_MEASURED = of_call({name: (ALL_KEPT | PASSING)[name] for name in _READ})
_CALLS = f"""
SELECT is_now, {_PLACE}, {", ".join(f"sum({name})" for name in _READ)} FROM part GROUP BY is_now, {_PLACE}
"""  # noqa: S608 - static text
# One text to group by instead of three takes half as long, of tens of thousands of counts.
_COUNTED_OF_PLACE = f"place, code, {_SIGN}how_often AS how_often"
_PLACE_OF_SUMS, _PLACE_OF_CALL, _PLACE_OF_GATE = (
    _one_text("workflow_id", "step_id", "model"),
    _one_text("e.workflow_id", "s.step_id", "c.model"),
    _one_text("e.workflow_id", "s.step_id", "''"),
)
_TIME_OF_CALL = f"{_PLACE_OF_CALL} AS place, {CODE}, 1 AS how_often"
_TIME_OF_GATE = f"{_PLACE_OF_GATE} AS place, {CODE}, 1 AS how_often FROM {MEASURED_GATES}"
_DURATIONS = f"""
telemetry_durations
CROSS JOIN LATERAL (SELECT {_PLACE_OF_SUMS} AS place OFFSET 0) AS named
CROSS JOIN LATERAL unnest(codes, counts) AS counted (code, how_often)
"""
_MEASURE_NAMES = tuple(MEASURES)
_TIMES = """
SELECT place, array_agg(code), array_agg(how_often)
  FROM (SELECT place, code, sum(how_often)::bigint AS how_often
          FROM part GROUP BY place, code HAVING sum(how_often) <> 0) counted
 GROUP BY place
"""
_DECIDED_OF_PLACE = "workflow_id, step_id, " + ", ".join(f"{_SIGN}{name} AS {name}" for name in OF_GATE)
_FROM_GATE = f"e.workflow_id, s.step_id, {of_call(OF_GATE)} FROM {GATES_AND_VERDICTS}"
_GATES = f"""
SELECT is_now, workflow_id, step_id, {", ".join(f"sum({name})" for name in OF_GATE)}
  FROM part GROUP BY is_now, workflow_id, step_id
"""  # noqa: S608 - static text


class Place(NamedTuple):
    """Where a call belongs."""

    workflow_id: str
    step_id: str
    model: str


class Cell(NamedTuple):
    """What the calls of one place come to: ``sums`` has the names of ``telemetry.measures``."""

    is_now: bool
    place: Place
    sums: dict[str, Any]


class Times(NamedTuple):
    """How often something that is measured of a place took as long, or cost as much, as each bucket says."""

    place: Place
    measure: str
    counts: dict[int, int]


class Decided(NamedTuple):
    """Gates of documents that people decided on."""

    is_now: bool
    workflow_id: str
    step_id: str
    accepted_count: int
    first_pass_count: int
    returned_count: int


@dataclass(frozen=True, slots=True)
class Stretches:
    """A stretch of time in parts: the longest spans of UTC that are in it whole, and what is left at its ends."""

    ends: list[Stretch]
    spans: dict[Span, list[Stretch]]

    def __add__(self, other: Stretches) -> Stretches:
        return Stretches(self.ends + other.ends, {span: self.spans[span] + other.spans[span] for span in Span})

    def whole(self) -> list[Stretch]:
        """Return what sums are read of."""
        return [stretch for stretches in self.spans.values() for stretch in stretches]


def calls(asked: Filter, known: Reach) -> list[Cell]:
    """Return what the calls of the period, and of the one before, come to, by workflow, step and model."""
    scope, now = _both(asked)
    if scope.projects == []:
        return []
    stretches = in_parts(within(asked.before)) + in_parts(within(asked))
    parts = _from_spans("telemetry_spansums", f"starts_at >= %s AS is_now, {_KEPT_OF_PLACE}", [now], scope, stretches)
    if stretches.ends:
        parts.append(_select(_FROM_SLOTS, [now], [_any("starts_at", stretches.ends), *_each(of_sums(scope))]))
    columns = f"SELECT c.started_at >= %s AS is_now, {_OF_CALL}, {_MEASURED}"
    parts.append(_from_ledger(columns, [now], DETAILED, scope, known))
    return [
        Cell(row[0], Place(*row[1:4]), dict(zip(_READ, row[4:], strict=True))) for row in rows_of(_CALLS, [], parts)
    ]


def times(asked: Filter, known: Reach) -> list[Times]:
    """Return how long everything took, and what documents cost, counted in buckets: on all UTC days that the period has
    a part of."""
    exact = within(asked)
    scope = replace(exact, since=utc_midnight(exact.since), until=_next_midnight(exact.until))
    if scope.projects == []:
        return []
    parts = _from_spans(_DURATIONS, _COUNTED_OF_PLACE, [], scope, in_parts(scope))
    parts.append(_from_ledger(f"SELECT {_TIME_OF_CALL}", [], TIMED, scope, known))
    if scope.model is None:
        parts.append(_from_gates(f"SELECT {_TIME_OF_GATE}", [], [_since_mark(scope, known)], scope))
    found = []
    for text, codes, counts in rows_of(_TIMES, [], parts):
        place = Place(*text.split("\n", 2))
        by_measure: dict[str, dict[int, int]] = {name: {} for name in MEASURES}
        for code, count in zip(codes, counts, strict=True):
            measure, number = divmod(code, MEASURE_CODES)
            by_measure[_MEASURE_NAMES[measure]][number] = count
        found += [Times(place, name, of_name) for name, of_name in by_measure.items() if of_name]
    return found


def gates(asked: Filter, known: Reach) -> list[Decided]:
    """Return how gates of documents were decided, in the period and in the one before, by workflow and step."""
    scope, now = _both(asked)
    scope = replace(scope, model=None)
    if scope.projects == []:
        return []
    stretches = in_parts(within(asked.before)) + in_parts(within(asked))
    parts = _from_spans(
        "telemetry_gatesums", f"starts_at >= %s AS is_now, {_DECIDED_OF_PLACE}", [now], scope, stretches
    )
    read = f"SELECT g.closed_at >= %s AS is_now, {_FROM_GATE}"
    if stretches.ends:
        parts.append(_from_gates(read, [now], [_any("g.closed_at", stretches.ends)], scope))
    whole = [stretch for stretch in stretches.whole() if stretch[1] > known.rolled_until]
    if whole:
        parts.append(_from_gates(read, [now], [_since_mark(scope, known), _any("g.closed_at", whole)], scope))
    return [Decided(row[0], row[1], row[2], *map(int, row[3:])) for row in rows_of(_GATES, [], parts)]


def _both(asked: Filter) -> tuple[Scope, datetime]:
    """Return the scope of the period and the one before together, and when the period begins."""
    now = within(asked)
    return replace(now, since=within(asked.before).since), now.since


def within(asked: Filter) -> Scope:
    """Return the scope of the period's days."""
    edges = asked.days.edges()
    return replace(asked.scope, since=edges[0], until=edges[-1])


def projects(scope: Scope) -> list[tuple[tuple[str, Any], str]]:
    """Return which rows of sums of a project, or of all, are to be added (and ``-``: to be taken away)."""
    of_all = ("project_id = %s", ALL_PROJECTS)
    if scope.projects is None or scope.others == []:
        return [(of_all, "")]
    if scope.others is None or len(scope.others) >= len(scope.projects):
        return [(("project_id = ANY(%s)", list(scope.projects)), "")]
    return [(of_all, ""), (("project_id = ANY(%s)", list(scope.others)), "-")]


def _from_spans(table: str, columns: str, values: list[Any], scope: Scope, stretches: Stretches) -> list[Part]:
    """Return the sums of whole days, thirds and months."""
    spans = [
        (f"(span = '{span}' AND {text})", given)
        for span, meant in stretches.spans.items()
        for text, given in ([_any("starts_at", meant)] if meant else [])
    ]
    if not spans:
        return []
    which = (f"({' OR '.join(text for text, _ in spans)})", [value for _, given in spans for value in given])
    asked = _each(of_sums(replace(scope, projects=None)))
    return [
        _select(
            f"SELECT {columns.replace(_SIGN, sign)} FROM {table}",  # noqa: S608 - texts of this module
            values,
            [*_each([of_project]), which, *asked],
        )
        for of_project, sign in projects(scope)
    ]


def _from_ledger(read: str, values: list[Any], joined: str, scope: Scope, known: Reach) -> Part:
    """Return the calls that are not in the sums: those since the watermark, and those that were open when it passed."""
    live = f"""
    (SELECT c.id FROM executions_llmcall c
      WHERE c.started_at >= {ROLLED_UNTIL} AND c.started_at >= %s AND c.started_at < %s
     UNION ALL SELECT o.call_id FROM telemetry_opencall o WHERE o.started_at >= %s AND o.started_at < %s) live"""  # noqa: S608
    since = max(scope.since, known.rolled_until)
    given = [*values, BEGINNING, since, scope.until, scope.since, scope.until]
    # All calls, where nothing else is asked.
    asked = _each(of_ledger(scope)) or [("true", [])]
    return _select(f"{read} FROM {live} JOIN executions_llmcall c ON c.id = live.id {joined}", given, asked)


def _from_gates(read: str, values: list[Any], when: list[Condition], scope: Scope) -> Part:
    asked = chosen(scope, projects="e.project_id", workflow="e.workflow_id", step="s.step_id", model="")
    return _select(read, values, [(IS_DECIDED, []), *when, *_each(asked)])


def _since_mark(scope: Scope, known: Reach) -> Condition:
    """Return the condition that a gate is not in the sums. (What is known is said beside it for PostgreSQL to plan.)"""
    since = max(scope.since, known.rolled_until)
    return f"g.closed_at >= {ROLLED_UNTIL} AND g.closed_at >= %s AND g.closed_at < %s", [BEGINNING, since, scope.until]


def _any(column: str, stretches: list[Stretch]) -> Condition:
    """Return the condition that a time is in one of some stretches."""
    text = " OR ".join(f"({column} >= %s AND {column} < %s)" for _ in stretches)
    return f"({text})", [end for stretch in stretches for end in stretch]


def _each(conditions: Conditions) -> list[Condition]:
    return [(text, [value]) for text, value in conditions]


def _select(read: str, values: list[Any], conditions: list[Condition]) -> Part:
    text = " AND ".join(text for text, _ in conditions)
    return f"{read} WHERE {text}", [*values, *(value for _, given in conditions for value in given)]


def in_parts(scope: Scope) -> Stretches:
    """Return what the scope's time is put together of: the longest spans that are in it whole, and its ends."""
    left: list[Stretch] = [(scope.since, scope.until)]
    spans: dict[Span, list[Stretch]] = {}
    # From the longest on: what the whole ones leave at both ends is put together of shorter ones.
    for span in reversed(Span):
        found = [(stretch, _whole(span, stretch)) for stretch in left]
        spans[span] = _real(*(whole for _, whole in found))
        left = _real(*(end for (since, until), (first, last) in found for end in ((since, first), (last, until))))
    return Stretches(left, spans)


def _whole(span: Span, stretch: Stretch) -> Stretch:
    """Return from when to when there are whole spans in a stretch; where there is none, its beginning twice."""
    since, until = stretch
    first, last = _begin(span, since), _begin(span, until)
    if first < since:
        first = _begin(span, first + _LONGEST[span])
    return (first, last) if first < last else (since, since)


def _real(*stretches: Stretch) -> list[Stretch]:
    return [(since, until) for since, until in stretches if since < until]


def _next_midnight(at: datetime) -> datetime:
    """Return the first midnight (UTC) that is not before a time."""
    midnight = utc_midnight(at)
    return midnight if midnight == at else midnight + _ONE_DAY


def _begin(span: Span, at: datetime) -> datetime:
    """Return when the span began that a time is in."""
    midnight = utc_midnight(at)
    match span:
        case Span.DAY:
            return midnight
        case Span.THIRD:
            return midnight.replace(day=min((midnight.day - 1) // 10, 2) * 10 + 1)
        case Span.MONTH:
            return midnight.replace(day=1)
