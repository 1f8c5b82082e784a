"""The inbox: its tabs, its order, its filters, who is at what, and handing on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.admin.waiting import place_of
from executions.models import Gate, GateAssignment, GateClaim, LLMCall, Project
from executions.services.claims import claim
from executions.tests.admin.desk import FormReader, at_desk, gate_url, in_question, in_review
from executions.tests.engine_cast import decide, person

pytestmark = pytest.mark.django_db
INBOX = "/admin/executions/gate/inbox/"


def keys(client: Client, **query: Any) -> list[Any]:
    """Return the gates that a tab shows, in order."""
    return [row.gate.pk for row in client.get(INBOX, query).context["rows"]]


def due(gate: Gate, **delta: float) -> Gate:
    Gate.objects.filter(pk=gate.pk).update(due_at=timezone.now() + timedelta(**delta))
    return gate


def act(client: Client, gate: Gate, name: str, **keys: Any) -> Any:
    url = reverse("admin:executions_gate_claim", args=(gate.pk,))
    return client.post(url, {"act": name, "next": INBOX}, **keys)


def test_what_is_overdue_comes_first_then_what_is_due_then_what_is_old() -> None:
    old, new = in_review(), in_review()
    soon, late = due(in_review(), hours=1), due(in_review(), hours=-1)
    assert keys(at_desk("ed")) == [late.pk, soon.pk, old.pk, new.pk]


def test_the_tabs_hold_mine_all_and_decided() -> None:
    review, question, decided = in_review(), in_question(), in_review()
    decide("ed", decided, "accept")
    client = at_desk("ed")
    assert keys(client) == [review.pk]
    assert keys(client, tab="all") == [review.pk, question.pk]
    assert keys(client, tab="decided") == [decided.pk]
    page = client.get(INBOX, {"tab": "decided"}).content.decode()
    assert 'Mine <span class="inbox-count">1</span>' in page
    assert 'All open <span class="inbox-count">2</span>' in page
    assert "badge-good" in page
    assert keys(client, tab="nonsense") == [review.pk]


def test_filters_narrow_every_tab_and_wrong_ones_find_nothing() -> None:
    review, question = in_review(), in_question()
    client = at_desk("ed", "editor", "operator")
    assert keys(client, kind="clarification") == [question.pk]
    assert keys(client, role="editor") == [review.pk]
    assert keys(client, project="apollo", workflow="test") == [review.pk, question.pk]
    assert keys(client, project="elsewhere") == keys(client, role="a\x00b") == []
    page = client.get(INBOX, {"project": "elsewhere"}).content.decode()
    assert "Nothing fits these filters." in page


def test_what_may_not_be_seen_is_in_no_tab_no_count_and_no_filter() -> None:
    in_review()
    Project.objects.get().users.add(person("olga"))
    page = at_desk("ed").get(INBOX, {"tab": "all"}).content.decode()
    assert "apollo" not in page
    assert 'All open <span class="inbox-count">0</span>' in page
    assert '<option value="editor">' not in page
    assert "Nothing waits for you." in at_desk("nobody").get(INBOX).content.decode()


def test_a_row_says_what_it_cost_who_is_at_it_and_to_whom_it_was_handed() -> None:
    gate = in_review(quorum=2)
    LLMCall.objects.update(cost_usd="0.25")
    client, eva = at_desk("ed"), at_desk("eva")
    eva.post(reverse("admin:executions_gate_assign", args=(gate.pk,)), {"username": "ed", "note": "<b>Please</b>"})
    act(eva, gate, "claim")
    page = client.get(INBOX).content.decode()
    assert "$0.25" in page
    assert "no findings" in page
    assert "eva, for" in page
    assert "handed to <strong>you</strong> by eva" in page
    assert "&lt;b&gt;Please" in page
    assert "0 of 2 have accepted" in page


def test_claim_take_over_and_give_up_are_buttons_that_lead_back() -> None:
    gate = in_review()
    client, eva = at_desk("ed"), at_desk("eva")
    response = act(client, gate, "claim")
    assert (response.status_code, response["Location"]) == (302, INBOX)
    assert "Claimed by ed already" in eva.get(act(eva, gate, "claim")["Location"]).content.decode()
    assert GateClaim.objects.get().by == "ed"
    assert "Take it over" in eva.get(gate_url(gate)).content.decode()
    act(eva, gate, "take_over")
    assert GateClaim.objects.get().by == "eva"
    act(eva, gate, "release")
    assert not GateClaim.objects.exists()


def test_a_claim_leads_nowhere_else_and_is_no_way_round_the_roles() -> None:
    gate = in_review()
    url = reverse("admin:executions_gate_claim", args=(gate.pk,))
    away = at_desk("ed").post(url, {"act": "claim", "next": "https://elsewhere.example/"})
    assert away["Location"] == gate_url(gate)
    vic = at_desk("vic")
    assert "you need one of the roles: editor" in vic.get(act(vic, gate, "claim")["Location"]).content.decode()
    assert act(vic, gate, "claim", headers={"Accept": "application/json"}).status_code == 403
    assert vic.get(url).status_code == 405
    Project.objects.get().users.add(person("olga"))
    assert act(vic, gate, "claim").status_code == 404


def test_a_script_renews_a_claim_and_hears_when_it_is_lost() -> None:
    gate, json = in_review(), {"Accept": "application/json"}
    client = at_desk("ed")
    assert act(client, gate, "claim", headers=json).json()["is_mine"] is True
    claim(actor=person("eva"), gate=gate, at=timezone.now(), takes_over=True)
    assert act(client, gate, "claim", headers=json).json() | {"expires_at": ""} == {
        "by": "eva", "is_mine": False, "expires_at": "",
    }  # fmt: skip
    decide("eva", gate, "accept")
    assert act(client, gate, "claim", headers=json).status_code == 409


def test_a_gate_is_handed_on_by_a_form_that_names_what_is_wrong_and_loses_nothing() -> None:
    gate, client = in_review(), at_desk("ed")
    person("vic")
    person("eva")
    url = reverse("admin:executions_gate_assign", args=(gate.pk,))
    assert '<option value="eva">' in client.get(url).content.decode()
    page = client.post(url, {"username": "vic", "note": "Look at it"}).content.decode()
    assert "Vic may not decide here" in page
    assert "Look at it</textarea>" in page
    response = client.post(url, {"username": "eva", "note": "Look at it"})
    assert response["Location"] == gate_url(gate)
    assert "Look at it" in client.get(gate_url(gate)).content.decode()
    vic = at_desk("vic")
    assert vic.post(url, {"username": "ed"}).status_code == 403
    decide("ed", gate, "accept")
    assert client.post(url, {"username": "eva"}).status_code == 409
    assert GateAssignment.objects.count() == 1


def test_pages_are_gone_through_without_losing_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executions.admin.inbox.PAGE_SIZE", 2)
    gates = [due(in_review(), hours=-1), in_review(), in_review()]
    client = at_desk("ed")
    first = client.get(INBOX)
    assert [row.gate.pk for row in first.context["rows"]] == [gates[0].pk, gates[1].pk]
    second = client.get(INBOX + first.context["page"].next_url)
    assert [row.gate.pk for row in second.context["rows"]] == [gates[2].pk]
    assert second.context["page"].previous_url
    assert client.get(INBOX, {"cursor": "nonsense"}).status_code == 200


def test_the_inbox_takes_the_same_number_of_statements_however_much_waits() -> None:
    client = at_desk("ed")
    decide("ed", in_review(), "accept")
    in_review()
    counted = {}
    for tab in ("mine", "all", "decided"):
        with CaptureQueriesContext(connection) as few:
            client.get(INBOX, {"tab": tab})
        counted[tab] = len(few)
    for _ in range(6):
        gate = in_review()
        act(client, gate, "claim")
        in_question()
        decide("ed", in_review(), "accept")
    for tab, count in counted.items():
        with CaptureQueriesContext(connection) as many:
            client.get(INBOX, {"tab": tab})
        assert len(many) == count <= 24, tab


def test_the_place_in_the_queue_says_what_comes_before_and_after() -> None:
    first, second, third = due(in_review(), hours=-1), in_review(), in_review()
    ed = person("ed")
    for gate in (first, second, third):
        gate.refresh_from_db()
    place = place_of(ed, second)
    assert (place.number, place.total, place.previous, place.next) == (2, 3, first.pk, third.pk)
    assert place_of(ed, third).next == first.pk
    decide("ed", second, "accept")
    second.refresh_from_db()
    assert (place_of(ed, second).number, place_of(ed, second).total, place_of(ed, second).next) == (0, 2, third.pk)
    decide("ed", third, "accept")
    decide("ed", first, "accept")
    assert place_of(ed, first).next is None


def test_the_forms_of_the_inbox_are_apart_from_each_other() -> None:
    gate, client = in_review(), at_desk("ed")
    page = client.get(INBOX).content
    assert FormReader(page, "bulk").names == []
    assert f'name="gate" value="{gate.pk}" form="bulk"' in page.decode()


def test_all_of_a_page_are_chosen_by_a_link() -> None:
    in_review()
    in_review()
    client = at_desk("ed")
    assert client.get(INBOX).content.decode().count(" checked ") == 0
    page = client.get(INBOX + client.get(INBOX, {"kind": "acceptance"}).context["choose_url"])
    assert page.content.decode().count(" checked ") == 2
    assert page.context["choose_url"] == "?kind=acceptance"
