"""Budgets that executions share: setting and ending them, how they stand, and the warnings that no run has given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from documents import database
from executions.exceptions import BudgetNotFound, FieldError, Invalid, NotPermitted
from executions.models import AuditAct, Budget, BudgetAccount, BudgetPeriod, Project
from executions.models.budget import period_around, subject_of
from executions.services import audit
from executions.services.executions import budget_errors
from executions.transitions.budgets import INSERT_WARNING, LockedBudget, accounts_of, reached
from executions.transitions.statements import BUDGETS_LOCK

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_HOLD_ALONE = "SELECT pg_advisory_xact_lock(%s)"

# What of the period may still change: it is in flight, its worker may come back, or it may get a price. Executions
# first and in order, as everywhere, so that this cannot deadlock with a call that is being settled.
_IN_SCOPE = """
  FROM executions_llmcall c JOIN executions_execution e ON e.id = c.execution_id
 WHERE c.started_at >= %(starts_at)s AND c.started_at < %(ends_at)s
   AND (%(project_id)s::text IS NULL OR e.project_id = %(project_id)s)
   AND (%(workflow_id)s = '' OR e.workflow_id = %(workflow_id)s)
"""
_MAY_CHANGE = "(c.status IN ('in_flight', 'lost') OR c.cost_usd IS NULL)"
_LOCK_EXECUTIONS = f"""
SELECT id FROM executions_execution WHERE id IN (SELECT e.id {_IN_SCOPE} AND {_MAY_CHANGE}) ORDER BY id FOR UPDATE
"""  # noqa: S608 - static text
_CHARGE = f"""
UPDATE executions_llmcall u SET budget_accounts = array_append(COALESCE(u.budget_accounts, '{{}}'), %(account_id)s)
 WHERE u.id IN (SELECT c.id {_IN_SCOPE} AND {_MAY_CHANGE})
