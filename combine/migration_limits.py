"""Migrations run with limits of their own: no time limit on a statement, little patience for a lock.

Building an index may take long, and harms nobody. Waiting long for a lock does: everybody else queues behind.
"""

from __future__ import annotations

from typing import Any

from django.db import connections


def set_migration_limits(*, using: str, **_kwargs: Any) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET lock_timeout = '2s'")


def reset_limits(*, using: str, **_kwargs: Any) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("RESET statement_timeout")
        cursor.execute("RESET lock_timeout")
