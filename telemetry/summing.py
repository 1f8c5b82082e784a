"""The statements that add to the sums, and take from them. Static texts: :mod:`telemetry.rollup` runs them.

What is to be added is first brought together by quarter of an hour, step and model. All tables are made of that.
"""

from __future__ import annotations

from telemetry.measures import (
    ADDED,
    ALL_KEPT,
    CALLS,
    CODE,
    DETAILED,
    GATES_AND_VERDICTS,
    IS_DECIDED,
    MEASURED_GATES,
    MONTH,
    OF_GATE,
    SLOT,
    THIRD,
    TIMED,
    of_call,
    spans_of,
    together,
)
from telemetry.models import ALL_PROJECTS, Span

_KEPT = ", ".join(ALL_KEPT)
_SUMS = together(ALL_KEPT)
_MERGE = ", ".join([f"{name} = t.{name} + excluded.{name}" for name in ADDED])
_MERGE_SUMS = f"DO UPDATE SET {_MERGE}, first_at = least(t.first_at, excluded.first_at)"
_PROJECT = f"COALESCE(project_id, '{ALL_PROJECTS}')"
_SPAN = f"""
CASE WHEN GROUPING(day) = 0 THEN '{Span.DAY}' WHEN GROUPING(third) = 0 THEN '{Span.THIRD}' ELSE '{Span.MONTH}' END
"""


def by_spans(keys: str) -> str:
    """Return a GROUP BY by day, third and month, of each project and of all; ``keys`` are of all six."""
    spans, projects = ("day", "third", "month"), (", project_id", "")
    sets = ", ".join(f"({span}{project}, {keys})" for span in spans for project in projects)
    return f"GROUP BY GROUPING SETS ({sets})"


# The same as columns, of rows that have a day, a third, a month and a project.
SPANS = f"{_SPAN} AS span, COALESCE(day, third, month) AS starts_at, {_PROJECT} AS project_id"

_ADD_CALLS = f"""
WITH call AS (
    SELECT {SLOT} AS starts_at, e.project_id, e.workflow_id, s.step_id, c.model, {{of_call}}
      FROM {CALLS} {DETAILED} WHERE {{condition}}
), sums AS MATERIALIZED (
    SELECT starts_at, {spans_of("starts_at")}, project_id, workflow_id, step_id, model, {_SUMS}
      FROM call GROUP BY starts_at, project_id, workflow_id, step_id, model
), steps AS (
    INSERT INTO telemetry_stepsums AS t (starts_at, project_id, workflow_id, step_id, model, {_KEPT})
    SELECT starts_at, project_id, workflow_id, step_id, model, {_KEPT} FROM sums
        ON CONFLICT (step_id, starts_at, workflow_id, project_id, model) {_MERGE_SUMS}
), workflows AS (
    INSERT INTO telemetry_workflowsums AS t (starts_at, project_id, workflow_id, model, {_KEPT})
    SELECT starts_at, project_id, workflow_id, model, {_SUMS} FROM sums GROUP BY 1, 2, 3, 4
        ON CONFLICT (workflow_id, starts_at, project_id, model) {_MERGE_SUMS}
), slots AS (
    INSERT INTO telemetry_slotsums AS t (starts_at, project_id, {_KEPT})
    SELECT starts_at, {_PROJECT}, {_SUMS} FROM sums GROUP BY GROUPING SETS ((starts_at, project_id), (starts_at))
        ON CONFLICT (project_id, starts_at) {_MERGE_SUMS}
), spans AS (
    INSERT INTO telemetry_spansums AS t (span, starts_at, project_id, workflow_id, step_id, model, {_KEPT})
    SELECT {SPANS}, workflow_id, step_id, model, {_SUMS} FROM sums {by_spans("workflow_id, step_id, model")}
        ON CONFLICT (project_id, span, starts_at, workflow_id, step_id, model) {_MERGE_SUMS}
)
INSERT INTO telemetry_daysums AS t (starts_at, project_id, {_KEPT})
SELECT day, {_PROJECT}, {_SUMS} FROM sums GROUP BY GROUPING SETS ((day, project_id), (day))
    ON CONFLICT (project_id, starts_at) {_MERGE_SUMS}
"""  # noqa: S608 - static text

_DURATION_KEYS = "workflow_id, step_id, model"
# What is measured of calls and of gates, as what is to be counted.
TIMES_OF_CALLS = f"""
SELECT {spans_of("c.started_at")}, e.project_id, e.workflow_id, s.step_id, c.model, {CODE} FROM {CALLS} {TIMED} WHERE
"""  # noqa: S608 - static text
TIMES_OF_GATES = f"""
SELECT {spans_of("g.closed_at")}, e.project_id, e.workflow_id, s.step_id, '' AS model, {CODE}
  FROM {MEASURED_GATES} WHERE {IS_DECIDED} AND
"""  # noqa: S608 - static text


