"""Whom to tell by mail that so much of a budget is used: rows here, the sending is that of all notices.

Of a run's own budget that is whoever started it. Of a shared one it is whoever set it, and who may change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from executions.models import BudgetWarning, Execution, GateNotice, NoticeKind, Project
from executions.models.notices import wants_budget_mail
from executions.services.budgets import may_set_budgets

BATCH = 100


def note_warnings(*, at: datetime | None = None) -> int:
    """Note whom to tell of warnings that nobody was told of yet; return how many warnings that were.

    Any number may call it at any time: each warning is taken by one of them.
    """
    now = at or timezone.now()
    with transaction.atomic():
        untold = BudgetWarning.objects.select_for_update(skip_locked=True).filter(told_at__isnull=True)
        warnings = list(untold.order_by("id")[:BATCH])
        if not warnings:
            return 0
        whole = _whole(each.pk for each in warnings)
        GateNotice.objects.bulk_create(
            [
                GateNotice(warning=warning, user=user, kind=NoticeKind.BUDGET, created_at=now, next_attempt_at=now)
                for warning in whole
                for user in _people(warning)
            ],
            ignore_conflicts=True,
        )
        BudgetWarning.objects.filter(pk__in=[each.pk for each in warnings]).update(told_at=now)
    return len(warnings)


def still_relevant(user: User, notices: Sequence[GateNotice], *, at: datetime) -> set[int]:
    """Return which notices ``user`` may still be told of: they may see what they are about, and it is not over."""
    if not wants_budget_mail(user):
        return set()
    return {each.pk for each in notices if each.warning is not None and _may_be_told(user, each.warning, at)}


def _whole(keys: Iterable[int]) -> list[BudgetWarning]:
    rows = BudgetWarning.objects.filter(pk__in=list(keys)).order_by("id")
    return list(
        rows.select_related("account__budget__created_by", "execution__started_by").defer(
            "execution__brief", "execution__model_ids"
        )
    )


def _people(warning: BudgetWarning) -> list[User]:
    if warning.execution is not None:
        found = User.objects.filter(pk=warning.execution.started_by_id or 0)
    else:
        assert warning.account is not None
        setters = User.objects.with_perm("executions.change_budget")
        found = User.objects.filter(
            Q(pk=warning.account.budget.created_by_id) | Q(is_staff=True, pk__in=setters.values("pk"))
        )
    mailable = found.filter(is_active=True).exclude(email="").order_by("pk").select_related("notice_preference")
    return [user for user in mailable if wants_budget_mail(user) and _may_see(user, warning)]


def _may_be_told(user: User, warning: BudgetWarning, at: datetime) -> bool:
    if warning.account is not None:
        account = warning.account
        if account.closed_at is not None or account.ends_at <= at:
            return False
        if account.budget.created_by_id != user.pk and not may_set_budgets(user):
            return False
    return _may_see(user, warning)


def _may_see(user: User, warning: BudgetWarning) -> bool:
    if warning.execution is not None:
        return Execution.objects.visible_to(user).filter(pk=warning.execution.pk).exists()
    assert warning.account is not None
    project_id = warning.account.budget.project_id
    if project_id is None:
        return user.is_superuser  # it tells what other projects spend
    return Project.objects.visible_to(user).filter(pk=project_id).exists()
