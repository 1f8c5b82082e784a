"""What the filter bar offers, and all keys that there are, by which series get their colours."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection

from executions.models import Project
from telemetry.dashboard.values import Group, Kind
from workflows.models import Workflow

MOST_CHOICES = 200

# From one key to the next by an index: it takes as long as there are keys, not rows.
_KEYS = """
WITH RECURSIVE key AS (
  (SELECT {column} AS name FROM {table} ORDER BY {column} LIMIT 1)
  UNION ALL
  SELECT (SELECT {column} FROM {table} WHERE {column} > key.name ORDER BY {column} LIMIT 1) FROM key
   WHERE key.name IS NOT NULL
)
SELECT name FROM key WHERE name IS NOT NULL
"""
_MODELS = _KEYS.format(table="telemetry_workflowsums", column="model")
_STEPS = _KEYS.format(table="telemetry_stepsums", column="step_id")


def workflow_names() -> dict[str, str]:
    """Return the name of each workflow by its id."""
    return dict(Workflow.objects.values_list("pk", "current_revision__name"))


def projects_of(user: User) -> list[str]:
    return list(Project.objects.visible_to(user).values_list("pk", flat=True)[:MOST_CHOICES])


def known_keys(group: Group, names: dict[str, str]) -> list[str]:
    """Return all keys of a group that there ever were, as far as the sums go. Nobody is shown them."""
    match group:
        case Group.KIND:
            return [kind.value for kind in Kind]
        case Group.WORKFLOW:
            return sorted(names)
        case Group.MODEL:
            return _keys(_MODELS)
        case Group.STEP:
            return _keys(_STEPS)


def _keys(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [name for (name,) in cursor.fetchall()]
