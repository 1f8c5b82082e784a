"""Whether the sums are the ledger's, to the last decimal. Reads only, and may run beside everything.

A month at a time is compared by one statement, which sees one state of both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Max, Min, Model

from executions.models import Gate, LLMCall
from telemetry import queries, rollup, summing
from telemetry.measures import ALL_KEPT, CALLS, DETAILED, OF_GATE, SLOT, of_call, spans_of, together
from telemetry.models import ALL_PROJECTS, BEGINNING, TABLES, Durations, GateSums
from telemetry.totals import Totals

logger = logging.getLogger(__name__)

_LOGGED = 5

_REACHED = "COALESCE((SELECT rolled_until FROM telemetry_watermark), %(beginning)s)"
_IS_IN_SUMS = f"""
c.started_at >= %(since)s AND c.started_at < %(until)s AND c.started_at < {_REACHED}
AND NOT EXISTS (SELECT 1 FROM telemetry_opencall o WHERE o.call_id = c.id)
"""  # noqa: S608 - static text
_IS_GATE_IN_SUMS = f"g.closed_at >= %(since)s AND g.closed_at < %(until)s AND g.closed_at < {_REACHED}"
_COMPARE = """
WITH kept AS (
    SELECT {keys}, {names} FROM {table} WHERE starts_at >= %(since)s AND starts_at < %(until)s
), made AS ({made})
SELECT {keys}, {both} FROM kept FULL JOIN made USING ({keys})
 WHERE ({kept}) IS DISTINCT FROM ({of_made}) ORDER BY {keys} LIMIT 100
"""
_BOTH_PLACES = """
SELECT o.call_id FROM telemetry_opencall o LEFT JOIN executions_llmcall c ON c.id = o.call_id
 WHERE c.id IS NULL OR c.started_at <> o.started_at
    OR c.started_at >= COALESCE((SELECT rolled_until FROM telemetry_watermark), %s)
 LIMIT 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of sums: what it is by, what it holds, and a SELECT of the same that does not read it."""

    name: str
    keys: tuple[str, ...]
    names: tuple[str, ...]
    made: str

    def comparison(self, finest: str) -> str:
        """Return the statement that finds rows which differ; ``finest`` are sums that are right."""
        return _COMPARE.format(
            table=self.name,
            made=self.made.replace("{finest}", finest),
            keys=", ".join(self.keys),
            names=", ".join(self.names),
            both=", ".join(f"kept.{name}, made.{name}" for name in self.names),
            kept=", ".join(f"kept.{name}" for name in self.names),
            of_made=", ".join(f"made.{name}" for name in self.names),
        )


_STEP_KEYS = ("starts_at", "project_id", "workflow_id", "step_id", "model")
_SUMS = together(ALL_KEPT)
_FROM_LEDGER = f"""
SELECT starts_at, project_id, workflow_id, step_id, model, {_SUMS}
  FROM (SELECT {SLOT} AS starts_at, e.project_id, e.workflow_id, s.step_id, c.model, {of_call(ALL_KEPT)}
          FROM {CALLS} {DETAILED} WHERE {_IS_IN_SUMS}) call
 GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - static text
_FROM_FINEST = "SELECT * FROM telemetry_stepsums WHERE starts_at >= %(since)s AND starts_at < %(until)s"
# Where the finest sums are the ledger's, the others are compared with those: the ledger is read once.
_SLOTS = f"""
(SELECT *, {spans_of("starts_at")} FROM ({{finest}}) finest) slot
"""  # noqa: S608 - static text
_PROJECT = f"COALESCE(project_id, '{ALL_PROJECTS}') AS project_id"


def _sums(name: str, made: str, *keys: str) -> Table:
    return Table(name=f"telemetry_{name}", keys=keys, names=tuple(ALL_KEPT), made=made)


