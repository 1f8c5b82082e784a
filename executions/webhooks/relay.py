"""The relay: from events to deliveries. It costs transitions nothing, since it only reads what they have written.

Ids of events are given out in order, but may be committed out of order: a transaction that is still open may hold a
lower id than one that is visible. So the relay remembers an id (``safe_id``) up to which nothing can be added any
more, and looks at all that lies beyond. To find the next one it notes the newest visible id and the transaction number
that would come next (``pending_id``, ``pending_xid``); once every transaction below that number is over, all ids up to
the noted one are visible, or never will be. (An id is taken only by a transaction that holds the lock on its
execution, and so has its number already.) What is looked at twice is stored once: a delivery is unique per webhook
and event.

Transaction numbers are those of the whole server, so a long one in another database would have us look through the
same events all the while; hence the limit. No session of ours can hold a transaction open for so long: it is ended when
a statement takes 30 s, or when it is idle for 60 s.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.db import IntegrityError, connection, transaction

from documents import database
from executions.webhooks import wakeups

# The sweeper's is 7209001.
_LOCK = "SELECT pg_try_advisory_xact_lock(7209002)"

_IS_WANTED = "SELECT 1 FROM executions_webhook WHERE is_active LIMIT 1"

_LOOK = """
SELECT COALESCE(r.safe_id, 0), COALESCE(r.pending_id, 0), COALESCE(r.pending_xid, 0),
       r.pending_at < statement_timestamp() - make_interval(secs => %s),
       (SELECT min(after_event_id) FROM executions_webhook WHERE is_active),
       COALESCE((SELECT max(id) FROM executions_event), 0),
       pg_snapshot_xmin(s.now)::text::bigint, pg_snapshot_xmax(s.now)::text::bigint
  FROM (SELECT pg_current_snapshot() AS now) s LEFT JOIN executions_webhookrelay r ON r.id = 1
"""

# FOR SHARE: a webhook that is being changed or removed at this moment is waited for, and looked at as it is then.
_DELIVER = """
INSERT INTO executions_webhookdelivery
       (id, webhook_id, event_id, event_type, status, attempt_count, tries, next_attempt_at, created_at)
SELECT gen_random_uuid(), n.webhook_id, n.event_id, n.event_type, 'pending', 0, 0, n.at, n.at
  FROM (SELECT w.id AS webhook_id, e.id AS event_id, e.event_type, clock_timestamp() AS at
          FROM executions_event e
          JOIN executions_execution x ON x.id = e.execution_id
          JOIN executions_webhook w ON w.project_id = x.project_id
         WHERE e.id > %(after)s AND e.id <= %(upto)s AND w.is_active AND w.after_event_id < e.id
           AND (w.event_types = '[]' OR w.event_types @> to_jsonb(e.event_type))
           AND NOT EXISTS (SELECT 1 FROM executions_webhookdelivery d
                            WHERE d.webhook_id = w.id AND d.event_id = e.id)
         ORDER BY e.id FOR SHARE OF w) n
ON CONFLICT (webhook_id, event_id) DO NOTHING
"""

_REMEMBER = """
INSERT INTO executions_webhookrelay (id, safe_id, pending_id, pending_xid, pending_at)
VALUES (1, %(safe)s, %(pending)s, %(xid)s, statement_timestamp())
ON CONFLICT (id) DO UPDATE SET safe_id = excluded.safe_id, pending_id = excluded.pending_id,
                               pending_xid = excluded.pending_xid, pending_at = excluded.pending_at
"""

_FORGET = """
WITH old AS (
    SELECT id FROM executions_webhookdelivery
     WHERE status <> 'pending' AND finished_at < statement_timestamp() - make_interval(days => %(days)s)
     ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), attempts AS (
    DELETE FROM executions_webhookattempt a USING old WHERE a.delivery_id = old.id
)
DELETE FROM executions_webhookdelivery d USING old WHERE d.id = old.id
"""

SETTLED_AFTER_SECONDS = 600.0
KEPT_DAYS = 30
FORGET_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class _Look:
    """Where the relay stands, and what there is."""

    safe_id: int
    pending_id: int
    pending_xid: int
    is_overdue: bool | None
    wanted_after: int | None
    newest_id: int
    oldest_xid: int
    next_xid: int


def relay(*, dead_after: float) -> int:
    """Make deliveries of what is new, have workers look at what is due; return how many deliveries were made.

    Every worker does it all the time; one at a time is let in. Where nobody wants to be told, it is one small query.
    """
    if not database.rows(_IS_WANTED):
        return 0
    with transaction.atomic():
        if not database.rows(_LOCK)[0][0]:
            return 0
        made = _deliver_new()
        wakeups.drop_stalled(dead_after=dead_after)
        # Somebody may have sent the same job a moment ago; then the others have theirs with the next look.
        with suppress(IntegrityError), transaction.atomic():
            wakeups.tx_defer_due()
    return made


def _deliver_new() -> int:
    look = _Look(*database.rows(_LOOK, (SETTLED_AFTER_SECONDS,))[0])
    if look.wanted_after is None:
        return 0
    after = max(look.safe_id, look.wanted_after)
    made = 0
    if look.newest_id > after:
        # Not prepared: a plan that does not know how few events these are might begin with all of a project.
        with connection.cursor() as cursor:
            cursor.execute(_DELIVER, {"after": after, "upto": look.newest_id})
            made = cursor.rowcount
    is_settled = look.oldest_xid >= look.pending_xid or bool(look.is_overdue)
    if is_settled and look.newest_id > look.safe_id:
        # What was noted the last time is safe by now; what is there now may be the next time.
        params = {"safe": look.pending_id, "pending": look.newest_id, "xid": look.next_xid}
        database.execute(_REMEMBER, params)
    return made


def forget_old(*, days: int = KEPT_DAYS, limit: int = FORGET_BATCH) -> int:
    """Remove deliveries that were over long ago, with their attempts; return how many."""
    return database.execute(_FORGET, {"days": days, "limit": limit})