"""  # noqa: S608 - static text
# A statement of its own: what was settled before its call could be charged is seen now.
_COUNT = f"""
SELECT COALESCE(SUM(c.cost_usd), 0), COALESCE(SUM(c.reserved_usd) FILTER (WHERE c.status = 'in_flight'), 0) {_IN_SCOPE}
"""

_STATES = """
SELECT b.id, b.project_id, b.workflow_id, b.period, b.amount_usd, w.starts_at, w.ends_at,
       COALESCE(a.spent_usd, 0) + COALESCE(s.spent, 0), COALESCE(a.reserved_usd, 0) + COALESCE(s.reserved, 0)
  FROM executions_budget b
  JOIN unnest(%(periods)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
       AS w (period, starts_at, ends_at) ON w.period = b.period
  LEFT JOIN executions_budgetaccount a ON a.budget_id = b.id AND a.starts_at = w.starts_at
  LEFT JOIN LATERAL (SELECT SUM(e.spent_usd) AS spent, SUM(e.reserved_usd) AS reserved
                       FROM executions_budgetentry e WHERE e.account_id = a.id) s ON true
 WHERE b.is_active AND (%(projects)s::text[] IS NULL OR b.project_id = ANY(%(projects)s))
 ORDER BY b.project_id NULLS FIRST, b.workflow_id, b.period DESC, b.id
"""

_WITH_ENTRIES = """
SELECT DISTINCT a.budget_id, a.starts_at FROM executions_budgetentry e
  JOIN executions_budgetaccount a ON a.id = e.account_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget in its present period, which goes from ``starts_at`` to ``ends_at`` (not in it)."""

    budget_id: int
    project_id: str | None
    workflow_id: str
    period: str
    amount_usd: Decimal
    starts_at: datetime
    ends_at: datetime
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def name(self) -> str:
        return subject_of(self.project_id, self.workflow_id)

    @property
    def share(self) -> Decimal:
        """Which part is spent; 1 is all of it."""
        return self.spent_usd / self.amount_usd if self.amount_usd else Decimal(1)


def may_set_budgets(user: User) -> bool:
    """Whether ``user`` may set budgets at all: administrators, and staff with Django's permission to change them."""
    is_trusted = user.is_superuser or (user.is_staff and user.has_perm("executions.change_budget"))
    return user.is_active and is_trusted


def set_budget(
    *, actor: User, project_id: str | None, workflow_id: str, period: str, amount_usd: Any, at: datetime
) -> Budget:
    """Set what calls of a project, a workflow, both or all may cost in each period; change it where it is set.

    It holds from this moment on: what was spent in this period before counts, and so does what is in flight.

    :raises Invalid: the amount, the period or the project is wrong. :raises NotPermitted: it is not theirs to set.
    """
    _require(actor, project_id)
    errors = budget_errors(amount_usd, path="/amount_usd")
    if period not in BudgetPeriod.values:
        errors.append(FieldError(path="/period", code="UNKNOWN_CHOICE", detail="must be day or month"))
    if project_id is not None and not _is_visible(actor, project_id):
        errors.append(FieldError(path="/project_id", code="UNKNOWN", detail=f"there is no project {project_id}"))
    if errors:
        raise Invalid(errors)
    same = Budget.objects.filter(project=project_id, workflow_id=workflow_id, period=period, is_active=True)
    with transaction.atomic():
        budget = same.select_for_update().first()
        if budget is None:
            # Whoever claims at this moment has not seen the budget: wait until they are done, and let nobody begin.
            database.rows(_HOLD_ALONE, (BUDGETS_LOCK,))
            budget = same.select_for_update().first()
        if budget is None:
            return _make(actor, project_id, workflow_id, period, amount_usd, at)
        _change_amount(actor, budget, amount_usd, at)
        return budget


def end_budget(*, actor: User, budget_id: int, at: datetime) -> Budget:
    """End a budget: from now on it stops nothing. What it has counted is kept.

    :raises BudgetNotFound: there is none that ``actor`` may see. :raises NotPermitted: it is not theirs to end.
    """
    with transaction.atomic():
        budget = Budget.objects.select_for_update().filter(pk=budget_id).first()
        is_seen = budget is not None and (budget.project_id is None or _is_visible(actor, budget.project_id))
        if budget is None or not is_seen:
            raise BudgetNotFound(str(budget_id))
        _require(actor, budget.project_id)
        if budget.is_active:
            budget.is_active, budget.updated_at = False, at
            budget.save(update_fields=["is_active", "updated_at"])
            BudgetAccount.objects.filter(budget=budget, ends_at__gt=at).update(closed_at=at)
            audit.record(
                act=AuditAct.BUDGET_END, actor=actor, about=_about(budget), before={"amount_usd": _text(budget)}, at=at
            )
    return budget


def states(user: User, *, at: datetime | None = None) -> list[BudgetState]:
    """Return the budgets in force that ``user`` may see, as they stand: those of projects that they see.

    Budgets of more than one project are shown to administrators.
    """
    now = at or timezone.now()
    around = {period.value: period_around(period, now) for period in BudgetPeriod}
    projects = None if user.is_superuser else list(Project.objects.visible_to(user).values_list("pk", flat=True))
    params = {
        "periods": list(around),
        "starts": [starts_at for starts_at, _ in around.values()],
        "ends": [ends_at for _, ends_at in around.values()],
        "projects": projects,
    }
    names = ("budget_id", "project_id", "workflow_id", "period", "amount_usd", "starts_at", "ends_at", "spent_usd")
    return [
        BudgetState(**dict(zip((*names, "reserved_usd"), row, strict=True))) for row in database.rows(_STATES, params)
    ]


def warn_due(*, at: datetime | None = None) -> int:
    """Add up what was settled, and note each share of a budget that was reached; return how many warnings that were.

    Runs tell of what they find when they claim; this finds what was reached by the last call of a run. Any number may
    call it at any time: a budget that somebody holds is left to them.
    """
    now = at or timezone.now()
    found = database.rows(_WITH_ENTRIES)
    return sum(_settle(budget_id, starts_at, now) for budget_id, starts_at in found)


def _settle(budget_id: int, starts_at: datetime, now: datetime) -> int:
    with transaction.atomic():
        row = Budget.objects.select_for_update(skip_locked=True).filter(pk=budget_id).first()
        if row is None:
            return 0
        accounts = accounts_of([(_locked(row), starts_at)])
        (account,) = accounts
        percent = reached(account.spent_usd, row.amount_usd)
        is_news = row.is_active and percent > account.warned_percent and now < period_around(row.period, starts_at)[1]
        if is_news:
            account.warned_percent, account.is_changed = percent, True
            database.execute(INSERT_WARNING, (account.id, None, percent, account.spent_usd, row.amount_usd, now))
            accounts.write()
        return int(is_news)


def _make(
    actor: User, project_id: str | None, workflow_id: str, period: str, amount_usd: Decimal, at: datetime
) -> Budget:
    """Make a budget and count what is in its first period already; the caller lets nobody claim meanwhile."""
    budget = Budget.objects.create(
        project_id=project_id,
        workflow_id=workflow_id,
        period=period,
        amount_usd=amount_usd,
        created_by=actor,
        created_at=at,
        updated_at=at,
    )
    starts_at, ends_at = period_around(period, at)
    account = BudgetAccount.objects.create(budget=budget, starts_at=starts_at, ends_at=ends_at, amount_usd=amount_usd)
    scope = {
        "starts_at": starts_at,
        "ends_at": ends_at,
        "project_id": project_id,
        "workflow_id": workflow_id,
        "account_id": account.pk,
    }
    database.rows(_LOCK_EXECUTIONS, scope)
    database.execute(_CHARGE, scope)
    account.spent_usd, account.reserved_usd = database.rows(_COUNT, scope)[0]
    account.warned_percent = reached(account.spent_usd, amount_usd)
    account.save(update_fields=["spent_usd", "reserved_usd", "warned_percent"])
    audit.record(act=AuditAct.BUDGET_SET, actor=actor, about=_about(budget), after={"amount_usd": _text(budget)}, at=at)
    return budget


def _change_amount(actor: User, budget: Budget, amount_usd: Decimal, at: datetime) -> None:
    if budget.amount_usd == amount_usd:
        return
    before = _text(budget)
    budget.amount_usd, budget.updated_at = amount_usd, at
    budget.save(update_fields=["amount_usd", "updated_at"])
    (account,) = accounts_of([(_locked(budget), at)])
    BudgetAccount.objects.filter(pk=account.id).update(
        amount_usd=amount_usd, warned_percent=reached(account.spent_usd, amount_usd)
    )
    audit.record(
        act=AuditAct.BUDGET_SET,
        actor=actor,
        about=_about(budget),
        before={"amount_usd": before},
        after={"amount_usd": _text(budget)},
        at=at,
    )


def _require(actor: User, project_id: str | None) -> None:
    about = audit.About(project_id=project_id or "")
    with audit.refusals(act=AuditAct.BUDGET_SET, actor=actor, about=about):
        if not may_set_budgets(actor):
            raise NotPermitted("Budgets are set by staff with the permission to change budgets.")
        if project_id is None and not actor.is_superuser:
            raise NotPermitted("A budget of more than one project is set by an administrator.")


def _is_visible(actor: User, project_id: str) -> bool:
    return Project.objects.visible_to(actor).filter(pk=project_id).exists()


def _locked(budget: Budget) -> LockedBudget:
    return LockedBudget(
        id=budget.pk,
        project_id=budget.project_id,
        workflow_id=budget.workflow_id,
        period=budget.period,
        amount_usd=budget.amount_usd,
    )


def _about(budget: Budget) -> audit.About:
    return audit.About(project_id=budget.project_id or "", subject=str(budget))


def _text(budget: Budget) -> str:
    return f"{Decimal(budget.amount_usd):f}"
