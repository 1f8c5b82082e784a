"""Jobs of webhooks: "look at what is due for this one". Like all wake-ups they may come late, twice or never.

One job at a time works for a webhook, and one more may wait: so a receiver that hangs holds up nobody but itself.
None is set for later: what is due later is found by the relay when it is (a job with a lock and a future time would
block every other job of that lock).
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from documents import database

QUEUE = "webhooks"
DELIVER_TASK = "executions.deliver_webhook"

# Below the wake-ups of executions, in a queue that the same workers serve.
_JOB = f"""
ROW('{QUEUE}', '{DELIVER_TASK}', -1, 'webhook:' || w.id::text, 'webhook:' || w.id::text,
    jsonb_build_object('webhook_id', w.id), NULL)::procrastinate_job_to_defer_v1
"""

_DEFER = f"""
SELECT procrastinate_defer_jobs_v1(ARRAY[{_JOB}]) FROM (SELECT %(webhook)s::uuid AS id) w
 WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs
                    WHERE queueing_lock = 'webhook:' || w.id::text AND status = 'todo')
"""  # noqa: S608 - static text

# Whose row somebody else has locked is about to be woken by them, or by the next look.
_DEFER_DUE = f"""
SELECT procrastinate_defer_jobs_v1(array_agg({_JOB})) FROM (
    SELECT w.id FROM executions_webhook w
     WHERE w.is_active
       AND EXISTS (SELECT 1 FROM executions_webhookdelivery d
                    WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.next_attempt_at <= statement_timestamp()
                      AND (d.lease_until IS NULL OR d.lease_until <= statement_timestamp()))
       AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j
                        WHERE j.queueing_lock = 'webhook:' || w.id::text AND j.status = 'todo')
       AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j
                        WHERE j.lock = 'webhook:' || w.id::text AND j.status = 'doing')
     FOR NO KEY UPDATE SKIP LOCKED
) w HAVING count(*) > 0
"""  # noqa: S608 - static text

_DROP_STALLED = """
DELETE FROM procrastinate_jobs j
 WHERE j.status = 'doing' AND j.queue_name = %s AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers w
     WHERE w.id = j.worker_id AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s))
"""


def tx_defer(webhook_id: UUID) -> None:
    """Have a worker look at a webhook whose row the caller has locked."""
    if not connection.in_atomic_block:
        raise RuntimeError("a wake-up is enqueued only in the transaction that makes it necessary")
    database.execute(_DEFER, {"webhook": webhook_id})


def tx_defer_due() -> None:
    """Have workers look at every webhook for which something is due and nobody works."""
    database.execute(_DEFER_DUE)


def drop_stalled(*, dead_after: float) -> None:
    """Remove jobs that dead workers hold; they would keep others from their webhooks."""
    database.execute(_DROP_STALLED, (QUEUE, dead_after))
