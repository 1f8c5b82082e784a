"""Wake-ups: the only place that enqueues a job for an execution (webhooks have theirs in ``executions.webhooks``).

A wake-up says "look at this execution again" and carries nothing else; it may come late, twice or never.
``task.defer()`` would not join Django's transaction inside a worker (it uses the worker's own connection),
so jobs are inserted by Procrastinate's SQL function on Django's connection: together with the state that
needs them, or not at all.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from documents import database

QUEUE = "executions"
ADVANCE_TASK = "executions.advance"

# A waiting job of the same execution serves as well. The caller holds the execution's lock, and a job takes
# that lock before it looks, so a job that is fetched at this very moment sees what the caller commits.
_DEFER_ONCE = """
SELECT procrastinate_defer_jobs_v1(ARRAY[
           ROW(%(queue)s, %(task)s, 0, NULL, %(lock)s, %(args)s, %(at)s)::procrastinate_job_to_defer_v1])
 WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %(lock)s AND status = 'todo')
"""

# A timer has no queueing lock: one that waits for its hour must not stand in for a wake-up that is due now.
_DEFER_AT = """
SELECT procrastinate_defer_jobs_v1(ARRAY[
           ROW(%(queue)s, %(task)s, 0, NULL, NULL, %(args)s, %(at)s)::procrastinate_job_to_defer_v1])
"""

# Materialized: a plan that ran the subquery once per row would take more than the limit.
_TAKE = """
WITH due AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs
     WHERE status = 'todo' AND queue_name = %s AND task_name = %s AND (scheduled_at IS NULL OR scheduled_at <= now())
     ORDER BY priority DESC, id LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM procrastinate_jobs j USING due WHERE j.id = due.id
RETURNING j.args->>'execution_id'
"""


def take(limit: int) -> list[UUID]:
    """Take up to ``limit`` wake-ups that are due off the queue, and return their executions, each once.

    The caller holds the transaction in which it looks at them.
    """
    rows = database.rows(_TAKE, (QUEUE, ADVANCE_TASK, limit))
    return list(dict.fromkeys(UUID(row[0]) for row in rows))


def tx_defer(execution_id: UUID, *, at: datetime | None = None) -> None:
    """Enqueue a wake-up of an execution whose row the caller has locked, now or at ``at``."""
    _defer(_DEFER_ONCE if at is None else _DEFER_AT, execution_id, f"advance:{execution_id}", at)


def tx_look_again(execution_id: UUID, *, at: datetime) -> None:
    """As :func:`tx_defer` with a time, for who looks again and again: one timer of an execution is enough."""
    _defer(_DEFER_ONCE, execution_id, f"again:{execution_id}", at)


def _defer(statement: str, execution_id: UUID, lock: str, at: datetime | None) -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("a wake-up is enqueued only in the transaction that makes it necessary")
    params = {
        "queue": QUEUE,
        "task": ADVANCE_TASK,
        "args": Jsonb({"execution_id": str(execution_id)}),
        "lock": lock,
        "at": at,
    }
    database.execute(statement, params)
