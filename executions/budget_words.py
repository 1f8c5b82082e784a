"""What is said of budgets and of their warnings, in mail and at the desk."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext as _

from documents.rendering import visible
from executions.amounts import money
from executions.models import Budget, BudgetAccount, BudgetPeriod, BudgetWarning

NEAR_PERCENT = 80


def period_named(period: str, starts_at: datetime) -> str:
    """Return which day or month it is, by UTC."""
    return f"{starts_at:%Y-%m-%d}" if period == BudgetPeriod.DAY else f"{starts_at:%Y-%m}"


def percent_of(spent: Decimal, amount: Decimal) -> int:
    """Return how many whole per cent are spent: 100 is never said before all is."""
    return int(spent * 100 / amount) if amount else 100


def headline(warning: BudgetWarning) -> str:
    """Say in one line which budget has reached what."""
    told = _("%(percent)s%% of a budget is used") % {"percent": warning.percent}
    if warning.percent >= 100:
        told = _("A budget is used up")
    if warning.execution is not None:
        return f"{told}: {_('run of %(name)s') % {'name': visible(warning.execution.revision.name)}}"
    account = _account(warning)
    return f"{told}: {account.budget.subject}, {period_named(account.budget.period, account.starts_at)}"


def standing(warning: BudgetWarning) -> str:
    """Say what was spent, and what follows."""
    spent = _("%(spent)s of %(budget)s spent.") % {
        "spent": money(warning.spent_usd),
        "budget": money(warning.budget_usd),
    }
    if warning.percent < 100:
        return f"{spent} {_('Calls that could go beyond it will not be sent.')}"
    if is_too_little(warning):
        spent = f"{spent} {_('What is left does not cover the next call.')}"
    if warning.execution is not None:
        return f"{spent} {_('To go on, retry the run with a higher budget.')}"
    ends = f"{_account(warning).ends_at:%Y-%m-%d %H:%M} UTC"
    rest = _("Runs stop at calls that could go beyond it, until it is raised or %(ends)s.") % {"ends": ends}
    return f"{spent} {rest}"


def is_too_little(warning: BudgetWarning) -> bool:
    """Whether the last mark was reached since the next call does not fit, with less than all spent."""
    return warning.percent >= 100 and warning.spent_usd < warning.budget_usd


def place(warning: BudgetWarning, user: User) -> str:
    """Return where ``user`` can look at it."""
    if warning.execution_id is not None:
        return reverse("execution-page", args=(warning.execution_id,))
    budget: Budget = _account(warning).budget
    if user.is_staff:
        return reverse("admin:executions_budget_change", args=(budget.pk,))
    return reverse("project-page", args=(budget.project_id,)) if budget.project_id else reverse("home")


def _account(warning: BudgetWarning) -> BudgetAccount:
    assert warning.account is not None
    return warning.account
