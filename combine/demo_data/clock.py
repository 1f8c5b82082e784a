"""A database clock that can be set, for one transaction: a month is played in seconds, and every row says when.

The engine takes its times from the database. So functions of ours with the names of PostgreSQL's clock are made and
looked up first; both are undone before the transaction commits, and nobody else ever sees it. Histories therefore
need no moving afterwards, and the triggers that guard them stay on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

_SETTING = "combine.demo_clock"
_NAMES = ("clock_timestamp", "statement_timestamp", "now")


class Clock:
    """What time it is in the database, for this transaction."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.set(now)

    def set(self, now: datetime) -> None:
        self.now = now
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [_SETTING, now.isoformat()])


@contextmanager
def settable_clock(start: datetime) -> Iterator[Clock]:
    """Have the database's clock stand at ``start`` and be set by hand, until the end of the block.

    Inside a transaction. An error leaves it as it is: the transaction is lost then, and all of this with it.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("the clock is set only inside a transaction, which nobody else sees before its end")
    with connection.cursor() as cursor:
        path = _one(cursor, "SHOW search_path")
        schema = connection.ops.quote_name(_one(cursor, "SELECT current_schema()"))
        for name in _NAMES:
            cursor.execute(
                f"CREATE FUNCTION {schema}.{name}() RETURNS timestamptz LANGUAGE sql VOLATILE"
                f" AS $$ SELECT current_setting('{_SETTING}')::timestamptz $$"
            )
        # PostgreSQL's own functions come first unless their schema is named; now it comes last.
        cursor.execute("SELECT set_config('search_path', %s, true)", [f"{path}, pg_catalog"])
    yield Clock(start)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, true)", [path])
        for name in _NAMES:
            cursor.execute(f"DROP FUNCTION {schema}.{name}()")


def _one(cursor: CursorWrapper, sql: str) -> str:
    cursor.execute(sql)
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])
