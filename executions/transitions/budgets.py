"""Budgets: what a call may cost at most is reserved before it is sent, in every budget that applies to it.

An execution's own budget is in its row, which is locked. Budgets that executions share have an account for each
period. Whoever claims locks the budgets first, always in the order of their ids and always after the executions, and
adds to the accounts what was settled since (see ``executions.ledger``). So nobody reserves what another has reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal

from documents import database
from executions.llm import pricing
from executions.llm.values import ModelRequest
from executions.models import EventType
from executions.models.budget import period_around, subject_of
from executions.transitions.unit import Unit

# Shares of a budget, in per cent, that people are told of.
WARNED_OF = (50, 80, 100)
_PLACES = Decimal("0.0000000001")

_LOCK = """
SELECT id, project_id, workflow_id, period, amount_usd FROM executions_budget
 WHERE is_active AND (project_id IS NULL OR project_id = ANY(%s)) AND (workflow_id = '' OR workflow_id = ANY(%s))
 ORDER BY id FOR UPDATE
"""

# A statement of its own, after the lock: it sees what those have reserved who held the lock before.
_OPEN = """
WITH wanted AS (
    SELECT * FROM json_to_recordset(%s) AS w (budget_id bigint, starts_at timestamptz, ends_at timestamptz,
                                              amount_usd numeric)
), made AS (
    INSERT INTO executions_budgetaccount (budget_id, starts_at, ends_at, amount_usd, spent_usd, reserved_usd,
                                          warned_percent)
    SELECT budget_id, starts_at, ends_at, amount_usd, 0, 0, 0 FROM wanted ON CONFLICT DO NOTHING
    RETURNING id, budget_id, starts_at, spent_usd, reserved_usd, warned_percent
), known AS (
    SELECT a.* FROM executions_budgetaccount a JOIN wanted USING (budget_id, starts_at)
), gone AS (
    DELETE FROM executions_budgetentry e USING known WHERE e.account_id = known.id
    RETURNING e.account_id, e.spent_usd, e.reserved_usd
), sums AS (
    SELECT account_id, SUM(spent_usd) AS spent, SUM(reserved_usd) AS reserved FROM gone GROUP BY account_id
), added AS (
    UPDATE executions_budgetaccount a
       SET spent_usd = a.spent_usd + sums.spent, reserved_usd = a.reserved_usd + sums.reserved
      FROM sums WHERE a.id = sums.account_id
)
SELECT k.id, k.budget_id, k.starts_at, k.spent_usd + COALESCE(sums.spent, 0),
       k.reserved_usd + COALESCE(sums.reserved, 0), k.warned_percent
  FROM known k LEFT JOIN sums ON sums.account_id = k.id
 UNION ALL SELECT id, budget_id, starts_at, spent_usd, reserved_usd, warned_percent FROM made
"""

_WRITE = """
UPDATE executions_budgetaccount a SET reserved_usd = a.reserved_usd + n.reserved, warned_percent = n.warned
  FROM json_to_recordset(%s) AS n (id bigint, reserved numeric, warned int) WHERE a.id = n.id
