"""What must hold after anything whatever: the promises that ``executions.verification`` reads, and I1."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection

from executions.verification import verify_executions

# I1: an active execution that waits for nobody has an attempt, a job, or a timer that will bring it on.
_ASLEEP = """
SELECT e.id, e.status FROM executions_execution e
 WHERE e.status IN ('pending', 'running') AND (%(ids)s::uuid[] IS NULL OR e.id = ANY(%(ids)s))
   AND NOT EXISTS (SELECT 1 FROM executions_attempt a WHERE a.execution_id = e.id AND a.status = 'running')
   AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j
                    WHERE j.args->>'execution_id' = e.id::text AND j.status IN ('todo', 'doing'))
"""


def broken_promises(execution_ids: Collection[UUID] | None = None) -> list[str]:
    """Return every promise that is broken (of the named executions, or of all)."""
    ids = None if execution_ids is None else list(execution_ids)
    with connection.cursor() as cursor:
        cursor.execute(_ASLEEP, {"ids": ids})
        asleep = [f"I1 {row[0]}: is {row[1]}, and nothing will wake it" for row in cursor.fetchall()]
    return asleep + [str(violation) for violation in verify_executions(execution_ids)]


def check(execution_ids: Collection[UUID] | None = None) -> None:
    problems = broken_promises(execution_ids)
    assert not problems, "\n".join(problems)
