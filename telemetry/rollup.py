"""Keeps the sums of the ledger up to date, whenever it is called and however often.

A call is added once, when it is over. That is found without any mark on the ledger, whose writing is the engine's hot
path: the watermark moves on over the rows by the time they were started, and what is not over yet when it passes is
noted as open, and added when it is. The watermark stays behind every transaction that is still running: such a one may
have begun a call that nobody else sees yet.

What is over never changes, but for a lost call: its worker may only be slow, and book it after all. So lost calls stay
open for a day. Those that are in the sums are watched, and a day of which one has changed is added up anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from telemetry import summing
from telemetry.models import BEGINNING, TABLES, Durations, GateSums, LostCall, OpenCall, Span, SpanSums, Watermark
from telemetry.summing import LESS_DAY

# Rows of the ledger that one transaction adds.
CHUNK = 20_000
# A call's time is taken from the database's clock within the transaction that writes it, so it is never earlier than
# the oldest transaction that still runs. The margin is for a clock that is put back.
MARGIN = timedelta(minutes=2)
# How long a lost call is read from the ledger. A worker that comes back, comes back soon.
HOLD = timedelta(days=1)

_HORIZON = """
SELECT least(clock_timestamp(), (
    SELECT min(xact_start) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid())) - %s
"""
_CHUNK_END = """
SELECT started_at FROM executions_llmcall WHERE started_at >= %s AND started_at < %s
 ORDER BY started_at OFFSET %s LIMIT 1
"""
_IS_OVER = """
(c.status IN ('succeeded', 'failed', 'cancelled') OR (c.status = 'lost' AND c.finished_at < %(held_since)s))
"""
_OPEN = f"""
INSERT INTO telemetry_opencall (call_id, started_at)
SELECT c.id, c.started_at FROM executions_llmcall c
 WHERE c.started_at >= %(since)s AND c.started_at < %(until)s AND NOT {_IS_OVER}
