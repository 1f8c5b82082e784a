"""Accepting several documents at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from documents.models import Document
from executions.models import Decision, Gate, Project
from executions.tests.admin.desk import at_desk, gate_url, in_question, in_review
from executions.tests.engine_cast import decide, open_gate, person, status
from executions.tests.pretend_worker import drive

pytestmark = pytest.mark.django_db
BULK = "/admin/executions/gate/accept-several/"


def asked(client: Client, *gates: Gate) -> Any:
    return client.get(BULK, {"gate": [str(gate.pk) for gate in gates]})


def confirmed(*gates: Gate, **more: str) -> dict[str, Any]:
    """Return what the page that lists ``gates`` sends."""
    sent: dict[str, Any] = {"gate": [str(gate.pk) for gate in gates], "confirmed": "1", **more}
    for gate in gates:
        sent |= {f"document-{gate.pk}": str(gate.document_id), f"sha256-{gate.pk}": gate.content_sha256}
    return sent


def test_of_twenty_with_three_stale_seventeen_are_accepted_and_three_are_named_with_why_and_where() -> None:
    gates = [in_review() for _ in range(20)]
    client = at_desk("ed")
    page = asked(client, *gates)
    assert "Accept 20 documents?" in page.content.decode()
    sent = confirmed(*gates)
    reworked, decided, forged = gates[0], gates[7], gates[13]
    decide("eva", reworked, "request_changes", "Say who it is for.")
    drive(reworked.execution)
    decide("eva", decided, "accept")
    sent[f"sha256-{forged.pk}"] = "0" * 64
    result = client.post(BULK, sent)
    page = result.content.decode()
    assert result.status_code == 200
    assert "17 of 20 accepted" in page
    assert [each.gate for each in result.context["failed"]] == [reworked, decided, forged]
    assert "eva was faster: request changes" in page
    assert "eva was faster: accept" in page
    assert "has changed since you were shown it" in page
    newer = open_gate(reworked.execution)
    assert f'href="{gate_url(newer)}">Version {newer.document_version} waits here' in page
    assert gate_url(forged) in page
    assert Decision.objects.filter(by="ed", decision="accept").count() == 17
    assert status(forged.execution) == "waiting_acceptance"


def test_the_page_lists_each_with_what_it_is_and_decides_nothing() -> None:
    gate = in_review(content={"title": "<i>Plan</i>", "text": "x"}, quorum=2)
    client = at_desk("ed")
    page = asked(client, gate).content.decode()
    assert "&lt;i&gt;Plan&lt;/i&gt;" in page
    assert "Counts as 1 of 2 acceptances" in page
    assert gate.content_sha256[:12] in page
    assert not Decision.objects.exists()
    # Without the button of that page nothing is decided by a POST either.
    sent = confirmed(gate)
    del sent["confirmed"]
    client.post(BULK, sent)
    assert not Decision.objects.exists()


def test_what_the_person_may_not_accept_is_left_out_and_says_why() -> None:
    mine, others, own = in_review(), in_review("owner"), in_review(quorum=2)
    decide("ed", own, "accept")
    page = asked(at_desk("ed"), mine, others, own).content.decode()
    assert "Accept 1 document?" in page
    assert "2 cannot be accepted by you now" in page
    assert "you need one of the roles: owner" in page
    assert "You have decided: accept." in page


def test_what_is_sent_all_the_same_is_refused_item_by_item() -> None:
    mine, others, unnamed = in_review(), in_review("owner"), in_review()
    sent = confirmed(mine, others, unnamed)
    del sent[f"document-{unnamed.pk}"]
    page = at_desk("ed").post(BULK, sent).content.decode()
    assert "1 of 3 accepted" in page
    assert "you need one of the roles: owner" in page
    assert "did not say which version it showed" in page
    assert Decision.objects.count() == 1


def test_what_may_not_be_seen_questions_and_nonsense_are_as_if_they_were_not_there() -> None:
    hidden = in_review()
    Project.objects.get().users.add(person("olga"))
    client = at_desk("ed")
    assert "Nothing was chosen" in asked(client, hidden).content.decode()
    assert "Nothing was chosen" in client.get(BULK, {"gate": ["x", "\x00"]}).content.decode()
    assert "Nothing was chosen" in client.post(BULK, confirmed(hidden)).content.decode()
    assert "Nothing was chosen" in asked(at_desk("olga"), in_question()).content.decode()
    assert not Decision.objects.exists()


def test_a_comment_goes_with_each_and_one_that_is_too_long_loses_nothing() -> None:
    gates = [in_review(), in_review()]
    client = at_desk("ed")
    page = client.post(BULK, confirmed(*gates, comment="y" * 10_001)).content.decode()
    assert "at most 10,000 characters" in page
    assert "y" * 10_001 in page
    client.post(BULK, confirmed(*gates, comment="Well done."))
    assert list(Decision.objects.values_list("comment", flat=True)) == ["Well done."] * 2
    assert Document.objects.filter(status="accepted").count() == 2


def test_sent_twice_it_says_what_happened_already() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = confirmed(gate)
    client.post(BULK, sent)
    assert "0 of 1 accepted" in client.post(BULK, sent).content.decode()
    assert Decision.objects.count() == 1
