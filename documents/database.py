"""Prepared statements on Django's own connection, for the few places where the ORM costs too much.

Everything joins Django's transaction, since it is the same connection. Statements queued by
:func:`pipelined` go to the server in one round trip (PostgreSQL's pipeline mode).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from django.db import connection
from psycopg.types.json import JsonbLoader

Params = Sequence[Any] | Mapping[str, Any]


class Cursor(psycopg.Cursor[Any]):
    """A plain psycopg cursor: it binds on the server, so it can prepare, and it decodes ``jsonb``.

    Django's own binds on the client, and Django has its connections hand out ``jsonb`` as text.
    """

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        super().__init__(raw)
        self.adapters.register_loader("jsonb", JsonbLoader)


def raw_connection() -> psycopg.Connection[Any]:
    """Return Django's psycopg connection, opened if it was not."""
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def rows(sql: LiteralString | str, params: Params = ()) -> list[tuple[Any, ...]]:
    """Run one prepared statement and return its rows."""
    with connection.wrap_database_errors, _cursor() as cursor:
        cursor.execute(sql, params, prepare=True)
        return cursor.fetchall() if cursor.description else []


def execute(sql: LiteralString | str, params: Params = ()) -> int:
    """Run one prepared statement and return how many rows it touched."""
    with connection.wrap_database_errors, _cursor() as cursor:
        cursor.execute(sql, params, prepare=True)
        return cursor.rowcount


def query_together(*queries: tuple[str, Params]) -> list[list[tuple[Any, ...]]]:
    """Run several prepared queries in one round trip and return the rows of each."""
    raw = raw_connection()
    with connection.wrap_database_errors:
        cursors = []
        with raw.pipeline():
            for sql, params in queries:
                cursor = Cursor(raw)
                cursor.execute(sql, params, prepare=True)
                cursors.append(cursor)
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


@contextmanager
def _cursor() -> Iterator[Cursor]:
    with Cursor(raw_connection()) as cursor:
        yield cursor


def dictionaries(sql: str, params: Params = ()) -> list[dict[str, Any]]:
    """Run one prepared statement and return its rows by column name."""
    with connection.wrap_database_errors, _cursor() as cursor:
        cursor.execute(sql, params, prepare=True)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
