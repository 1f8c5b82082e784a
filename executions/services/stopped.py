"""Runs that a shared budget has stopped: which budget it was, which runs these are, and having them go on.

A run that failed keeps the refusal in words, and the words name the budget; so both can be found again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Q

from executions.engine.state import ErrorCode
from executions.exceptions import CombineError
from executions.models import Budget, Execution, ExecutionStatus
from executions.services.executions import retry_execution
from executions.transitions.budgets import LockedBudget

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

_USED_UP = " is used up: "
_OWN = " Raise the budget and retry."


@dataclass(frozen=True, slots=True, kw_only=True)
class WentOn:
    """What became of one run; ``problem`` says why it does not go on, or nothing."""

    execution: Execution
    problem: str = ""


def is_shared(error_code: str, error_detail: str) -> bool:
    """Whether it was a shared budget that has stopped a run, not the run's own."""
    return error_code == ErrorCode.BUDGET_EXHAUSTED.value and _USED_UP in error_detail


def is_own(error_code: str, error_detail: str) -> bool:
    """Whether a run was stopped by its own budget, and a higher one lets it go on."""
    return error_code == ErrorCode.BUDGET_EXHAUSTED.value and _OWN in error_detail


def stopped_by(budget: Budget, user: User) -> QuerySet[Execution]:
    """Return the runs that ``budget`` has stopped and ``user`` may see, the newest first."""
    stopped = Execution.objects.visible_to(user).filter(
        status=ExecutionStatus.FAILED,
        error_code=ErrorCode.BUDGET_EXHAUSTED.value,
        error_detail__contains=_said_of(budget),
    )
    if budget.project_id is not None:
        stopped = stopped.filter(project=budget.project_id)
    if budget.workflow_id:
        stopped = stopped.filter(workflow_id=budget.workflow_id)
    return stopped.defer("brief", "model_ids").order_by("-started_at", "-id")


def stopper_of(execution: Execution) -> Budget | None:
    """Return the budget in force that has stopped a failed run, if one that others share has."""
    if not is_shared(execution.error_code, execution.error_detail):
        return None
    its = Q(project=None) | Q(project=execution.project_id)
    found = Budget.objects.filter(its, workflow_id__in=("", execution.workflow_id), is_active=True)
    return next((each for each in found if _said_of(each) in execution.error_detail), None)


def go_on(*, actor: User, executions: Iterable[Execution]) -> list[WentOn]:
    """Retry each of some runs, in a transaction of its own: one that cannot be retried keeps no other from it."""
    return [WentOn(execution=each, problem=_retry(actor, each.pk)) for each in executions]


def _retry(actor: User, execution_id: UUID) -> str:
    try:
        retry_execution(actor=actor, execution_id=execution_id)
    except CombineError as refused:
        return refused.detail
    except DatabaseError:
        # What was done to the others must be told.
        logger.exception("A run could not be retried among others", extra={"execution_id": str(execution_id)})
        return "It could not be retried now; nothing was changed. Try it again."
    return ""


def _said_of(budget: Budget) -> str:
    named = LockedBudget(
        id=budget.pk,
        project_id=budget.project_id,
        workflow_id=budget.workflow_id,
        period=budget.period,
        amount_usd=budget.amount_usd,
    )
    return f" The {named.name}{_USED_UP}"
