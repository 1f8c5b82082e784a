"""What a run would probably cost, and how long it would take: by what completed runs of its workflow did.

Runs of the same revision count if there are any among the newest ones, else those of all revisions; never those of
projects that the asker may not see. Nothing is known of a workflow that has no completed run, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction

from executions.models import Execution, ExecutionStatus
from executions.models.execution import ExecutionQuerySet
from executions.services.executions import NewExecution, start_execution

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from workflows.models import WorkflowRevision

# How many runs figures are drawn from, and among how many of the newest completed ones they are looked for.
MOST_RUNS = 200
NEWEST = 1_000

# Percentiles are those of a run that there was (``percentile_disc``), so that money stays exact.
_FIGURES = """
WITH newest AS MATERIALIZED ({newest}), chosen AS MATERIALIZED (
    SELECT n.id, n.revision_id, n.cost_usd, n.completed_at - n.started_at AS lasted FROM newest n
     WHERE n.revision_id = %s OR NOT EXISTS (SELECT 1 FROM newest o WHERE o.revision_id = %s)
     ORDER BY n.started_at DESC, n.id DESC LIMIT %s
), run AS (
    SELECT chosen.*, call.number, call.unpriced, call.is_offline FROM chosen CROSS JOIN LATERAL (
        SELECT count(*) AS number, count(*) FILTER (WHERE c.cost_usd IS NULL AND c.status <> 'in_flight') AS unpriced,
               COALESCE(bool_or(c.is_offline), false) AS is_offline
          FROM executions_llmcall c WHERE c.execution_id = chosen.id) call
)
SELECT count(*), COALESCE(bool_and(revision_id = %s), false),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY cost_usd) FILTER (WHERE unpriced = 0),
       percentile_disc(0.95) WITHIN GROUP (ORDER BY cost_usd) FILTER (WHERE unpriced = 0),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY lasted), percentile_disc(0.95) WITHIN GROUP (ORDER BY lasted),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY number),
       count(*) FILTER (WHERE unpriced > 0), count(*) FILTER (WHERE is_offline)
  FROM run
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Figures of ``run_count`` completed runs, all of the one revision or of whichever there were.

    ``median``: half of them stayed at or below it; ``p95``: 95 of 100 did. Costs are over the runs all of whose calls
    have a price, and ``None`` where there is no such run: unknown is not zero. Times are from start to end, with the
    time that people took. ``unpriced_run_count`` are runs with calls without a price, ``offline_run_count`` those
    with calls that the offline model answered: they are priced like others, and nobody was paid.
    """

    run_count: int
    is_of_revision: bool
    median_cost_usd: Decimal | None
    p95_cost_usd: Decimal | None
    median_duration: timedelta
    p95_duration: timedelta
    median_call_count: int
    unpriced_run_count: int
    offline_run_count: int

    @property
    def median_duration_ms(self) -> int:
        return round(self.median_duration / timedelta(milliseconds=1))

    @property
    def p95_duration_ms(self) -> int:
        return round(self.p95_duration / timedelta(milliseconds=1))

    def covers(self, budget: Decimal | None) -> bool:
        """Whether half of the runs would have got by with ``budget``. Of what is not known, that is assumed."""
        return budget is None or self.median_cost_usd is None or budget >= self.median_cost_usd


def estimate_run(user: User, revision: WorkflowRevision) -> Estimate | None:
    """Return what runs of this workflow have cost in the projects that ``user`` may see, or ``None`` without any."""
    return estimate_from(Execution.objects.visible_to(user).filter(workflow_id=revision.workflow_id), revision.pk)


def estimate_from(runs: ExecutionQuerySet, revision_id: int) -> Estimate | None:
    """Return the figures of the newest completed ones of ``runs``, ``None`` if there are none."""
    completed = runs.filter(status=ExecutionStatus.COMPLETED).order_by("-started_at", "-id")[:NEWEST]
    columns = ("id", "revision_id", "cost_usd", "started_at", "completed_at")
    try:
        newest, params = completed.values(*columns).query.sql_with_params()
    except EmptyResultSet:  # nobody without a role sees anything
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES.format(newest=newest), [*params, revision_id, revision_id, MOST_RUNS, revision_id])
        found = cursor.fetchone()
    names = Estimate.__dataclass_fields__
    return Estimate(**dict(zip(names, found, strict=True))) if found[0] else None


def rehearse_start(*, actor: User, revision: WorkflowRevision, new: NewExecution, at: datetime) -> Estimate | None:
    """Do all that a start does and keep nothing of it; return what such runs have cost.

    So everything is checked that a start would check, now and later. Only a refusal is written down, as always.

    :raises Invalid, NotPermitted, NotFound, Conflict: as :func:`start_execution`.
    """
    with transaction.atomic():
        start_execution(actor=actor, revision=revision, new=new, at=at)
        transaction.set_rollback(True)
    return estimate_run(actor, revision)
