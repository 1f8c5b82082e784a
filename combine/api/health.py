"""Probes. ``/livez``: this process answers. ``/readyz``: it can work, that is, its database is there and up to date."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from executions.services import liveness

logger = logging.getLogger(__name__)

_seen_migrated: list[bool] = []


@csrf_exempt
@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer without looking at anything."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database is away or its tables are not those of this code.

    No worker is no reason for that: pages and API work, and what is started waits. It is shown.
    """
    checks: dict[str, Any] = {"database": "ok", "migrations": "ok"}
    try:
        checks["migrations"] = "ok" if _is_migrated() else "pending"
        checks["workers"] = _workers() if checks["migrations"] == "ok" else None
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Not ready: the database does not answer", extra={"error": type(error).__name__})
        checks = {"database": "unavailable", "migrations": "unknown", "workers": None}
    is_ready = checks["database"] == "ok" and checks["migrations"] == "ok"
    body = {"status": "ready" if is_ready else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503, headers={} if is_ready else {"Retry-After": "2"})


def _is_migrated() -> bool:
    """Whether no migration is missing. Asked for until it is so; tables do not go back while a process runs."""
    if _seen_migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    _seen_migrated.append(True)
    return True


def _workers() -> dict[str, Any]:
    found = liveness.workers()
    age = found.silent_seconds
    return {"alive": found.alive_count, "heartbeat_age_seconds": None if age is None else round(age, 1)}