COMPARED = (
    _sums("stepsums", _FROM_LEDGER, *_STEP_KEYS),
    _sums(
        "workflowsums",
        f"SELECT starts_at, project_id, workflow_id, model, {_SUMS} FROM {_SLOTS} GROUP BY 1, 2, 3, 4",  # noqa: S608
        *("starts_at", "project_id", "workflow_id", "model"),
    ),
    _sums(
        "slotsums",
        f"SELECT starts_at, {_PROJECT}, {_SUMS} FROM {_SLOTS}"  # noqa: S608
        " GROUP BY GROUPING SETS ((starts_at, project_id), (starts_at))",
        *("starts_at", "project_id"),
    ),
    _sums(
        "daysums",
        f"SELECT day AS starts_at, {_PROJECT}, {_SUMS} FROM {_SLOTS}"  # noqa: S608
        " GROUP BY GROUPING SETS ((day, project_id), (day))",
        *("starts_at", "project_id"),
    ),
    _sums(
        "spansums",
        f"SELECT {summing.SPANS}, workflow_id, step_id, model, {_SUMS} FROM {_SLOTS}"  # noqa: S608
        f" {summing.by_spans('workflow_id, step_id, model')}",
        *("starts_at", "span", *_STEP_KEYS[1:]),
    ),
    Table(
        name="telemetry_durations",
        keys=("starts_at", "span", *_STEP_KEYS[1:]),
        names=("codes", "counts"),
        made=f"{summing.counted(summing.TIMES_OF_CALLS + _IS_IN_SUMS)}"
        f" UNION ALL {summing.counted(summing.TIMES_OF_GATES + _IS_GATE_IN_SUMS)}",
    ),
    Table(
        name="telemetry_gatesums",
        keys=("starts_at", "span", *_STEP_KEYS[1:4]),
        names=tuple(OF_GATE),
        made=summing.decided(summing.DECIDED + _IS_GATE_IN_SUMS),
    ),
)


def differences() -> Iterator[str]:
    """Yield a sentence for each sum that is not the ledger's (the first hundred of each month and table)."""
    for (call_id,) in _fetch(_BOTH_PLACES, [BEGINNING]):
        yield f"Call {call_id} is noted as open, and is not where open calls are: it would be counted twice, or never."
    kept: tuple[type[Model], ...] = (*TABLES, Durations, GateSums)
    columns: list[tuple[type[Model], str]] = [(LLMCall, "started_at"), (Gate, "closed_at")]
    columns += [(table, "starts_at") for table in kept]
    ends = [table._default_manager.aggregate(first=Min(name), last=Max(name)) for table, name in columns]
    times = [each[end] for each in ends for end in ("first", "last") if each[end] is not None]
    since = _month(min(times, default=BEGINNING))
    while times and since <= max(times):
        until = _month(since + timedelta(days=31))
        yield from _differences_of(since, until)
        since = until


def _differences_of(since: datetime, until: datetime) -> Iterator[str]:
    finest, *others = COMPARED
    found = list(_differences(finest, since, until, _FROM_LEDGER))
    yield from found
    for table in others:
        yield from _differences(table, since, until, _FROM_LEDGER if found else _FROM_FINEST)


def mend() -> int:
    """Make the sums anew if they are not the ledger's; return how many differences were found, at most a few.

    There are none unless somebody has written to the ledger by hand, or the database's clock was put back far.
    """
    while rollup.roll_up():
        pass
    found = list(islice(differences(), _LOGGED))
    if found:
        facts = {"action": "costs_differed", "count": len(found), "differences": found}
        logger.error("The sums of the ledger were wrong, and are made anew", extra=facts)
        rollup.rebuild()
    return len(found)


def totals() -> Totals:
    """Return what all calls come to."""
    return queries.total(queries.Scope(), queries.reach())


def _differences(table: Table, since: datetime, until: datetime, finest: str) -> Iterator[str]:
    params = {"since": since, "until": until, "beginning": BEGINNING}
    for row in _fetch(table.comparison(finest), params):
        where = " ".join(map(str, (row[0].isoformat(), *row[1 : len(table.keys)])))
        pairs = zip(table.names, row[len(table.keys) :: 2], row[len(table.keys) + 1 :: 2], strict=True)
        facts = [f"{name} is {kept}, in the ledger {made}" for name, kept, made in pairs if kept != made]
        yield f"{table.name} {where}: {'; '.join(facts)}."


def _month(at: datetime) -> datetime:
    """Return the beginning of a month, in UTC."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _fetch(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
