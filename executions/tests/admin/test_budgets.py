"""Budgets at the desk: who sees and sets them, how far they are used, and runs that go on when one was raised."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.models import AuditEntry, Budget, BudgetWarning, Execution, Project
from executions.services.budgets import set_budget
from executions.tests.admin.desk import at_desk, staff
from executions.tests.engine_cast import person, start, status
from executions.tests.engine_definitions import single
from executions.tests.pages.visitors import words
from executions.tests.pretend_worker import PretendWorker, drive, valid

pytestmark = pytest.mark.django_db

LIST = reverse("admin:executions_budget_changelist")
ADD = reverse("admin:executions_budget_add")


def url(view: str, budget: Budget) -> str:
    return reverse(f"admin:executions_budget_{view}", args=(budget.pk,))


def keeper(name: str = "kate", *roles: str) -> Client:
    """Return the browser of somebody whose role sets budgets, as an administrator has ticked it."""
    client = at_desk("root")
    group = Group.objects.get_or_create(name="controller")[0]
    client.post(reverse("admin:auth_group_change", args=(group.pk,)), {"name": "controller", "sets_budgets": "on"})
    return at_desk(name, "controller", *roles)


def project(name: str = "apollo") -> Project:
    return Project.objects.get_or_create(pk=name, defaults={"created_at": timezone.now()})[0]


def a_budget(amount: Any = 10, *, of: str | None = "apollo", workflow: str = "", period: str = "month") -> Budget:
    if of is not None:
        project(of)
    return set_budget(
        actor=staff("root"),
        project_id=of,
        workflow_id=workflow,
        period=period,
        amount_usd=Decimal(amount),
        at=timezone.now(),
    )


def a_finished_run() -> Execution:
    """Return a run that has cost something."""
    execution = start(single())
    drive(execution)
    execution.refresh_from_db()
    assert execution.cost_usd > 0
    return execution


def a_stopped_run(**keys: Any) -> Execution:
    execution = start(single(), **keys)
    drive(execution)
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "BUDGET_EXHAUSTED")
    return execution


def test_a_budget_is_set_raised_and_ended_by_whose_role_sets_budgets() -> None:
    project()
    client = keeper()
    assert "Sets budgets" not in words(at_desk("root").get(LIST))
    new = {"project_name": "apollo", "workflow_id": "", "period": "month", "amount_usd": "10"}
    assert client.post(ADD, new, follow=True).status_code == 200
    budget = Budget.objects.get()
    assert (budget.project_id, budget.workflow_id, budget.period, budget.amount_usd) == (
        "apollo", "", "month", Decimal(10),
    )  # fmt: skip
    assert budget.created_by == person("kate")
    again = client.post(ADD, new)
    assert "There is a budget of this already" in words(again)
    page = client.post(url("change", budget), {"amount_usd": "25.5"}, follow=True)
    assert "The budget of project apollo is $25.50 each month from now on." in words(page)
    assert words(client.get(url("end", budget))).count("End the budget") == 1
    page = client.post(url("end", budget), follow=True)
    assert "This budget is ended." in words(page)
    assert not Budget.objects.get().is_active
    acts = AuditEntry.objects.filter(act__startswith="budget.").order_by("id").values_list("act", "by", "project_id")
    assert list(acts) == [("budget.set", "kate", "apollo")] * 2 + [("budget.end", "kate", "apollo")]
    assert client.post(url("change", budget), {"amount_usd": "1"}).status_code == 403
    assert client.post(url("end", budget)).status_code == 403
    rights = AuditEntry.objects.get(subject="role controller")
    assert rights.after == {"rights": ["change_budget"]}


def test_what_is_wrong_with_a_budget_stands_beside_its_field() -> None:
    project("secret").users.add(person("olga"))
    client = keeper()
    wrong = {"project_name": "secret", "workflow_id": "", "period": "month", "amount_usd": "10"}
    assert "There is no project secret." in words(client.post(ADD, wrong))
    assert "set by an administrator" in words(client.post(ADD, wrong | {"project_name": ""}))
    assert "greater than or equal to 0" in words(client.post(ADD, wrong | {"amount_usd": "-1"}))
    assert "greater than or equal to 0" not in words(client.post(ADD, wrong | {"amount_usd": "NaN"}))
    assert not Budget.objects.exists()


def test_who_sees_a_project_sees_its_budgets_and_may_not_change_them() -> None:
    shown, hidden, of_all = a_budget(10), a_budget(20, of="secret"), a_budget(30, of=None)
    project("secret").users.add(person("olga"))
    vic = at_desk("vic")
    listed = words(vic.get(LIST))
    assert "project apollo" in listed
    assert "secret" not in listed
    assert "$30.00" not in listed
    page = vic.get(url("change", shown))
    assert page.status_code == 200
    assert "$10.00" in words(page)
    assert 'name="amount_usd"' not in page.content.decode()
    assert vic.get(ADD).status_code == vic.post(url("change", shown), {"amount_usd": "1"}).status_code == 403
    for budget in (hidden, of_all):
        for view in ("change", "end", "retry"):
            assert vic.get(url(view, budget)).status_code == 404
    assert at_desk("nobody").get(LIST).status_code == 403
    assert keeper().get(url("end", of_all)).status_code == 404
    assert words(at_desk("root").get(LIST)).count("$30.00") == 2


def test_a_list_says_how_far_each_budget_is_used_with_the_same_number_of_statements() -> None:
    execution = a_finished_run()
    a_budget(execution.cost_usd / Decimal("0.83"))
    client = at_desk("root")
    assert "83% used" in words(client.get(LIST))
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for number in range(8):
        a_budget(number, of=f"p{number}")
    a_budget(execution.cost_usd, of=None)
    with CaptureQueriesContext(connection) as many:
        page = client.get(LIST)
    assert len(few) == len(many)
    assert "used up" in words(page)
    assert "0% used" in words(page)


def test_the_page_of_a_budget_shows_calls_under_way_periods_and_warnings() -> None:
    budget = a_budget(100)
    execution = start(single())
    (claim,) = PretendWorker().claim(execution)
    execution.refresh_from_db()
    page = words(at_desk("vic").get(url("change", budget)))
    assert "0% used" in page
    assert "held" in page
    assert "No mark was reached." in page
    PretendWorker().finish(claim, valid(claim))
    account = budget.accounts.get()
    BudgetWarning.objects.create(
        account=account, percent=50, spent_usd=Decimal(50), budget_usd=Decimal(100), at=timezone.now()
    )
    page = words(at_desk("vic").get(url("change", budget)))
    assert f"{account.starts_at:%Y-%m} now" in page
    assert "50% $50.00 $100.00" in page
    BudgetWarning.objects.update(percent=100)
    assert "100%, the next call did not fit $50.00" in words(at_desk("vic").get(url("change", budget)))


def test_runs_that_a_budget_has_stopped_go_on_together_when_it_was_raised() -> None:
    budget = a_budget(0)
    stopped = [a_stopped_run() for _ in range(3)]
    own = a_stopped_run(budget=Decimal(0), project="other")
    client = keeper("oscar", "operator")
    page = words(client.post(url("change", budget), {"amount_usd": "10"}, follow=True))
    assert "3 runs stopped by this budget" in page
    offered = client.get(url("retry", budget)).content.decode()
    assert all(str(each.pk) in offered for each in stopped)
    assert str(own.pk) not in offered
    assert "Choose at least one run." in words(client.post(url("retry", budget), {"run": ["x"]}))
    Execution.objects.filter(pk=stopped[2].pk).update(status="running")
    Execution.objects.filter(pk=stopped[2].pk).update(status="failed", error_detail="Something else.")
    page = words(client.post(url("retry", budget), {"run": [str(each.pk) for each in (*stopped, own)]}))
    assert "2 of 4 go on" in page
    assert "2 were not stopped any more" in page
    for execution in stopped[:2]:
        drive(execution)
        assert status(execution) == "completed"
    assert status(own) == "failed"
    assert "No run is stopped by this budget." in words(client.get(url("retry", budget)))


def test_runs_that_cannot_be_retried_are_named_with_the_reason() -> None:
    budget = a_budget(0)
    execution = a_stopped_run()
    client = keeper()
    assert "You need the role operator" in words(client.get(url("retry", budget)))
    page = words(client.post(url("retry", budget), {"run": [str(execution.pk)]}))
    assert "1 not retried" in page
    assert "To retry a run you need the role operator" in page
    assert status(execution) == "failed"


@pytest.mark.parametrize(
    ("of", "workflow", "period"),
    [("apollo", "", "month"), ("apollo", "test", "day"), (None, "test", "month"), (None, "", "day")],
)
def test_a_stopped_run_names_the_budget_that_stopped_it(of: str | None, workflow: str, period: str) -> None:
    budget = a_budget(0, of=of, workflow=workflow, period=period)
    a_budget(10, of="apollo", period="day" if period == "month" else "month")
    execution = a_stopped_run()
    named = f"Budget of {budget.subject}, each {period}"
    at = reverse("admin:executions_execution_change", args=(execution.pk,))
    page = at_desk("root").get(at)
    assert named in words(page)
    assert url("change", budget) in page.content.decode()
    assert (named in words(at_desk("vic").get(at))) is (of is not None)
    act = words(at_desk("olga").get(reverse("admin:executions_execution_retry", args=(execution.pk,))))
    assert "A budget that it shares with others was used up." in act
    client = Client()
    client.force_login(person("vic"))
    live = words(client.get(reverse("execution-page", args=(execution.pk,))))
    assert "Have it raised, or wait for its next period; then retry the run." in live


def test_a_run_with_a_budget_of_its_own_is_offered_a_higher_one() -> None:
    a_budget(10)
    execution = a_stopped_run(budget=Decimal(0))
    at = reverse("admin:executions_execution_change", args=(execution.pk,))
    assert "Budget of project" not in words(at_desk("root").get(at))
    assert "Raise its budget and retry" in words(at_desk("olga").get(at))
    assert "Raise its budget and retry" not in words(at_desk("vic").get(at))
    act = words(at_desk("olga").get(reverse("admin:executions_execution_retry", args=(execution.pk,))))
    assert "The run's own budget was used up. Unless you raise it here, the run fails again at once." in act
    assert "New budget in US dollars" in act


def test_a_role_that_sets_budgets_loses_it_again() -> None:
    project()
    client = keeper()
    group = Group.objects.get(name="controller")
    where = reverse("admin:auth_group_change", args=(group.pk,))
    assert "checked" in at_desk("root").get(where).content.decode()
    at_desk("root").post(where, {"name": "controller"})
    assert client.get(ADD).status_code == 403
