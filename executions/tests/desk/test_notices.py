"""Mail about gates: what it says, that it is sent once, and what becomes of it where the mail server does not work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from executions import postman
from executions.duties import Duties
from executions.models import Execution, Gate, GateNotice, MailWish, NoticePreference, Project
from executions.services import notices, policies
from executions.services.notices import DELAYS, LEASE, set_mail_wish
from executions.tests.admin.desk import in_question
from executions.tests.desk.mail_server import MailServer, mail_server
from executions.tests.desk.test_policies import HOUR, reachable, waiting
from executions.tests.engine_cast import decide, person, status

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    with mail_server() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", running.port, 5
        settings.COMBINE_BASE_URL = "https://combine.example.org"
        settings.DEFAULT_FROM_EMAIL = "The Combine <combine@example.org>"
        yield running


def text_of(server: MailServer, number: int = -1) -> str:
    return str(server.messages[number].get_content())


def test_who_may_decide_gets_one_message_with_a_link_that_decides_nothing(server: MailServer) -> None:
    User.objects.filter(pk=reachable("ed").pk).update(is_staff=True)
    gate = waiting()
    policies.act(at=gate.opened_at)
    policies.act(at=gate.opened_at)
    assert [postman.send_due(), postman.send_due()] == [1, 0]
    (message,) = server.messages
    assert (message["To"], message["From"]) == ("ed@example.org", "The Combine <combine@example.org>")
    assert message["Subject"] == "Waits for your decision: note, version 1"
    assert message["Auto-Submitted"] == "auto-generated"
    link = f"https://combine.example.org{reverse('admin:executions_gate_decide', args=(gate.pk,))}"
    text = text_of(server)
    assert link in text
    assert "project apollo" in text
    assert f"Due {gate.due_at:%Y-%m-%d %H:%M} UTC" in text
    assert "draft" not in text, "what the model wrote stays in the house"
    path = link.removeprefix("https://combine.example.org")
    client = Client()
    assert client.get(path).headers["Location"].startswith(reverse("admin:login"))
    client.force_login(User.objects.get(username="ed"))
    assert client.get(path).status_code == 200
    assert status(gate.execution) == "waiting_acceptance"


def test_all_that_is_due_for_a_person_is_in_one_message(server: MailServer) -> None:
    reachable("ed")
    gates = [waiting() for _ in range(3)]
    policies.act()
    assert postman.send_due() == 1
    assert server.messages[0]["Subject"] == "3 gates need you"
    assert len(re.findall(r"https://combine\.example\.org/executions/", text_of(server))) == len(gates)


def test_an_operator_without_the_desk_is_led_to_the_page_of_the_questions(server: MailServer) -> None:
    reachable("olga")
    gate = in_question()
    policies.act()
    postman.send_due()
    assert server.messages[0]["Subject"] == "Waits for your answers: questions about note"
    assert reverse("questions-page", args=(gate.execution_id, gate.pk)) in text_of(server)


def test_an_escalation_and_an_expiry_are_told_by_mail(server: MailServer) -> None:
    reachable("ed")
    reachable("boss", "head")
    escalated, ended = waiting(escalate_to=["head"]), waiting(on_timeout="fail", escalate_to=["head"])
    policies.act(at=escalated.opened_at)
    at = ended.opened_at + 11 * HOUR
    policies.act(at=at)
    postman.send_due(at=at)
    told = {str(message["To"]): str(message.get_content()) for message in server.messages}
    assert "Overdue, and you may decide now: note" in told["boss@example.org"]
    assert "Not decided in time, the run has failed: note" in told["boss@example.org"]
    assert "Overdue, still waits for you: note" in told["ed@example.org"]


def test_what_is_decided_or_hidden_or_unwanted_before_it_is_sent_is_not_sent(server: MailServer) -> None:
    reachable("ed")
    decided, hidden, unwanted = waiting(), waiting(), waiting()
    policies.act()
    decide("eva", decided, "accept")
    other = Project.objects.create(pk="secret", created_at=timezone.now())
    other.users.add(person("olga"))
    Execution.objects.filter(pk=hidden.execution_id).update(project=other)
    assert postman.send_due() == 1
    assert "waits for your decision" in text_of(server).lower()
    found = dict(GateNotice.objects.values_list("gate", "status"))
    assert found == {decided.pk: "cancelled", hidden.pk: "cancelled", unwanted.pk: "sent"}


def test_who_wants_no_mail_gets_none_also_of_what_was_to_be_sent(server: MailServer) -> None:
    ed = reachable("ed")
    waiting()
    policies.act()
    set_mail_wish(actor=ed, wish="off")
    assert postman.send_due() == 0
    waiting()
    policies.act()
    assert [row.status for row in GateNotice.objects.all()] == ["cancelled"]
    set_mail_wish(actor=ed, wish="at_once")
    waiting()
    policies.act()
    assert postman.send_due() == 1


def test_a_refused_message_is_tried_again_later_and_later_and_given_up_in_the_end(server: MailServer) -> None:
    reachable("ed")
    gate = waiting(due_in=None)
    policies.act()
    server.refusal = "451 try later"
    at = timezone.now()
    for delay in DELAYS:
        assert postman.send_due(at=at) == 0
        notice = GateNotice.objects.get(gate=gate)
        assert (notice.status, notice.next_attempt_at) == ("pending", at + delay)
        assert "try later" in notice.problem
        assert postman.send_due(at=at + delay / 2) == 0
        at += delay
    assert GateNotice.objects.get(gate=gate).tries == len(DELAYS)
    postman.send_due(at=at)
    assert GateNotice.objects.get(gate=gate).status == "failed"
    assert server.messages == []


def test_a_message_that_was_refused_is_sent_when_the_server_is_well_again(server: MailServer) -> None:
    reachable("ed")
    waiting()
    policies.act()
    server.refusal = "550 no"
    at = timezone.now()
    postman.send_due(at=at)
    server.refusal = ""
    assert postman.send_due(at=at + DELAYS[0]) == 1
    assert len(server.messages) == 1


def test_where_no_server_answers_nobody_waits_for_it(server: MailServer, settings: Settings) -> None:
    for name in ("ed", "eva", "ella"):
        reachable(name, "editor")
    waiting()
    policies.act()
    settings.EMAIL_PORT = 1
    assert postman.send_due() == 0
    tries = GateNotice.objects.order_by("user").values_list("tries", flat=True)
    assert sorted(tries) == [0, 0, 1], "the first refusal ends the round"


def test_what_a_dead_worker_was_sending_is_not_sent_again(server: MailServer) -> None:
    reachable("ed")
    gate = waiting()
    policies.act()
    at = timezone.now()
    assert notices.claim(at=at) is not None
    assert notices.claim(at=at) is None
    assert postman.send_due(at=at + LEASE + timedelta(seconds=1)) == 0
    notice = GateNotice.objects.get(gate=gate)
    assert (notice.status, "may have arrived" in notice.problem) == ("failed", True)


def test_names_in_a_definition_cannot_add_lines_to_a_message(server: MailServer) -> None:
    reachable("ed")
    gate = waiting()
    Gate.objects.filter(pk=gate.pk).update(document_type="note\r\nBcc: all@example.org")
    policies.act()
    assert postman.send_due() == 1
    assert server.messages[0]["Bcc"] is None
    assert server.messages[0]["Subject"].count("\n") == 0


def test_old_notices_are_forgotten(server: MailServer) -> None:
    reachable("ed")
    waiting()
    policies.act()
    postman.send_due()
    now = timezone.now()
    assert notices.forget_old(at=now + timedelta(days=29)) == 0
    assert notices.forget_old(at=now + timedelta(days=31)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_both_by_itself(server: MailServer) -> None:
    reachable("ed")
    gate = waiting()
    asyncio.run(_work_until_mail_comes(server))
    assert str(gate.execution_id) in text_of(server)


async def _work_until_mail_comes(server: MailServer) -> None:
    duties = Duties()
    watch = asyncio.create_task(duties.watch(policy_every=0.05, mail_every=0.05))
    try:
        async with asyncio.timeout(20):
            while not server.messages:  # noqa: ASYNC110 - it is filled by a thread
                await asyncio.sleep(0.05)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await asyncio.to_thread(duties.close, wait=True)


def test_people_choose_on_their_own_page() -> None:
    user = reachable("ed")
    client = Client()
    client.force_login(user)
    url = reverse("account-page")
    page = client.get(url).content.decode()
    assert "Sent to ed@example.org" in page
    assert client.post(url, {"act": "mail", "mail": "off"}).status_code == 302
    assert NoticePreference.objects.get(user=user).mail == MailWish.OFF
    assert '<option value="off" selected>' in client.get(url).content.decode()
    client.post(url, {"act": "mail", "mail": "sometimes"})
    assert NoticePreference.objects.get(user=user).mail == MailWish.OFF


def test_administrators_choose_for_anybody_beside_the_account() -> None:
    root = person("root")
    User.objects.filter(pk=root.pk).update(is_staff=True)
    ed = reachable("ed")
    client = Client()
    client.force_login(root)
    page = client.get(reverse("admin:auth_user_change", args=(ed.pk,)))
    assert page.status_code == 200
    assert "notice_preference-0-mail" in page.content.decode()
