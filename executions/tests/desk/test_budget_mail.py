"""Mail about budgets: who is told of which, once, and what it says."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from executions import postman
from executions.duties import Duties
from executions.models import Budget, BudgetWarning, Execution, GateNotice, NoticePreference, Project
from executions.services import budget_notices, policies
from executions.services.budgets import end_budget, warn_due
from executions.services.notices import set_mail_wish
from executions.tests.desk.mail_server import MailServer
from executions.tests.desk.test_notices import server, text_of
from executions.tests.desk.test_policies import reachable, waiting
from executions.tests.engine_cast import person, start
from executions.tests.pretend_worker import drive
from executions.tests.test_budgets import ALL, a_budget, cost_of_one, dearest, person_of_staff, small

__all__ = ["server"]

pytestmark = pytest.mark.django_db

SITE = "https://combine.example.org"


def spend(times: int = 1) -> Execution:
    """Have a run spend all that its calls may cost; a worker finds what that comes to."""
    execution = start(small(times))
    drive(execution, dearest)
    warn_due()
    return execution


def told() -> list[str]:
    """Note whom to tell, and return them."""
    budget_notices.note_warnings()
    rows = GateNotice.objects.filter(warning__isnull=False).order_by("id").select_related("user", "warning")
    return [f"{row.user.username} {row.warning.percent if row.warning else ''}" for row in rows]


def mailed(*names: str) -> None:
    for name in names:
        person_of_staff(name)
        reachable(name)


def test_who_set_a_budget_and_who_may_change_it_are_told_once_of_each_mark(server: MailServer) -> None:
    mailed("root", "ed")
    reachable("vic")
    reachable("olga")
    budget = a_budget(cost_of_one() * 2, by="ed")
    spend()
    assert sorted(told()) == ["ed 50", "root 50"]
    assert told() == told(), "nobody is told twice"
    assert [postman.send_due(), postman.send_due()] == [2, 0]
    message = next(each for each in server.messages if each["To"] == "ed@example.org")
    month = f"{timezone.now():%Y-%m}"
    assert message["Subject"] == f"50% of a budget is used: project apollo, {month}"
    text = str(message.get_content())
    assert f"{SITE}{reverse('admin:executions_budget_change', args=(budget.pk,))}" in text
    assert "spent. Calls that could go beyond it will not be sent." in text
    assert f"{SITE}/account/" in text
    spend()
    spend()
    assert sorted(told()) == ["ed 100", "ed 50", "root 100", "root 50"]
    postman.send_due()
    text = text_of(server)
    assert "A budget is used up: project apollo" in text
    assert "Runs stop at calls that could go beyond it, until it is raised or" in text


def test_who_started_a_run_is_told_of_its_own_budget(server: MailServer) -> None:
    mailed("root")
    reachable("olga")
    execution = start(small(), budget=cost_of_one() / 2)
    drive(execution)
    assert told() == ["olga 100"]
    assert postman.send_due() == 1
    assert server.messages[0]["Subject"] == "A budget is used up: run of Test"
    text = text_of(server)
    assert f"{SITE}{reverse('execution-page', args=(execution.pk,))}" in text
    assert "What is left does not cover the next call. To go on, retry the run with a higher budget." in text


def test_what_several_projects_spend_is_told_to_administrators_only(server: MailServer) -> None:
    mailed("root", "ed")
    a_budget(cost_of_one() * 2, **ALL)
    spend()
    assert told() == ["root 50"]
    User.objects.filter(username="root").update(is_superuser=False)
    assert postman.send_due() == 0
    assert GateNotice.objects.get().status == "cancelled"


def test_who_cannot_see_the_project_or_wants_no_such_mail_gets_none(server: MailServer) -> None:
    mailed("root", "ed", "eva")
    a_budget(cost_of_one() * 2)
    set_mail_wish(actor=person("eva"), wish="at_once", budgets="off")
    Project.objects.get(pk="apollo").users.add(person("olga"), person("eva"))
    spend()
    assert told() == ["root 50"]


@pytest.mark.parametrize("change", ["ended", "over", "unwanted", "hidden"])
def test_what_is_not_true_any_more_when_it_is_to_be_sent_is_not_sent(server: MailServer, change: str) -> None:
    mailed("ed")
    budget = a_budget(cost_of_one() * 2, by="ed")
    spend()
    assert told() == ["ed 50"]
    at = timezone.now()
    if change == "ended":
        end_budget(actor=person_of_staff("root"), budget_id=budget.pk, at=at)
    elif change == "over":
        at += timedelta(days=40)
    elif change == "unwanted":
        set_mail_wish(actor=person("ed"), wish="at_once", budgets="off")
    else:
        Project.objects.get(pk="apollo").users.add(person("olga"))
    assert postman.send_due(at=at) == 0
    assert GateNotice.objects.get().status == "cancelled"
    assert server.messages == []


def test_gates_and_budgets_come_in_one_message_and_each_can_be_switched_off(server: MailServer) -> None:
    mailed("ed")
    gate = waiting()
    a_budget(cost_of_one() * 2, by="ed")
    spend()
    policies.act()
    told()
    assert postman.send_due() == 1
    assert server.messages[0]["Subject"] == "1 gate needs you, 1 budget is used to a mark"
    assert str(gate.pk) in text_of(server)
    set_mail_wish(actor=person("ed"), wish="off")
    assert NoticePreference.objects.get().budgets == "at_once"
    Budget.objects.update(amount_usd=100)
    BudgetWarning.objects.update(told_at=None, percent=80)
    GateNotice.objects.filter(warning__isnull=False).delete()
    waiting()
    policies.act()
    told()
    assert postman.send_due() == 1
    assert server.messages[1]["Subject"].startswith("80% of a budget is used")


def test_people_choose_on_their_own_page() -> None:
    user = reachable("ed")
    client = Client()
    client.force_login(user)
    url = reverse("account-page")
    assert "Mail about budgets" in client.get(url).content.decode()
    client.post(url, {"act": "mail", "mail": "at_once", "budgets": "off"})
    row = NoticePreference.objects.get(user=user)
    assert (row.mail, row.budgets) == ("at_once", "off")


@pytest.mark.django_db(transaction=True)
def test_workers_find_what_no_run_has_seen_and_tell_of_it_once(server: MailServer) -> None:
    mailed("ed")
    a_budget(cost_of_one() * 2, by="ed")
    drive(start(small()), dearest)
    assert not BudgetWarning.objects.exists()
    asyncio.run(_work_until_mail_comes(server))
    assert [message["To"] for message in server.messages] == ["ed@example.org"]


async def _work_until_mail_comes(server: MailServer) -> None:
    workers = [Duties() for _ in range(3)]
    watches = [
        asyncio.create_task(each.watch(policy_every=0.05, budgets_every=0.05, mail_every=0.05)) for each in workers
    ]
    try:
        async with asyncio.timeout(20):
            while not server.messages:  # noqa: ASYNC110 - it is filled by a thread
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)  # time for another one to do it again
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(each.close, wait=True) for each in workers))
