"""Prepared statements on Django's own connection, for the few places where the ORM costs too much.

Everything joins Django's transaction, since it is the same connection. The statements of
:func:`query_together` go to the server in one round trip (PostgreSQL's pipeline mode).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from django.db import connection
from psycopg.types.json import Json, JsonbLoader

Params = Sequence[Any] | Mapping[str, Any]


class Cursor(psycopg.Cursor[Any]):
    """A plain psycopg cursor: it binds on the server, so it can prepare, and it decodes ``jsonb``.

    Django's own binds on the client, and Django has its connections hand out ``jsonb`` as text.
    """

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        super().__init__(raw)
        self.adapters.register_loader("jsonb", JsonbLoader)

    def all_rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the last query, none where it returns none."""
        # Not ``description``: it makes an object for every column.
        result = self.pgresult
        return self.fetchall() if result is not None and result.nfields else []


class _Cursors:
    """The cursors of one connection, used again and again: making one costs as much as a small query."""

    __slots__ = ("cursors", "raw")

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self.cursors: list[Cursor] = []

    def get(self, count: int) -> list[Cursor]:
        while len(self.cursors) < count:
            self.cursors.append(Cursor(self.raw))
        return self.cursors[:count]


_local = threading.local()


def raw_connection() -> psycopg.Connection[Any]:
    """Return Django's psycopg connection, opened if it was not."""
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def _cursors(count: int) -> list[Cursor]:
    raw = raw_connection()
    kept: _Cursors | None = getattr(_local, "cursors", None)
    if kept is None or kept.raw is not raw:
        kept = _local.cursors = _Cursors(raw)
    return kept.get(count)


def rows(sql: LiteralString | str, params: Params = ()) -> list[tuple[Any, ...]]:
    """Run one prepared statement and return its rows."""
    with connection.wrap_database_errors:
        (cursor,) = _cursors(1)
        cursor.execute(sql, params, prepare=True)
        return cursor.all_rows()


def execute(sql: LiteralString | str, params: Params = ()) -> int:
    """Run one prepared statement and return how many rows it touched."""
    with connection.wrap_database_errors:
        (cursor,) = _cursors(1)
        cursor.execute(sql, params, prepare=True)
        return cursor.rowcount


def query_together(*queries: tuple[str, Params]) -> list[list[tuple[Any, ...]]]:
    """Run several prepared queries in one round trip and return the rows of each."""
    if len(queries) == 1:
        return [rows(*queries[0])]
    with connection.wrap_database_errors:
        cursors = _cursors(len(queries))
        with raw_connection().pipeline():
            for cursor, (sql, params) in zip(cursors, queries, strict=True):
                cursor.execute(sql, params, prepare=True)
        return [cursor.all_rows() for cursor in cursors]


def json_rows(values: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return rows as one parameter for ``json_to_recordset``; NULL where there are none."""
    return Json(values, dumps=_dumps) if values else None


def _dumps(values: Any) -> str:
    return json.dumps(values, default=str, ensure_ascii=False)
