"""Budgets that several executions share: of everything, of a project, of a workflow, of a workflow in a project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from executions.models.execution import Execution
from executions.models.project import Project


class BudgetPeriod(models.TextChoices):
    """How long an amount lasts. Days and months are UTC's."""

    DAY = "day"
    MONTH = "month"


class Budget(models.Model):
    """The most that calls may cost in each period. Without project and workflow it is of all executions.

    Never removed: one that has ended is not active. Changed by ``executions.services.budgets`` only.
    """

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.PROTECT, related_name="budgets")
    workflow_id = models.CharField(max_length=64, blank=True, default="")
    period = models.CharField(max_length=8, choices=BudgetPeriod, default=BudgetPeriod.MONTH)
    amount_usd = models.DecimalField("amount in US dollars", max_digits=20, decimal_places=10)
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("project", "workflow_id", "period"),
                condition=Q(is_active=True),
                nulls_distinct=False,
                name="budget_once",
            ),
            models.CheckConstraint(condition=Q(amount_usd__gte=0), name="budget_not_negative"),
            models.CheckConstraint(condition=Q(period__in=BudgetPeriod.values), name="budget_period_known"),
        )

    def __str__(self) -> str:
        return f"{self.subject}, each {self.period}"

    @property
    def subject(self) -> str:
        """What the budget is of, in words."""
        return subject_of(self.project_id, self.workflow_id)


class BudgetAccount(models.Model):
    """What was spent of a budget in one period, and what calls in flight may still cost.

    The figures are without the entries that wait to be added (:class:`BudgetEntry`). ``amount_usd`` is the budget's,
    as it was last; ``warned_percent`` the highest share that people were warned of. ``closed_at`` is set when the
    budget ends: from then on the account counts nothing more.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="accounts", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    amount_usd = models.DecimalField(max_digits=20, decimal_places=10)
    spent_usd = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    reserved_usd = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    warned_percent = models.PositiveSmallIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-starts_at", "-id")
        constraints = (models.UniqueConstraint(fields=("budget", "starts_at"), name="budgetaccount_once"),)

    def __str__(self) -> str:
        return f"{self.budget_id} {self.starts_at.isoformat()}"


class BudgetEntry(models.Model):
    """What a settled call changes in an account, until it is added there.

    Calls are settled by many at once, and an account's row is only one: so nobody waits for it but who claims.
    """

    account = models.ForeignKey(BudgetAccount, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    spent_usd = models.DecimalField(max_digits=20, decimal_places=10)
    reserved_usd = models.DecimalField(max_digits=20, decimal_places=10)

    def __str__(self) -> str:
        return f"{self.account_id} {self.spent_usd}"


class BudgetWarning(models.Model):
    """A share of a budget that was reached: of an account's, or of an execution's own. ``percent`` is 50, 80 or 100.

    100 is also given when the next call no longer fits. ``told_at`` is set when it was noted whom to tell by mail.
    """

    account = models.ForeignKey(
        BudgetAccount, null=True, blank=True, on_delete=models.CASCADE, related_name="warnings", db_constraint=False
    )
    execution = models.ForeignKey(
        Execution, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    percent = models.PositiveSmallIntegerField()
    spent_usd = models.DecimalField(max_digits=20, decimal_places=10)
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10)
    at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("id",), condition=Q(told_at__isnull=True), name="budgetwarning_untold_idx"),)

    def __str__(self) -> str:
        return f"{self.percent} % of {self.budget_usd}"


def subject_of(project_id: str | None, workflow_id: str) -> str:
    """Return what a budget is of, in words."""
    if project_id is None:
        return f"all runs of {workflow_id}" if workflow_id else "all runs"
    return f"{workflow_id} in project {project_id}" if workflow_id else f"project {project_id}"


def period_around(period: str, at: datetime) -> tuple[datetime, datetime]:
    """Return when the period that holds ``at`` begins and ends: a day or a month of UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == BudgetPeriod.DAY:
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)
