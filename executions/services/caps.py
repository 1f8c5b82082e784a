"""How many runs may be under way at once, of a project and of whoever starts them: where a deployment limits that.

A run counts until it is over. One that waits for people counts as well: it goes on when they decide, and no decision
is refused because of other runs.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from documents import database
from executions.exceptions import TooManyRuns

# Two kinds of keys, taken in this order: so nobody waits in a circle.
_HOLD_PROJECT = "SELECT pg_advisory_xact_lock(7209005, hashtext(%s))"
_HOLD_USER = "SELECT pg_advisory_xact_lock(7209006, hashtext(%s))"

# A statement of its own, after the locks: it sees what was committed before they were given.
_COUNT = """
SELECT count(*) FILTER (WHERE project_id = %(project)s), count(*) FILTER (WHERE started_by_id = %(user)s)
  FROM executions_execution
 WHERE status IN ('pending', 'running', 'waiting_clarification', 'waiting_acceptance')
   AND (project_id = %(project)s OR started_by_id = %(user)s)
"""


def hold_place(project_id: str, starter_id: int | None) -> None:
    """See that one more run of a project and a person fits, and hold its place until the caller's transaction ends.

    Without limits this asks nothing.

    :raises TooManyRuns: there are as many as may be.
    """
    of_project, of_user = settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT, settings.COMBINE_MAX_ACTIVE_RUNS_PER_USER
    queries: list[tuple[str, Any]] = []
    if of_project:
        queries.append((_HOLD_PROJECT, (project_id,)))
    if of_user and starter_id is not None:
        queries.append((_HOLD_USER, (str(starter_id),)))
    if not queries:
        return
    *_, [(in_project, by_user)] = database.query_together(*queries, (_COUNT, _about(project_id, starter_id)))
    if of_project and in_project >= of_project:
        raise TooManyRuns(f"Project {project_id} has {_said(in_project, of_project)}")
    if of_user and starter_id is not None and by_user >= of_user:
        raise TooManyRuns(f"{_name(starter_id)} has {_said(by_user, of_user)}")


def _about(project_id: str, starter_id: int | None) -> dict[str, Any]:
    return {"project": project_id, "user": starter_id}


def _said(count: int, most: int) -> str:
    runs = "1 run" if count == 1 else f"{count} runs"
    return f"{runs} under way, and {most} may be at once. Wait until one is over, or cancel one."


def _name(user_id: int) -> str:
    return str(User.objects.values_list("username", flat=True).get(pk=user_id))