"""  # noqa: S608 - static text
_CLOSE = f"""
DELETE FROM telemetry_opencall o USING executions_llmcall c WHERE c.id = o.call_id AND {_IS_OVER} RETURNING c.id
"""  # noqa: S608 - static text
# Lost calls that are about to be added: before, so that none that changes in between is added and not watched.
_WATCH = """
INSERT INTO telemetry_lostcall (call_id)
SELECT c.id FROM executions_llmcall c WHERE c.status = 'lost' AND ({condition}) ON CONFLICT DO NOTHING
"""
_CHANGED = """
DELETE FROM telemetry_lostcall l USING executions_llmcall c WHERE c.id = l.call_id AND c.status <> 'lost'
RETURNING c.started_at
"""

# Rows that the watermark passes now are over, or were noted as open a moment ago.
_PASSED = """
c.started_at >= %(since)s AND c.started_at < %(until)s
AND NOT EXISTS (SELECT 1 FROM telemetry_opencall o WHERE o.call_id = c.id)
"""
_NAMED = "c.id = ANY(%(ids)s)"
_SUMMED = f"SELECT c.id FROM executions_llmcall c WHERE {_NAMED} AND {_PASSED}"  # noqa: S608 - static text

_ADD_PASSED = (summing.of_calls(_PASSED), summing.times_of_calls(_PASSED))
_ADD_NAMED = (summing.of_calls(_NAMED), summing.times_of_calls(_NAMED))
# What a call took does not change with its price.
_ADD_PRICES, _TAKE_PRICES = summing.of_calls(_NAMED), summing.of_calls(_NAMED, sign=-1)
# A gate is of the moment at which it was closed, and does not change any more.
_ADD_GATES = summing.of_gates("g.closed_at >= %(since)s AND g.closed_at < %(until)s")
_WATCH_PASSED, _WATCH_NAMED = _WATCH.format(condition=_PASSED), _WATCH.format(condition=_NAMED)


def roll_up(*, until: datetime | None = None) -> bool:
    """Add what is over by now, at most :data:`CHUNK` rows. Return whether there is more to add at once.

    Several may call this at any time: one does it, the others leave it to it. With ``until`` the watermark is left
    there at the latest.
    """
    with transaction.atomic():
        Watermark.objects.bulk_create([Watermark()], ignore_conflicts=True)
        mark = Watermark.objects.select_for_update(skip_locked=True).first()
        if mark is None:
            return False
        settled = horizon()
        return _move(mark, settled if until is None else min(settled, until))


def horizon() -> datetime:
    """Return a time before which everything is visible that will ever be: no open transaction is as old."""
    found: datetime = _row(_HORIZON, (MARGIN,))[0]
    return found


def _move(mark: Watermark, horizon: datetime) -> bool:
    """Move the watermark on, at most to ``horizon`` and by a chunk, and add what it passes and what is over by now."""
    since = mark.rolled_until
    found = _row(_CHUNK_END, (since, horizon, CHUNK)) if horizon > since else None
    # At least a microsecond: so many calls may have been started at the same time.
    until = max(found[0], since + timedelta(microseconds=1)) if found else max(horizon, since)
    stretch = {"since": since, "until": until, "held_since": _row("SELECT clock_timestamp() - %s", (HOLD,))[0]}
    closed = {"ids": [row[0] for row in _run(_CLOSE, stretch)]}
    _run(_OPEN, stretch)
    _run(_WATCH_PASSED, stretch)
    _run_all(_ADD_PASSED, stretch)
    _run_all(_ADD_GATES, stretch)
    if closed["ids"]:
        _run(_WATCH_NAMED, closed)
        _run_all(_ADD_NAMED, closed)
    mark.rolled_until = until
    mark.save(update_fields=["rolled_until"])
    for day in {_midnight(row[0]) for row in _run(_CHANGED, {})}:
        _add_up_anew(day, mark)
    return found is not None


def _add_up_anew(day: datetime, mark: Watermark) -> None:
    """Replace the sums of one day (UTC) by what the ledger holds now, and have what it is a part of hold the
    difference."""
    stretch = {"since": day, "until": min(day + timedelta(days=1), mark.rolled_until)}
    _run_all(LESS_DAY, {"day": day})
    for table in TABLES:
        if table is not SpanSums:
            table._default_manager.filter(starts_at__gte=day, starts_at__lt=day + timedelta(days=1)).delete()
    SpanSums.objects.filter(span=Span.DAY, starts_at=day).delete()
    Durations.objects.filter(span=Span.DAY, starts_at=day).delete()
    Durations.objects.filter(starts_at__range=(day.replace(day=1), day), codes=[]).delete()
    _run(_WATCH_PASSED, stretch)
    _run_all(_ADD_PASSED, stretch)
    _run(_ADD_GATES[1], stretch)


def rebuild() -> None:
    """Make all sums anew, in one transaction: readers see the old ones until the new ones are whole."""
    with transaction.atomic():
        _run("SET LOCAL statement_timeout = 0", None)
        mark = locked_watermark()
        for table in TABLES:
            table._default_manager.all().delete()
        Durations.objects.all().delete()
        GateSums.objects.all().delete()
        OpenCall.objects.all().delete()
        LostCall.objects.all().delete()
        mark.rolled_until, until = BEGINNING, mark.rolled_until
        while _move(mark, until):
            pass


def locked_watermark() -> Watermark:
    """Return the watermark, locked: until the transaction ends nobody else changes the sums."""
    Watermark.objects.bulk_create([Watermark()], ignore_conflicts=True)
    return Watermark.objects.select_for_update().get()


def in_sums(mark: Watermark, ids: Sequence[UUID]) -> list[UUID]:
    """Return which of some calls are in the sums."""
    stretch = {"ids": list(ids), "since": BEGINNING, "until": mark.rolled_until}
    return [row[0] for row in _run(_SUMMED, stretch)]


def add(ids: Sequence[UUID]) -> None:
    """Add what some calls cost to the sums, as they are now."""
    _run(_ADD_PRICES, {"ids": list(ids)})


def take_out(ids: Sequence[UUID]) -> None:
    """Take what some calls cost out of the sums, as they are now: before it changes."""
    _run(_TAKE_PRICES, {"ids": list(ids)})


def _run(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def _run_all(statements: Sequence[str], params: Any) -> None:
    for statement in statements:
        _run(statement, params)


def _row(sql: str, params: Sequence[Any]) -> Any:
    """Return the one row of a query, or ``None``."""
    return next(iter(_run(sql, params)), None)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
