"""Budgets that runs share: of a project, a workflow, both or all, for a day or a month."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.utils import timezone

from executions import ledger
from executions.exceptions import BudgetNotFound, Invalid, NotPermitted
from executions.llm import pricing
from executions.models import (
    AuditEntry,
    Budget,
    BudgetAccount,
    BudgetEntry,
    BudgetWarning,
    Execution,
    LLMCall,
    Project,
)
from executions.models.budget import period_around
from executions.services.budgets import BudgetState, end_budget, set_budget, states, warn_due
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import events, person, start, status
from executions.tests.engine_definitions import JSON, chain, epics, single
from executions.tests.pretend_worker import Answer, PretendWorker, backlog, drive, response_of, sweep, valid
from executions.values import Claim

pytestmark = pytest.mark.usefixtures("promises_kept")

ALL: dict[str, Any] = {"project_id": None, "workflow_id": ""}
APOLLO: dict[str, Any] = {"project_id": "apollo", "workflow_id": ""}


def small(length: int = 1) -> JSON:
    return chain(length, max_tokens=1000)


def bound(claim: Claim) -> Decimal:
    value = pricing.upper_bound(claim.request.model, claim.request_chars, claim.request.max_tokens)
    assert value is not None
    return value


def dearest(claim: Claim) -> Answer:
    """Return an answer that uses all that the call may use."""
    usage = {
        "input_tokens": 0,
        "cache_creation_input_tokens": claim.request_chars + 1000,
        "output_tokens": claim.request.max_tokens,
    }
    return replace(valid(claim), usage=usage)


def cost_of_one() -> Decimal:
    """Return what the first call of :func:`small` costs at most, as :func:`dearest` answers it."""
    (claim,) = PretendWorker().claim(start(small(), project="probe"))
    return bound(claim)


def a_budget(amount: Decimal | int | str, by: str = "root", **scope: Any) -> Budget:
    Project.objects.get_or_create(pk="apollo", defaults={"created_at": timezone.now()})
    scope = {"period": "month", **(scope or APOLLO)}
    return set_budget(actor=person_of_staff(by), amount_usd=Decimal(amount), at=timezone.now(), **scope)


def person_of_staff(name: str) -> User:
    """Return an account that may set budgets."""
    user = person(name)
    if not user.is_staff:
        user.is_staff = True
        user.save()
        user.user_permissions.add(Permission.objects.get(codename="change_budget"))
    return User.objects.get(pk=user.pk)


def state(budget: Budget) -> BudgetState:
    return next(each for each in states(person("root")) if each.budget_id == budget.pk)


def spent(**rows: Any) -> Decimal:
    """Return what calls have cost, by the ledger."""
    return sum((call.cost_usd or Decimal(0) for call in LLMCall.objects.filter(**rows)), Decimal(0))


def error(execution: Execution) -> str:
    execution.refresh_from_db()
    return execution.error_code


def test_a_call_is_reserved_and_settled_in_every_budget_that_applies() -> None:
    applies = [
        a_budget(100),
        a_budget(100, **ALL),
        a_budget(100, project_id=None, workflow_id="test"),
        a_budget(100, project_id="apollo", workflow_id="test"),
        a_budget(100, project_id="apollo", workflow_id="test", period="day"),
    ]
    others = [a_budget(100, project_id="apollo", workflow_id="another")]
    worker = PretendWorker()
    execution = start(small())
    (claim,) = worker.claim(execution)
    assert {state(budget).reserved_usd for budget in applies} == {bound(claim)}
    execution.refresh_from_db()
    assert execution.reserved_usd == bound(claim)
    worker.finish(claim, valid(claim))
    assert {(state(budget).spent_usd, state(budget).reserved_usd) for budget in applies} == {(spent(), Decimal(0))}
    assert {(state(budget).spent_usd, state(budget).reserved_usd) for budget in others} == {(Decimal(0), Decimal(0))}
    assert spent() > 0


def test_without_budgets_a_call_is_in_no_account() -> None:
    drive(start(small()))
    assert LLMCall.objects.get().budget_accounts is None
    assert not BudgetEntry.objects.exists()
    assert not BudgetAccount.objects.exists()


def test_runs_of_a_project_share_its_budget_and_others_do_not_touch_it() -> None:
    one = cost_of_one()
    budget = a_budget(one * Decimal("2.5"))
    runs = [start(small()) for _ in range(3)]
    for run in runs:
        drive(run, dearest)
    elsewhere = start(small(), project="gemini")
    drive(elsewhere, dearest)
    assert [status(run) for run in runs] == ["completed", "completed", "failed"]
    assert status(elsewhere) == "completed"
    runs[2].refresh_from_db()
    assert runs[2].error_code == "BUDGET_EXHAUSTED"
    assert "budget of project apollo for this month is used up" in runs[2].error_detail
    assert "Nothing was sent" in runs[2].error_detail
    assert state(budget).spent_usd == spent(execution__project_id="apollo") <= budget.amount_usd


def test_what_others_have_spent_is_not_told() -> None:
    a_budget("0.000001", **ALL)
    run = start(small())
    drive(run)
    run.refresh_from_db()
    assert "budget of all runs for this month is used up" in run.error_detail
    assert "0.0000" not in run.error_detail
    (warning,) = events(run, "budget_warning")
    assert (warning["scope"], warning["percent"], warning["spent_usd"]) == ("all", 100, None)


def test_a_raised_budget_lets_a_retried_run_go_on() -> None:
    one = cost_of_one()
    a_budget(one * Decimal("1.5"))
    run = start(small(3))
    drive(run, dearest)
    assert error(run) == "BUDGET_EXHAUSTED"
    raised = a_budget(10)
    assert Budget.objects.get() == raised
    retry_execution(actor=person("olga"), execution_id=run.pk)
    drive(run, dearest)
    assert status(run) == "completed"
    assert LLMCall.objects.filter(execution=run).count() == 3, "what was finished is not paid for again"


def test_a_run_waits_for_what_others_have_reserved_and_then_goes_on() -> None:
    one = cost_of_one()
    a_budget(one * Decimal("1.5"))
    worker = PretendWorker()
    first, second = start(small()), start(small())
    (claim,) = worker.claim(first)
    assert worker.claim(second) == []
    assert status(second) == "pending", "it is not told that there is nothing, before that is so"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = %s", [f"again:{second.pk}"])
        assert cursor.fetchone()[0] == 1
    assert worker.claim(second) == []
    worker.finish(claim, replace(valid(claim), usage={"input_tokens": 10, "output_tokens": 10}))
    drive(second, dearest)
    assert status(second) == "completed"


def test_a_run_that_waited_in_vain_is_told_so() -> None:
    a_budget(cost_of_one() * Decimal("1.5"))
    worker = PretendWorker()
    first, second = start(small()), start(small())
    (claim,) = worker.claim(first)
    assert worker.claim(second) == []
    worker.finish(claim, dearest(claim))
    assert drive(second) == []
    assert error(second) == "BUDGET_EXHAUSTED"


def test_fifty_branches_against_a_shared_budget_for_ten_calls_never_overspend() -> None:
    value = epics()
    for each in (value["steps"][0], value["steps"][1]["steps"][0], value["steps"][2]):
        each["max_tokens"] = 1000
    workers = [PretendWorker(), PretendWorker()]
    execution = start(value)
    (first,) = workers[0].claim(execution)
    branches = workers[0].finish(first, backlog(*[f"E{n}" for n in range(50)]), limit=0)
    assert branches == []
    (probe,) = workers[0].claim(execution, limit=1)
    budget = a_budget(spent() + bound(probe) * 10)
    workers[0].finish(probe, dearest(probe), limit=0)
    in_flight: deque[tuple[PretendWorker, Claim]] = deque()
    for number in range(60):
        in_flight.extend((workers[number % 2], claim) for claim in workers[number % 2].claim(execution, limit=2))
        seen = state(budget)
        assert seen.spent_usd + seen.reserved_usd <= budget.amount_usd
        if in_flight:
            worker, claim = in_flight.popleft()
            worker.finish(claim, dearest(claim), limit=0)
    assert error(execution) == "BUDGET_EXHAUSTED"
    assert 9 <= LLMCall.objects.filter(execution=execution).count() - 1 <= 11
    assert state(budget).spent_usd == spent(execution__project_id="apollo") <= budget.amount_usd


def test_a_new_budget_counts_what_was_spent_and_what_is_in_flight() -> None:
    worker = PretendWorker()
    drive(start(small()))
    done = spent()
    run = start(small(2))
    (claim,) = worker.claim(run)
    budget = a_budget(100)
    assert (state(budget).spent_usd, state(budget).reserved_usd) == (done, Decimal(0))
    worker.finish(claim, valid(claim), limit=0)
    assert state(budget).spent_usd == spent() > done
    drive(run)
    assert state(budget).spent_usd == spent()


def test_a_call_in_flight_that_has_a_reservation_of_its_run_keeps_it_in_a_new_budget() -> None:
    worker = PretendWorker()
    run = start(small(), budget=Decimal(5))
    (claim,) = worker.claim(run)
    budget = a_budget(100)
    assert state(budget).reserved_usd == bound(claim)
    worker.finish(claim, valid(claim))
    assert (state(budget).spent_usd, state(budget).reserved_usd) == (spent(), Decimal(0))


def test_lost_cancelled_and_repriced_calls_are_settled_in_the_budget() -> None:
    budget = a_budget(100)
    dying, worker = PretendWorker(), PretendWorker()
    lost, cancelled = start(small()), start(small())
    (claim,) = dying.claim(lost)
    (other,) = worker.claim(cancelled)
    dying.die()
    sweep()
    estimated = spent()
    assert state(budget).spent_usd == estimated > 0
    cancel_execution(actor=person("olga"), execution_id=cancelled.pk, reason="")
    assert state(budget).reserved_usd == bound(other)
    worker.finish(other, valid(other))
    ledger.book_responses([(lost.pk, claim.call_id, response_of(claim, valid(claim)))])
    assert (state(budget).spent_usd, state(budget).reserved_usd) == (spent(), Decimal(0))
    assert spent() != estimated


def test_a_call_that_gets_its_price_later_is_charged_then() -> None:
    drive(start(single(model="claude-of-nowhere-9")))
    budget = a_budget(100)
    (call,) = ledger.unpriced_calls(after=None, limit=10)
    price = pricing.CallPrice(cost=Decimal("0.25"), unit_prices={}, price_version="later")
    ledger.book_prices([(call, price)])
    assert state(budget).spent_usd == Decimal("0.25")


def test_a_model_without_a_price_is_not_used_where_a_budget_is_to_be_held() -> None:
    a_budget(100)
    run = start(single(model="claude-of-nowhere-9"))
    assert drive(run) == []
    run.refresh_from_db()
    assert run.error_code == "BUDGET_EXHAUSTED"
    assert "No price is known" in run.error_detail


def test_each_period_has_an_account_of_its_own() -> None:
    budget = a_budget(cost_of_one(), period="day", **APOLLO)
    drive(start(small()), dearest)
    assert state(budget).share == 1
    today = BudgetAccount.objects.get(budget=budget)
    BudgetAccount.objects.update(starts_at=today.starts_at - timedelta(days=1), ends_at=today.starts_at)
    LLMCall.objects.update(started_at=today.starts_at - timedelta(hours=1))
    run = start(small())
    drive(run, dearest)
    assert status(run) == "completed"
    assert BudgetAccount.objects.filter(budget=budget).count() == 2


@pytest.mark.parametrize(
    ("period", "at", "first", "end"),
    [
        ("month", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("month", "2028-02-01T00:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("day", "2026-03-29T00:30Z", "2026-03-29T00:00Z", "2026-03-30T00:00Z"),
    ],
    ids=["december", "leap", "day"],
)
def test_periods_are_days_and_months_of_utc(period: str, at: str, first: str, end: str) -> None:
    moment = datetime.fromisoformat(at)
    expected = (datetime.fromisoformat(first), datetime.fromisoformat(end))
    assert period_around(period, moment) == expected
    assert period_around(period, moment.astimezone(timezone.get_fixed_timezone(600))) == expected


def test_an_ended_budget_stops_nothing_and_a_new_one_counts_anew() -> None:
    budget = a_budget(0)
    end_budget(actor=person("root"), budget_id=budget.pk, at=timezone.now())
    drive(start(small()))
    again = a_budget(100)
    assert again.pk != budget.pk
    assert state(again).spent_usd == spent() > 0
    assert [each.budget_id for each in states(person("root"))] == [again.pk]


def test_people_are_warned_once_of_each_share() -> None:
    one = cost_of_one()
    a_budget(one * 10)
    for _ in range(12):
        drive(start(small()), dearest)
    percents = list(BudgetWarning.objects.order_by("id").values_list("percent", flat=True))
    assert percents == [50, 80, 100]
    told = [row for run in Execution.objects.order_by("started_at") for row in events(run, "budget_warning")]
    assert [row["percent"] for row in told] == [50, 80, 100]
    assert {row["scope"] for row in told} == {"project"}
    assert Decimal(told[0]["spent_usd"]) == one * 5


def test_what_the_last_call_reached_is_found_without_a_run() -> None:
    one = cost_of_one()
    budget = a_budget(one * 2)
    drive(start(small()), dearest)
    assert not BudgetWarning.objects.exists()
    assert warn_due() == 1
    assert warn_due() == 0
    warning = BudgetWarning.objects.get()
    assert (warning.percent, warning.spent_usd, warning.budget_usd) == (50, one, budget.amount_usd)
    assert not BudgetEntry.objects.exists()


def test_a_raised_budget_warns_anew_and_a_new_one_not_of_what_is_past() -> None:
    one = cost_of_one()
    drive(start(small()), dearest)
    a_budget(one * 2)
    warn_due()
    assert not BudgetWarning.objects.exists(), "whoever sets it sees it"
    a_budget(one * 4)
    drive(start(small()), dearest)
    assert warn_due() == 1


def test_a_run_warns_of_its_own_budget() -> None:
    one = cost_of_one()
    run = start(small(4), budget=one * 4)
    drive(run, lambda claim: replace(dearest(claim), usage={**dearest(claim).usage, "output_tokens": 1000}))
    rows = events(run, "budget_warning")
    assert [row["percent"] for row in rows] == [50, 100]
    assert {row["scope"] for row in rows} == {"execution"}
    assert [row.execution_id for row in BudgetWarning.objects.all()] == [run.pk] * 2
    retry_execution(actor=person("olga"), execution_id=run.pk, budget_usd=one * 100)
    drive(run, dearest)
    assert status(run) == "completed"
    assert len(events(run, "budget_warning")) == 2


def test_who_may_set_budgets() -> None:
    a_budget(5, by="ed")
    with pytest.raises(NotPermitted):
        a_budget(5, by="ed", **ALL)
    for name in ("olga", "nobody"):
        with pytest.raises(NotPermitted):
            set_budget(actor=person(name), period="month", amount_usd=Decimal(1), at=timezone.now(), **APOLLO)
    Project.objects.get(pk="apollo").users.add(person("eva"))
    with pytest.raises(Invalid) as refused:
        a_budget(6, by="ed")
    assert [each.path for each in refused.value.errors] == ["/project_id"]
    with pytest.raises(BudgetNotFound):
        end_budget(actor=person_of_staff("ed"), budget_id=Budget.objects.get().pk, at=timezone.now())
    assert states(person_of_staff("ed")) == []
    assert len(states(person("eva"))) == 1
    refusals = AuditEntry.objects.filter(act="budget.set", outcome="refused")
    assert refusals.count() == 3
    assert AuditEntry.objects.filter(act="budget.set", outcome="done").count() == 1


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "1000001"])
def test_a_wrong_amount_is_refused(amount: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_budget(amount, period="week", **APOLLO)
    assert [each.path for each in refused.value.errors] == ["/amount_usd", "/period"]


def test_there_is_no_budget_to_end() -> None:
    with pytest.raises(BudgetNotFound):
        end_budget(actor=person("root"), budget_id=4711, at=timezone.now())
