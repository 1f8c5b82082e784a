"""Deputies: who names them, what they may decide, and that nobody has two votes by them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.exceptions import Conflict, Invalid, InvalidState, NotFound, NotPermitted
from executions.models import Decision, Deputy, Gate, GateNotice
from executions.services import policies
from executions.services.access import gates_waiting_for, may_decide, refusal, rights_of, voice
from executions.services.deputies import end_deputy, name_deputy
from executions.tests.admin.desk import QUESTIONS, in_question, in_review, staff
from executions.tests.desk.test_policies import reachable
from executions.tests.engine_cast import answer, decide, open_gate, person, start, status
from executions.tests.engine_definitions import reviewed
from executions.tests.pretend_worker import drive

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("promises_kept")]

DAY = timedelta(days=1)


def today() -> date:
    return timezone.now().date()


def away(name: str, deputy: str, **keys: Any) -> Deputy:
    """Have ``deputy`` decide for ``name`` since yesterday and until tomorrow, if nothing else is said."""
    staff(deputy)
    row = {"first_day": today() - DAY, "last_day": today() + DAY} | keys
    return name_deputy(actor=person(name), absent=person(name), deputy=deputy, at=timezone.now(), **row)


def waits(name: str, gate: Gate) -> bool:
    """Whether a gate waits for a person: both forms of the rule say the same."""
    user = person(name)
    found = gates_waiting_for(Gate.objects.filter(pk=gate.pk), user).exists()
    seen = Gate.objects.select_related("execution").get(pk=gate.pk)
    assert found is (voice(user, seen, seen.decisions.all()) is not None)
    return found


def test_a_deputy_decides_what_the_absent_one_may_and_it_is_recorded_for_whom() -> None:
    gate = in_review()
    assert not waits("vic", gate)
    away("ed", "vic")
    assert waits("vic", gate)
    decision = decide("vic", gate, "accept")
    assert (decision.user, decision.by, decision.on_behalf_of) == (person("vic"), "vic", person("ed"))
    assert status(gate.execution) == "running"


@pytest.mark.parametrize(("first", "last"), [(1, 2), (0, 0)], ids=["later", "today"])
def test_a_deputy_decides_on_the_days_that_were_said_and_on_no_others(first: int, last: int) -> None:
    gate = in_review()
    row = away("ed", "vic", first_day=today() + first * DAY, last_day=today() + last * DAY)
    assert waits("vic", gate) is (first == 0)
    Deputy.objects.filter(pk=row.pk).update(first_day=today() - 9 * DAY, last_day=today() - DAY)
    assert not waits("vic", gate)
    with pytest.raises(NotPermitted, match="editor"):
        decide("vic", gate, "accept")


def test_after_its_end_a_deputy_decides_nothing_more() -> None:
    gate = in_review()
    row = away("ed", "vic")
    end_deputy(actor=person("ed"), deputy_id=row.pk, at=timezone.now())
    assert not waits("vic", gate)
    with pytest.raises(InvalidState, match="over already"):
        end_deputy(actor=person("ed"), deputy_id=row.pk, at=timezone.now())
    with pytest.raises(NotFound):
        end_deputy(actor=person("eva"), deputy_id=row.pk, at=timezone.now())


def test_the_rights_of_an_account_that_was_closed_end_for_its_deputy() -> None:
    gate = in_review()
    away("ed", "vic")
    User.objects.filter(username="ed").update(is_active=False)
    assert not waits("vic", gate)


def test_there_are_no_chains() -> None:
    gate = in_review()
    away("ed", "vic")
    away("vic", "nobody")
    assert [waits(name, gate) for name in ("vic", "nobody")] == [True, False]
    assert len(rights_of(person("nobody"))) == 2


def test_four_eyes_are_asked_of_both() -> None:
    person("ed", "editor", "operator")
    by_ed, by_olga = start(reviewed(four_eyes=True), by="ed"), start(reviewed(four_eyes=True))
    for execution in (by_ed, by_olga):
        drive(execution)
    away("ed", "vic")
    assert not waits("vic", open_gate(by_ed)), "ed started it"
    assert waits("vic", open_gate(by_olga))
    away("eva", "olga")
    assert not waits("olga", open_gate(by_olga)), "olga started it"
    assert "Four eyes" in (refusal(person("ed"), open_gate(by_ed)) or "")
    with pytest.raises(NotPermitted):
        decide("olga", open_gate(by_olga), "accept")


def test_nobody_has_two_votes_by_a_deputy() -> None:
    gate = in_review(quorum=3)
    away("ed", "vic")
    decide("vic", gate, "accept")
    assert not waits("ed", gate)
    with pytest.raises(Conflict, match="vic has voted here as your deputy"):
        decide("ed", gate, "accept")
    with pytest.raises(Conflict, match="already voted"):
        decide("vic", gate, "accept")
    away("eva", "olga")
    decide("eva", gate, "accept")
    assert not waits("olga", gate)
    with pytest.raises(Conflict, match="Whoever you are the deputy of has voted"):
        decide("olga", gate, "accept")
    assert Decision.objects.filter(gate=gate).count() == 2
    assert status(gate.execution) == "waiting_acceptance"


def test_who_has_the_right_themselves_decides_for_themselves_and_the_other_still_can() -> None:
    gate = in_review(quorum=2)
    away("ed", "eva")
    assert decide("eva", gate, "accept").on_behalf_of is None
    assert decide("ed", gate, "accept").on_behalf_of is None
    assert status(gate.execution) == "running"


def test_a_deputy_answers_questions_too() -> None:
    gate = in_question(QUESTIONS[0])
    away("olga", "vic")
    assert waits("vic", gate)
    decision = answer("vic", gate, {"COLOUR": "red"})
    assert decision.on_behalf_of == person("olga")


def test_a_deputy_is_told_of_what_waits() -> None:
    person("vic")
    away("ed", "vic")
    reachable("vic")
    gate = in_review()
    policies.act(at=gate.opened_at)
    assert [row.user.username for row in GateNotice.objects.filter(gate=gate)] == ["vic"]


def test_people_name_a_deputy_for_themselves_and_administrators_for_anybody() -> None:
    staff("vic")
    days: dict[str, Any] = {"first_day": today(), "last_day": today() + DAY, "at": timezone.now()}
    with pytest.raises(NotPermitted, match="for others an administrator"):
        name_deputy(actor=person("eva"), absent=person("ed"), deputy="vic", **days)
    row = name_deputy(actor=person("root"), absent=person("ed"), deputy="vic", **days)
    assert (row.named_by, may_decide(person("vic"), in_review())) == (person("root"), True)
    with pytest.raises(Conflict, match="vic is the deputy from"):
        name_deputy(actor=person("ed"), absent=person("ed"), deputy="vic", **days)
    later: dict[str, Any] = {"first_day": today() + 2 * DAY, "last_day": today() + 3 * DAY, "at": timezone.now()}
    name_deputy(actor=person("ed"), absent=person("ed"), deputy="vic", **later)


@pytest.mark.parametrize(
    ("deputy", "first", "last", "path"),
    [
        ("whoever", 0, 1, "/deputy"),
        ("ed", 0, 1, "/deputy"),
        ("eva", 0, 1, "/deputy"),
        ("vic", 2, 1, "/last_day"),
        ("vic", -5, -1, "/last_day"),
        ("vic", 0, 400, "/last_day"),
    ],
    ids=["unknown", "oneself", "without_access", "in_disorder", "over", "too_long"],
)
def test_what_is_wrong_is_named(deputy: str, first: int, last: int, path: str) -> None:
    staff("vic")
    person("eva")
    days = {"first_day": today() + first * DAY, "last_day": today() + last * DAY}
    with pytest.raises(Invalid) as refused:
        name_deputy(actor=person("ed"), absent=person("ed"), deputy=deputy, at=timezone.now(), **days)
    assert [error.path for error in refused.value.errors] == [path]


def test_rights_are_one_statement_with_and_without_absent_people() -> None:
    away("ed", "vic")
    away("eva", "vic")
    with CaptureQueriesContext(connection) as asked:
        assert len(rights_of(User.objects.get(username="vic"))) == 3
    assert len(asked) == 2, "the account, and its rights"


def test_administrators_name_and_end_deputies_at_the_desk() -> None:
    staff("vic")
    person("ed")
    client, add = Client(), reverse("admin:executions_deputy_add")
    client.force_login(staff("root"))
    typed = {"absent_name": "ed", "deputy_name": "vic", "first_day": f"{today()}", "last_day": f"{today()}"}
    assert "There is no account of this name." in client.post(add, typed | {"absent_name": "who"}).content.decode()
    assert "A deputy is somebody else." in client.post(add, typed | {"deputy_name": "ed"}).content.decode()
    assert client.post(add, typed).status_code == 302
    row = Deputy.objects.get()
    assert (row.absent.username, row.deputy.username, row.named_by) == ("ed", "vic", person("root"))
    assert "already" in client.post(add, typed).content.decode()
    url = reverse("admin:executions_deputy_changelist")
    assert client.get(reverse("admin:executions_deputy_change", args=(row.pk,))).status_code == 200
    ended = client.post(url, {"action": "end_selected", "_selected_action": str(row.pk)}, follow=True)
    assert "ended." in ended.content.decode()
    row.refresh_from_db()
    assert row.ended_at is not None
    client.force_login(staff("eva"))
    assert client.get(add).status_code == 403
    assert client.get(reverse("admin:executions_deputy_change", args=(row.pk,))).status_code == 404


def test_the_gates_page_says_for_whom_a_deputy_decides() -> None:
    gate = in_review(quorum=2)
    away("ed", "vic")
    client = Client()
    client.force_login(User.objects.get(username="vic"))
    url = reverse("admin:executions_gate_decide", args=(gate.pk,))
    assert "You decide for ed, as their deputy." in client.get(url).content.decode()
    decide("vic", gate, "accept")
    assert "vic for ed" in client.get(url).content.decode()
    client.force_login(staff("ed"))
    assert "A deputy has voted here for you" in client.get(url).content.decode()


def test_the_own_page_names_and_ends_deputies() -> None:
    staff("vic")
    client, url = Client(), reverse("account-page")
    client.force_login(person("ed"))
    days = {"act": "name", "deputy": "vic", "first_day": f"{today()}", "last_day": f"{today() + DAY}"}
    wrong = client.post(url, days | {"deputy": "whoever"})
    assert wrong.status_code == 422
    assert "There is no active account so called." in wrong.content.decode()
    assert client.post(url, days).status_code == 302
    page = client.get(url).content.decode()
    assert "<strong>vic</strong> decides for you" in page
    again = client.post(url, days)
    assert (again.status_code, "is the deputy from" in again.content.decode()) == (422, True)
    row = Deputy.objects.get()
    assert client.post(url, {"act": "end", "deputy_id": "99999"}).status_code == 404
    assert client.post(url, {"act": "end", "deputy_id": "x"}).status_code == 404
    assert client.post(url, {"act": "end", "deputy_id": str(row.pk)}).status_code == 302
    row.refresh_from_db()
    assert row.ended_at is not None
    stranger = Client()
    stranger.force_login(person("eva"))
    assert stranger.post(url, {"act": "end", "deputy_id": str(row.pk)}).status_code == 404