_COUNTS = "array_agg(code ORDER BY code)::smallint[] AS codes, array_agg(how_often ORDER BY code)::bigint[] AS counts"


def counted(times: str) -> str:
    """Return how many of some times are in each bucket, by day, third and month, of each project and of all."""
    return f"""
    SELECT span, starts_at, project_id, {_DURATION_KEYS}, {_COUNTS}
      FROM (SELECT {SPANS}, {_DURATION_KEYS}, code, count(*) AS how_often
              FROM ({times}) AS times {by_spans(f"{_DURATION_KEYS}, code")}) AS counted
     GROUP BY 1, 2, 3, 4, 5, 6"""  # noqa: S608 - static text


def _merged(ours: str, others: str, sign: int) -> str:
    """Return counts with others added, or taken away. What comes to nothing is left out."""
    return f"""
    (SELECT COALESCE(codes, '{{}}'), COALESCE(counts, '{{}}') FROM (SELECT {_COUNTS}
       FROM (SELECT code, sum(how_often) AS how_often
               FROM (SELECT * FROM unnest({ours}.codes, {ours}.counts) AS ours (code, how_often)
                     UNION ALL SELECT code, {sign} * how_often
                                 FROM unnest({others}.codes, {others}.counts) AS others (code, how_often)) both_of_them
              GROUP BY code HAVING sum(how_often) <> 0) merged) found)"""  # noqa: S608 - static text


def _add_times(times: str) -> str:
    return f"""
    INSERT INTO telemetry_durations AS t (span, starts_at, project_id, {_DURATION_KEYS}, codes, counts)
    {counted(times)}
        ON CONFLICT (project_id, span, starts_at, {_DURATION_KEYS})
        DO UPDATE SET (codes, counts) = {_merged("t", "excluded", 1)}"""


_GATE_KEYS = "workflow_id, step_id"
_GATE_SUMS = ", ".join(OF_GATE)
DECIDED = f"""
SELECT {spans_of("g.closed_at")}, e.project_id, e.workflow_id, s.step_id, {of_call(OF_GATE)}
  FROM {GATES_AND_VERDICTS} WHERE {IS_DECIDED} AND
"""  # noqa: S608 - static text


def decided(gates: str) -> str:
    """Return the sums of some gates by day, third and month, of each project and of all."""
    return f"""
    SELECT {SPANS}, {_GATE_KEYS}, {together(OF_GATE)}
      FROM ({gates}) AS gates {by_spans(_GATE_KEYS)}"""  # noqa: S608 - static text


_ADD_GATES = f"""
INSERT INTO telemetry_gatesums AS t (span, starts_at, project_id, {_GATE_KEYS}, {_GATE_SUMS})
{{decided}}
    ON CONFLICT (project_id, span, starts_at, {_GATE_KEYS})
    DO UPDATE SET {", ".join(f"{name} = t.{name} + excluded.{name}" for name in OF_GATE)}
"""

_OF_DAY = f"""
 WHERE d.span = '{Span.DAY}' AND d.starts_at = %(day)s
   AND ((t.span = '{Span.THIRD}' AND t.starts_at = {THIRD.replace("c.started_at", "d.starts_at")})
     OR (t.span = '{Span.MONTH}' AND t.starts_at = {MONTH.replace("c.started_at", "d.starts_at")}))
   AND (d.project_id, d.workflow_id, d.step_id, d.model) = (t.project_id, t.workflow_id, t.step_id, t.model)
"""
# What a day is a part of, less that day, before it is added up anew. The first call of a month stays the first.
_LESS_DAY = f"""
UPDATE telemetry_spansums AS t SET {", ".join(f"{name} = t.{name} - d.{name}" for name in ADDED)}
  FROM telemetry_spansums d {_OF_DAY}
"""  # noqa: S608 - static text
_LESS_DURATIONS = f"""
UPDATE telemetry_durations AS t SET (codes, counts) = {_merged("t", "d", -1)}
  FROM telemetry_durations d {_OF_DAY}
"""  # noqa: S608 - static text
LESS_DAY = (_LESS_DAY, _LESS_DURATIONS)


def of_calls(condition: str, sign: int = 1) -> str:
    """Return the statement that adds what some calls cost to the sums, or takes it out (``sign`` -1)."""
    signed = {name: text if name == "first_at" else f"{sign} * ({text})" for name, text in ALL_KEPT.items()}
    return _ADD_CALLS.format(of_call=of_call(signed), condition=condition)


def times_of_calls(condition: str) -> str:
    """Return the statement that adds how long some calls took."""
    return _add_times(TIMES_OF_CALLS + condition)


def of_gates(condition: str) -> tuple[str, str]:
    """Return the statements that add some gates to the sums."""
    return _ADD_GATES.format(decided=decided(DECIDED + condition)), _add_times(TIMES_OF_GATES + condition)
