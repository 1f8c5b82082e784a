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

from executions.models import LLMCall
from telemetry import queries, rollup
from telemetry.measures import DAY, KEPT, SLOT, STEPS, of_call, together
from telemetry.models import ALL_PROJECTS, BEGINNING, TABLES
from telemetry.totals import Totals

logger = logging.getLogger(__name__)

_LOGGED = 5
_MONTH = timedelta(days=31)

_IS_IN_SUMS = """
c.started_at >= %(since)s AND c.started_at < %(until)s
AND c.started_at < COALESCE((SELECT rolled_until FROM telemetry_watermark), %(beginning)s)
AND NOT EXISTS (SELECT 1 FROM telemetry_opencall o WHERE o.call_id = c.id)
"""
_COMPARE = """
WITH kept AS (
    SELECT {keys}, {names} FROM {table} WHERE starts_at >= %(since)s AND starts_at < %(until)s
), call AS (
    SELECT {start} AS starts_at, e.project_id, e.workflow_id, s.step_id, c.model, {of_call}
      FROM {source} WHERE {condition}
), made AS (
    SELECT {made_keys}, {sums} FROM call GROUP BY {grouping}
)
SELECT {keys}, {both} FROM kept FULL JOIN made USING ({keys})
 WHERE ({kept}) IS DISTINCT FROM ({made}) ORDER BY {keys} LIMIT 100
"""
_BOTH_PLACES = """
SELECT o.call_id FROM telemetry_opencall o LEFT JOIN executions_llmcall c ON c.id = o.call_id
 WHERE c.id IS NULL OR c.started_at <> o.started_at
    OR c.started_at >= COALESCE((SELECT rolled_until FROM telemetry_watermark), %s)
 LIMIT 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of sums: what it is by, and how rows of it are made of calls."""

    name: str
    start: str
    keys: tuple[str, ...]
    has_all_projects: bool

    def comparison(self) -> str:
        """Return the statement that finds rows which differ."""
        keys = ", ".join(self.keys)
        all_projects = f"COALESCE(project_id, '{ALL_PROJECTS}') AS project_id"
        return _COMPARE.format(
            table=self.name,
            start=self.start,
            source=STEPS,
            condition=_IS_IN_SUMS,
            of_call=of_call(KEPT),
            sums=together(KEPT),
            keys=keys,
            names=", ".join(KEPT),
            made_keys=keys.replace("project_id", all_projects) if self.has_all_projects else keys,
            grouping=f"GROUPING SETS (({keys}), (starts_at))" if self.has_all_projects else keys,
            both=", ".join(f"kept.{name}, made.{name}" for name in KEPT),
            kept=", ".join(f"kept.{name}" for name in KEPT),
            made=", ".join(f"made.{name}" for name in KEPT),
        )


COMPARED = (
    Table(name="telemetry_daysums", start=DAY, keys=("starts_at", "project_id"), has_all_projects=True),
    Table(name="telemetry_slotsums", start=SLOT, keys=("starts_at", "project_id"), has_all_projects=True),
    Table(
        name="telemetry_workflowsums",
        start=SLOT,
        keys=("starts_at", "project_id", "workflow_id", "model"),
        has_all_projects=False,
    ),
    Table(
        name="telemetry_stepsums",
        start=SLOT,
        keys=("starts_at", "project_id", "workflow_id", "step_id", "model"),
        has_all_projects=False,
    ),
)


def differences() -> Iterator[str]:
    """Yield a sentence for each sum that is not the ledger's (the first hundred of each month and table)."""
    for (call_id,) in _fetch(_BOTH_PLACES, [BEGINNING]):
        yield f"Call {call_id} is noted as open, and is not where open calls are: it would be counted twice, or never."
    columns: list[tuple[type[Model], str]] = [(LLMCall, "started_at"), *((table, "starts_at") for table in TABLES)]
    ends = [table._default_manager.aggregate(first=Min(name), last=Max(name)) for table, name in columns]
    times = [each[end] for each in ends for end in ("first", "last") if each[end] is not None]
    since = min(times, default=BEGINNING).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while times and since <= max(times):
        for table in COMPARED:
            yield from _differences(table, since, since + _MONTH)
        since += _MONTH


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


def _differences(table: Table, since: datetime, until: datetime) -> Iterator[str]:
    params = {"since": since, "until": until, "beginning": BEGINNING}
    for row in _fetch(table.comparison(), params):
        where = " ".join(map(str, (row[0].isoformat(), *row[1 : len(table.keys)])))
        pairs = zip(KEPT, row[len(table.keys) :: 2], row[len(table.keys) + 1 :: 2], strict=True)
        facts = [f"{name} is {kept}, in the ledger {made}" for name, kept, made in pairs if kept != made]
        yield f"{table.name} {where}: {'; '.join(facts)}."


def _fetch(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
