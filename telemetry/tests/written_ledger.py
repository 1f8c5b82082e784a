"""Ledgers written by hand: executions and calls with the figures that a test names, and no engine behind them.

Prices are written too, so that every total can be reckoned from the test alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group

from executions.models import Attempt, Execution, LLMCall, Project, Step
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import single, stored
from telemetry.rollup import roll_up

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SONNET, HAIKU, STRANGE = "claude-sonnet-5-5", "claude-haiku-5-5", "strange-model"


def project(project_id: str, *members: str) -> Project:
    """Return a project, made the first time, that its members see; without any, all who have a role."""
    found, _ = Project.objects.get_or_create(pk=project_id, defaults={"created_at": NOON})
    found.users.set([person(name) for name in members])
    return found


def execution(
    project_id: str = "apollo", workflow_id: str = "test", *, started_at: datetime = NOON, **columns: Any
) -> Execution:
    """Return a new execution, of a revision that names another workflow where ``workflow_id`` is not ``test``."""
    Project.objects.get_or_create(pk=project_id, defaults={"created_at": NOON})
    return Execution.objects.create(
        project_id=project_id,
        revision=stored(single()),
        workflow_id=workflow_id,
        started_at=started_at,
        updated_at=started_at,
        **{"status": "running", **columns},
    )


def call(
    of: Execution,
    *,
    step_id: str = "note",
    at: datetime = NOON,
    cost: str | None = "0.01",
    status: str = "succeeded",
    model: str = SONNET,
    outcome: str = "",
    **columns: Any,
) -> LLMCall:
    """Return a new ledger row with its attempt; an execution's total is kept as the ledger keeps it.

    ``outcome`` is what the attempt is going to bring.
    """
    step, _ = Step.objects.get_or_create(
        execution=of, path=step_id, defaults={"step_id": step_id, "scope_type": "project", "sort_key": step_id}
    )
    tries = step.attempts.count()
    attempt = Attempt.objects.create(
        execution=of,
        step=step,
        n=tries + 1,
        content_attempt=tries + 1,
        status="succeeded",
        started_at=at,
        finished_at=at,
        outcome=outcome,
    )
    is_over = status != "in_flight"
    price = Decimal(cost) if cost is not None and is_over else None
    if price:
        of.cost_usd += price
        of.save(update_fields=["cost_usd"])
    defaults = {"latency_ms": 1000 if status == "succeeded" else None, "finished_at": at if is_over else None}
    return LLMCall.objects.create(
        id=columns.pop("id", None) or uuid4(),
        execution=of,
        step=step,
        attempt=attempt,
        status=status,
        model=model,
        max_tokens=1000,
        cost_usd=price,
        started_at=at,
        **{**defaults, **columns},
    )


def roll_all(until: datetime | None = None) -> None:
    """Bring the sums up to date. A call that is written later must be later than ``until``."""
    while roll_up(until=until):
        pass


def role(name: str, *groups: str) -> None:
    """Give an account further roles."""
    for group in groups:
        person(name).groups.add(Group.objects.get_or_create(name=group)[0])


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)
