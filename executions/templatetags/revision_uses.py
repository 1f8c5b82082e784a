"""Which runs use a revision, for the pages about workflows: those know nothing of runs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django import template
from django.contrib.auth.models import User
from django.db.models import Count
from django.urls import reverse

from executions.admin.display import in_words
from executions.engine.state import TERMINAL
from executions.models import Execution, ExecutionStatus
from executions.services.access import role_names
from workflows.models import WorkflowRevision

register = template.Library()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """How many runs of a revision somebody may see, by status; ``active_count`` are not over yet."""

    count: int
    active_count: int
    by_status: list[tuple[str, int]]
    url: str


@register.simple_tag
def uses_of(revision: WorkflowRevision, user: User) -> Uses:
    """Count the runs of ``revision`` that ``user`` may see; one statement, which an index narrows to the workflow."""
    rows: dict[str, int] = {}
    if user.is_superuser or role_names(user):
        runs = Execution.objects.filter(workflow_id=revision.workflow_id, revision=revision).visible_to(user)
        counted = runs.order_by().values("status").annotate(count=Count("pk"))
        rows = {row["status"]: row["count"] for row in counted}
    ordered = [status for status in ExecutionStatus.values if status in rows]
    query = urlencode({"workflow": revision.workflow_id, "revision__exact": revision.pk})
    return Uses(
        count=sum(rows.values()),
        active_count=sum(rows[status] for status in ordered if status not in {each.value for each in TERMINAL}),
        by_status=[(in_words(status), rows[status]) for status in ordered],
        url=f"{reverse('admin:executions_execution_changelist')}?{query}",
    )