"""

INSERT_WARNING = """
INSERT INTO executions_budgetwarning (account_id, execution_id, percent, spent_usd, budget_usd, at)
VALUES (%s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedBudget:
    """A budget whose row is locked; ``project_id`` is ``None`` and ``workflow_id`` empty where it is of all."""

    id: int
    project_id: str | None
    workflow_id: str
    period: str
    amount_usd: Decimal

    def applies_to(self, unit: Unit) -> bool:
        execution = unit.execution
        return self.project_id in (None, execution.project_id) and self.workflow_id in ("", execution.workflow_id)

    @property
    def scope(self) -> str:
        """What kind of thing it is of, as events say it."""
        if self.project_id is None:
            return "workflow" if self.workflow_id else "all"
        return "project_workflow" if self.workflow_id else "project"

    @property
    def name(self) -> str:
        return f"budget of {subject_of(self.project_id, self.workflow_id)} for this {self.period}"


@dataclass(slots=True, kw_only=True)
class Account:
    """The account of a budget for a period, as it is while its budget is locked. ``held`` is what was reserved now."""

    id: int
    budget: LockedBudget
    spent_usd: Decimal
    reserved_usd: Decimal
    warned_percent: int
    held: Decimal = Decimal(0)
    is_changed: bool = False

    @property
    def left_usd(self) -> Decimal:
        """What is neither spent nor reserved."""
        return self.budget.amount_usd - self.spent_usd - self.reserved_usd - self.held

    def hold(self, bound: Decimal) -> None:
        self.held += bound
        self.is_changed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A call that no budget covers. ``is_final`` says that this stays so whatever calls in flight come to.

    ``account`` is the shared budget's that refuses; ``None`` is the execution's own budget, or no known price.
    """

    detail: str
    is_final: bool
    account: Account | None = None


class Accounts:
    """The accounts of every budget that applies to some units, locked until the transaction ends."""

    def __init__(self, found: dict[tuple[int, datetime], Account]) -> None:
        self._found = found

    def of(self, unit: Unit) -> list[Account]:
        """Return those that a call of ``unit`` is charged to."""
        return [
            account
            for (_, starts_at), account in self._found.items()
            if account.budget.applies_to(unit) and period_around(account.budget.period, unit.now)[0] == starts_at
        ]

    def __iter__(self) -> Iterator[Account]:
        return iter(self._found.values())

    def write(self) -> None:
        """Write what was reserved and warned of."""
        rows = [
            {"id": account.id, "reserved": account.held, "warned": account.warned_percent}
            for account in self._found.values()
            if account.is_changed
        ]
        if rows:
            database.execute(_WRITE, (database.json_rows(rows),))


def open_accounts(units: Sequence[Unit]) -> Accounts:
    """Lock the budgets that apply to some locked units, and return their accounts of the units' time."""
    if not any(unit.has_budgets for unit in units):
        return Accounts({})
    projects = sorted({unit.execution.project_id for unit in units})
    workflows = sorted({unit.execution.workflow_id for unit in units})
    budgets = [
        LockedBudget(id=row[0], project_id=row[1], workflow_id=row[2], period=row[3], amount_usd=row[4])
        for row in database.rows(_LOCK, (projects, workflows))
    ]
    return accounts_of([(budget, unit.now) for budget in budgets for unit in units if budget.applies_to(unit)])


def accounts_of(wanted: Iterable[tuple[LockedBudget, datetime]]) -> Accounts:
    """Return the accounts of locked budgets at some times, made where there are none, with all that was settled."""
    periods = {
        (budget.id, period_around(budget.period, at)[0]): (budget, *period_around(budget.period, at))
        for budget, at in wanted
    }
    if not periods:
        return Accounts({})
    rows = [
        {"budget_id": budget.id, "starts_at": starts_at, "ends_at": ends_at, "amount_usd": budget.amount_usd}
        for budget, starts_at, ends_at in periods.values()
    ]
    found = {}
    for account_id, budget_id, starts_at, spent, reserved, warned in database.rows(_OPEN, (database.json_rows(rows),)):
        budget = periods[budget_id, starts_at][0]
        found[budget_id, starts_at] = Account(
            id=account_id, budget=budget, spent_usd=spent, reserved_usd=reserved, warned_percent=warned
        )
    return Accounts(found)


def reserve(unit: Unit, request: ModelRequest, accounts: Sequence[Account]) -> Decimal | Refusal:
    """Hold the most that a call can cost in the execution's own budget and in ``accounts``; return how much that is."""
    bound = pricing.upper_bound(request.model, request.char_count(), request.max_tokens)
    execution = unit.execution
    if bound is None:
        detail = f"No price is known for the model {request.model}, so a budget cannot be held with it."
        return Refusal(detail=detail, is_final=True)
    bound = bound.quantize(_PLACES, ROUND_UP)
    if execution.budget_usd is not None:
        spoken_for = execution.cost_usd + execution.reserved_usd + unit.reserved_delta
        if spoken_for + bound > execution.budget_usd:
            # What it has in flight itself is waited for: the caller looks at that.
            return Refusal(detail=_own_detail(unit, bound), is_final=True)
    for account in accounts:
        if bound > account.left_usd:
            is_final = account.spent_usd + bound > account.budget.amount_usd
            return Refusal(detail=_shared_detail(account, bound), is_final=is_final, account=account)
    for account in accounts:
        account.hold(bound)
    unit.reserved_delta += bound
    return bound


def _own_detail(unit: Unit, bound: Decimal) -> str:
    execution = unit.execution
    return (
        f"The next call may cost up to ${bound:.4f}; ${execution.cost_usd:.4f} of the budget of"
        f" ${execution.budget_usd:.4f} is spent. Nothing was sent. Raise the budget and retry."
    )


def _shared_detail(account: Account, bound: Decimal) -> str:
    """Say which budget refuses. What other projects have spent is not told to whoever may see this run."""
    budget = account.budget
    stands = "what is left of it does not cover that"
    if budget.project_id is not None:
        stands = f"${account.spent_usd:.4f} of ${budget.amount_usd:.4f} is spent"
    return (
        f"The next call may cost up to ${bound:.4f}. The {budget.name} is used up: {stands}. Nothing was sent."
        " Have the budget raised, or wait for its next period, and retry."
    )


def warn_of_own(unit: Unit) -> None:
    """Tell, once for each share, that the execution's own budget is used to that share."""
    budget = unit.execution.budget_usd
    if budget is not None and not unit.is_over:
        _warn_of_own(unit, reached(unit.execution.cost_usd, budget))


def warn_of_shared(unit: Unit, accounts: Sequence[Account]) -> None:
    """Tell, once for each share, that shared budgets are used to that share; ``unit`` is the one that has found it."""
    for account in accounts:
        _warn_of_account(unit, account, reached(account.spent_usd, account.budget.amount_usd))


def warn_of_refusal(unit: Unit, refusal: Refusal) -> None:
    """Tell that a budget is used up: the next call does not fit."""
    if refusal.account is not None:
        _warn_of_account(unit, refusal.account, 100)
    elif unit.execution.budget_usd is not None:
        _warn_of_own(unit, 100)


def reached(spent: Decimal, amount: Decimal) -> int:
    """Return the highest share of :data:`WARNED_OF` that is spent, or 0."""
    return max((percent for percent in WARNED_OF if spent * 100 >= amount * percent), default=0)


def _warn_of_own(unit: Unit, percent: int) -> None:
    execution = unit.execution
    if percent <= execution.budget_warned:
        return
    assert execution.budget_usd is not None
    execution.budget_warned = percent
    unit.event(
        EventType.BUDGET_WARNING,
        {
            "scope": "execution",
            "project_id": execution.project_id,
            "workflow_id": None,
            "period": None,
            "percent": percent,
            "spent_usd": str(execution.cost_usd),
            "budget_usd": str(execution.budget_usd),
        },
    )
    unit.write(INSERT_WARNING, (None, execution.id, percent, execution.cost_usd, execution.budget_usd, unit.now))


def _warn_of_account(unit: Unit, account: Account, percent: int) -> None:
    if percent <= account.warned_percent:
        return
    account.warned_percent, account.is_changed = percent, True
    budget = account.budget
    is_the_projects = budget.project_id is not None
    unit.event(
        EventType.BUDGET_WARNING,
        {
            "scope": budget.scope,
            "project_id": budget.project_id,
            "workflow_id": budget.workflow_id or None,
            "period": budget.period,
            "percent": percent,
            # What other projects have spent is not told to whoever may see this run.
            "spent_usd": str(account.spent_usd) if is_the_projects else None,
            "budget_usd": str(budget.amount_usd) if is_the_projects else None,
        },
    )
    unit.write(INSERT_WARNING, (account.id, None, percent, account.spent_usd, budget.amount_usd, unit.now))
