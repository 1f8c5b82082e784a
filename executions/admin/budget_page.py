"""What the page of a budget says: how far it is used, the periods before, the warnings, and the runs it has stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from executions.amounts import money, span
from executions.budget_words import NEAR_PERCENT, is_too_little, percent_of, period_named
from executions.models import Budget, BudgetAccount, BudgetEntry, BudgetWarning
from executions.services.budgets import BudgetState, states
from executions.services.stopped import stopped_by

MOST_PERIODS = 24
MOST_WARNINGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How far a budget is used in a period. ``spent_width`` and ``held_width`` are parts of a bar of 100."""

    words: str
    look: str
    spent: str
    held: str
    amount: str
    left: str
    spent_width: int
    held_width: int
    ends_at: datetime
    ends_in: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLine:
    """One period of a budget, with what it was used."""

    name: str
    amount: str
    spent: str
    percent: int
    look: str
    is_present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningLine:
    """One mark that was reached."""

    at: datetime
    period: str
    mark: str
    spent: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPage:
    """Everything beside the form. ``use`` is ``None`` for a budget that is ended."""

    use: Use | None
    periods: Sequence[PeriodLine]
    warnings: Sequence[WarningLine]
    stopped_count: int


def use_of(state: BudgetState) -> Use:
    """Put the present state of a budget into words and widths."""
    percent = percent_of(state.spent_usd, state.amount_usd)
    held = percent_of(state.reserved_usd, state.amount_usd) if state.reserved_usd else 0
    spent_width = min(percent, 100)
    return Use(
        words=_words(percent),
        look=look_of(percent),
        spent=money(state.spent_usd),
        held=money(state.reserved_usd) if state.reserved_usd else "",
        amount=money(state.amount_usd),
        left=money(max(state.amount_usd - state.spent_usd - state.reserved_usd, Decimal(0))),
        spent_width=spent_width,
        held_width=min(held, 100 - spent_width),
        ends_at=state.ends_at,
        ends_in=span(state.ends_at - timezone.now()),
    )


def look_of(percent: int) -> str:
    """Return the colour class of so much of a budget."""
    return "bad" if percent >= 100 else "wait" if percent >= NEAR_PERCENT else "good"


def page_of(budget: Budget, user: User) -> BudgetPage:
    """Gather the page of a budget, with a fixed number of statements."""
    state = next((each for each in states(user) if each.budget_id == budget.pk), None)
    return BudgetPage(
        use=None if state is None else use_of(state),
        periods=_periods(budget),
        warnings=_warnings(budget),
        stopped_count=stopped_by(budget, user).count(),
    )


def _words(percent: int) -> str:
    return "used up" if percent >= 100 else f"{percent}% used"


def _periods(budget: Budget) -> list[PeriodLine]:
    # What was settled and has not been added yet counts as well.
    waiting = BudgetEntry.objects.filter(account=OuterRef("pk")).order_by().values("account")
    accounts = BudgetAccount.objects.filter(budget=budget).annotate(
        waiting=Subquery(waiting.annotate(total=Sum("spent_usd")).values("total"))
    )
    now = timezone.now()
    lines = []
    for account in accounts.order_by("-starts_at")[:MOST_PERIODS]:
        spent = account.spent_usd + (account.waiting or Decimal(0))
        percent = percent_of(spent, account.amount_usd)
        lines.append(
            PeriodLine(
                name=period_named(budget.period, account.starts_at),
                amount=money(account.amount_usd),
                spent=money(spent),
                percent=percent,
                look=look_of(percent),
                is_present=account.starts_at <= now < account.ends_at,
            )
        )
    return lines


def _warnings(budget: Budget) -> list[WarningLine]:
    found = BudgetWarning.objects.filter(account__budget=budget).select_related("account")
    return [
        WarningLine(
            at=each.at,
            period=period_named(budget.period, each.account.starts_at),
            mark=f"{each.percent}%, the next call did not fit" if is_too_little(each) else f"{each.percent}%",
            spent=money(each.spent_usd),
            amount=money(each.budget_usd),
        )
        for each in found.order_by("-at", "-id")[:MOST_WARNINGS]
        if each.account is not None
    ]
