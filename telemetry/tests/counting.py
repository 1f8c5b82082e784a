"""Counting statements, prepared ones too: Django knows only of those that it has sent itself."""

from __future__ import annotations

from typing import Any, Self

from django.db import connection
from django.test.utils import CaptureQueriesContext

_CARRIED_OUT = "SELECT COALESCE(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements"


class Counted(CaptureQueriesContext):
    """As Django's; ``len()`` is of all statements."""

    def __init__(self) -> None:
        super().__init__(connection)
        self.prepared_count = 0

    def __enter__(self) -> Self:
        self._before = _carried_out()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.prepared_count = _carried_out() - self._before

    def __len__(self) -> int:
        return super().__len__() + self.prepared_count


def _carried_out() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CARRIED_OUT)
        return int(cursor.fetchone()[0])
