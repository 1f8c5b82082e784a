"""Who works, and how long work has waited: the heartbeats of workers and the queues, as the database has them.

All ages are by the clock of the database, so it does not matter whose clock is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from documents import database

# Who was silent for longer is dead, as the queue has it.
DEAD_AFTER_SECONDS = float(settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"])

_WORKERS = """
SELECT count(*) FILTER (WHERE last_heartbeat > clock_timestamp() - make_interval(secs => %s)),
       extract(epoch FROM clock_timestamp() - max(last_heartbeat))::float
  FROM procrastinate_workers
"""

# A job without a time is due since it was deferred. Ids are given out in that order, so the lowest is the oldest.
_QUEUES = """
SELECT q.queue_name, q.due, q.later, q.busy, q.abandoned, q.failed,
       extract(epoch FROM clock_timestamp() - least(q.oldest_timer, (
           SELECT e.at FROM procrastinate_jobs o JOIN procrastinate_events e ON e.job_id = o.id AND e.type = 'deferred'
            WHERE o.queue_name = q.queue_name AND o.status = 'todo' AND o.scheduled_at IS NULL
            ORDER BY o.id LIMIT 1)))::float
  FROM (
    SELECT j.queue_name,
           count(*) FILTER (WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())) AS due,
           count(*) FILTER (WHERE j.status = 'todo' AND j.scheduled_at > now()) AS later,
           count(*) FILTER (WHERE j.status = 'doing' AND w.id IS NOT NULL) AS busy,
           count(*) FILTER (WHERE j.status = 'doing' AND w.id IS NULL) AS abandoned,
           count(*) FILTER (WHERE j.status IN ('failed', 'aborted')) AS failed,
           min(j.scheduled_at) FILTER (WHERE j.status = 'todo' AND j.scheduled_at <= now()) AS oldest_timer
      FROM procrastinate_jobs j
      LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
       AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s)
     GROUP BY j.queue_name) q
 ORDER BY q.queue_name
"""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many live, and for how long the last one to report has been silent. ``None``: none ever did."""

    alive_count: int
    silent_seconds: float | None


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs of one queue: due and not taken, for later, at work, left by a worker that died, failed.

    ``oldest_due_seconds`` is how long the oldest that is due has waited, ``None`` where none is.
    """

    name: str
    due_count: int
    later_count: int
    busy_count: int
    abandoned_count: int
    failed_count: int
    oldest_due_seconds: float | None


def workers() -> Workers:
    """Return who lives, with one statement."""
    return Workers(*database.rows(_WORKERS, (DEAD_AFTER_SECONDS,))[0])


def queues() -> list[Queue]:
    """Return every queue in which there is anything, by name, with one statement."""
    return [Queue(*row) for row in database.rows(_QUEUES, (DEAD_AFTER_SECONDS,))]
