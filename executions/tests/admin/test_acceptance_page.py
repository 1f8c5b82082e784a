"""The page on which a document is decided on."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from documents.models import Document
from executions.models import Decision, Execution, Gate
from executions.services.executions import cancel_execution
from executions.tests.admin.desk import FormReader, at_desk, filled, gate_url, in_review, read_form, shown_at, staff
from executions.tests.engine_cast import decide, open_gate, person, status
from executions.tests.pretend_worker import PretendWorker, Scripted, document, drive, prompt

pytestmark = pytest.mark.django_db


def decisions(gate: Gate) -> list[tuple[str, str, str]]:
    return list(Decision.objects.filter(gate=gate).values_list("by", "decision", "channel"))


def test_accept_records_the_decision_and_the_run_goes_on() -> None:
    gate, client = in_review(), at_desk("ed")
    response = client.post(gate_url(gate), filled(client, gate, "accept"), follow=True)
    assert response.redirect_chain == [("/admin/", 302)]
    assert "Recorded: accept, note v1 (apollo)." in response.content.decode()
    assert decisions(gate) == [("ed", "accept", "admin")]
    assert shown_at(gate).status == "accepted"


def test_request_changes_sends_reason_and_places_to_the_model() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = filled(client, gate, "request_changes", "Say more about the harbour.")
    sent |= {"places-0-path": "/title", "places-0-text": "Too\r\nshort", "places-2-text": "And longer"}
    assert client.post(gate_url(gate), sent).status_code == 302
    decision = Decision.objects.get(gate=gate)
    assert decision.comment == "Say more about the harbour."
    assert decision.comments == [{"path": "/title", "text": "Too\nshort"}, {"path": "", "text": "And longer"}]
    (claim,) = PretendWorker().claim(gate.execution)
    assert "Say more about the harbour." in prompt(claim)
    assert "/title" in prompt(claim)


def test_reject_fails_the_run() -> None:
    gate, client = in_review(), at_desk("ed")
    assert client.post(gate_url(gate), filled(client, gate, "reject", "Another company.")).status_code == 302
    assert status(gate.execution) == "failed"


@pytest.mark.parametrize("decision", ["request_changes", "reject"])
def test_sending_back_needs_a_reason_of_ten_characters(decision: str) -> None:
    gate, client = in_review(), at_desk("ed")
    response = client.post(gate_url(gate), filled(client, gate, decision, "too short"))
    page = response.content.decode()
    assert response.status_code == 200
    assert 'role="alert"' in page
    assert '<a href="#id_comment">' in page
    assert ">\ntoo short</textarea>" in page
    assert decisions(gate) == []


def test_a_comment_on_a_place_can_stand_for_the_reason_of_request_changes_but_not_of_reject() -> None:
    gate, client = in_review(), at_desk("ed")
    place = {"places-0-path": "/title", "places-0-text": "Shorter"}
    assert client.post(gate_url(gate), filled(client, gate, "reject", **place)).status_code == 200
    assert client.post(gate_url(gate), filled(client, gate, "request_changes", **place)).status_code == 302


def test_a_place_that_is_not_in_the_document_is_named_and_nothing_typed_is_lost() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = filled(client, gate, "request_changes", "Say more about it.")
    response = client.post(gate_url(gate), sent | {"places-1-path": "/goals/9", "places-1-text": "Why?"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "This document has no such place." in page
    assert 'value="/goals/9"' in page
    assert ">\nWhy?</textarea>" in page
    assert '<details class="desk-places" open>' in page
    assert decisions(gate) == []


def test_more_rows_for_places_come_without_a_script_and_without_a_decision() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = read_form(client, gate_url(gate)).values | {"more_rows": "1", "comment": "half", "places-0-text": "kept"}
    response = client.post(gate_url(gate), sent)
    form = response.context["forms"]
    assert (response.status_code, len(form.places.forms)) == (200, 6)
    assert ">\nhalf</textarea>" in response.content.decode()
    assert ">\nkept</textarea>" in response.content.decode()
    assert 'role="alert"' not in response.content.decode()
    assert decisions(gate) == []


def test_the_first_button_of_the_form_decides_nothing() -> None:
    """The Enter key in an input presses the first submit button of a form."""
    gate = in_review()
    form = read_form(at_desk("ed"), gate_url(gate))
    assert form.buttons == [
        ("more_rows", "1"), ("keep_draft", "1"),
        ("decision", "accept"), ("decision", "request_changes"), ("decision", "reject"),
    ]  # fmt: skip


def test_each_button_says_what_happens_next() -> None:
    page = at_desk("ed").get(gate_url(in_review(max_rework_rounds=4))).content.decode()
    assert "Version 1 is taken exactly as it is shown, and the run goes on with it." in page
    assert "a new version comes back to be decided on (round 1 of 4)." in page
    assert "The run fails. What is finished stays; an operator can retry the run" in page


def test_request_changes_is_off_when_the_rounds_are_used_up() -> None:
    gate = in_review(max_rework_rounds=1)
    decide("ed", gate, "request_changes", "Longer, please.")
    drive(gate.execution)
    page = at_desk("ed").get(gate_url(open_gate(gate.execution))).content.decode()
    assert "It was sent back 1 times, as often as is allowed." in page
    assert 'aria-describedby="effect-request_changes" disabled>' in page


def test_the_second_reviewer_gets_409_with_the_winner_and_keeps_the_text() -> None:
    gate, ed, eva = in_review(), at_desk("ed"), at_desk("eva")
    late = filled(eva, gate, "reject", "Not what was asked for.")
    late |= {"places-0-path": "/title", "places-0-text": "Misleading"}
    ed.post(gate_url(gate), filled(ed, gate, "accept"))
    response = eva.post(gate_url(gate), late)
    page = response.content.decode()
    assert response.status_code == 409
    assert "This gate was decided already: ed chose accept" in page
    assert ">Not what was asked for.</textarea>" in page
    assert ">Misleading</textarea>" in page
    assert decisions(gate) == [("ed", "accept", "admin")]


def test_a_late_decision_after_changes_leads_to_the_new_version() -> None:
    gate, ed, eva = in_review(), at_desk("ed"), at_desk("eva")
    late = filled(eva, gate, "accept")
    ed.post(gate_url(gate), filled(ed, gate, "request_changes", "Say more about it."))
    drive(gate.execution, Scripted(note=document(title="Second", text="better")))
    response = eva.post(gate_url(gate), late)
    assert response.status_code == 409
    assert f'<a href="{gate_url(open_gate(gate.execution))}">Version 2 waits here</a>' in response.content.decode()
    assert Document.objects.filter(status="accepted").count() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content_sha256", "0" * 64),
        ("content_sha256", ""),
        ("content_sha256", "x\x00"),
        ("document_id", "00000000-0000-4000-8000-000000000000"),
        ("document_id", "elsewhere"),
        ("document_id", ""),
    ],
)
def test_a_decision_on_something_that_was_not_shown_is_refused(field: str, value: str) -> None:
    gate, client = in_review(), at_desk("ed")
    response = client.post(gate_url(gate), filled(client, gate, "accept", "Looks good to me.") | {field: value})
    assert response.status_code == 409
    assert "Looks good to me." in response.content.decode()
    assert decisions(gate) == []
    again = FormReader(response.content, "decide_form").values | {"decision": "accept"}
    assert client.post(gate_url(gate), again).status_code == 302


def test_without_the_role_the_page_says_why_there_are_no_buttons_and_a_post_is_refused() -> None:
    gate, vic = in_review(), at_desk("vic")
    page = vic.get(gate_url(gate)).content.decode()
    assert "To decide on this note you need one of the roles: editor." in page
    assert 'id="decide_form"' not in page
    shown = shown_at(gate)
    sent = {"decision": "accept", "document_id": str(shown.pk), "content_sha256": shown.content_sha256}
    response = vic.post(gate_url(gate), sent | {"places-TOTAL_FORMS": "0", "places-INITIAL_FORMS": "0"})
    assert response.status_code == 403
    assert decisions(gate) == []


def test_administrators_do_not_get_round_the_roles() -> None:
    gate, root = in_review(), at_desk("root")
    assert "you need one of the roles: editor" in root.get(gate_url(gate)).content.decode()
    assert root.post(gate_url(gate), {"decision": "accept"}).status_code == 403


def test_four_eyes_keep_the_starter_from_deciding() -> None:
    gate, olga = in_review("operator", four_eyes=True), at_desk("olga")
    assert "Four eyes: whoever started the run" in olga.get(gate_url(gate)).content.decode()
    assert olga.post(gate_url(gate), {"decision": "accept"}).status_code == 403


def test_a_quorum_counts_votes_and_takes_one_from_each() -> None:
    gate, ed, eva = in_review(quorum=2), at_desk("ed"), at_desk("eva")
    assert "Counts as 1 of 2 acceptances; 1 more will be needed." in ed.get(gate_url(gate)).content.decode()
    again = filled(ed, gate, "accept")
    assert ed.post(gate_url(gate), again).status_code == 302
    assert "You have decided: accept. It needs 1 more." in ed.get(gate_url(gate)).content.decode()
    response = ed.post(gate_url(gate), again)
    assert response.status_code == 409
    assert "You have already voted" in response.content.decode()
    assert eva.post(gate_url(gate), filled(eva, gate, "accept")).status_code == 302
    assert shown_at(gate).status == "accepted"


def test_nothing_is_decided_in_a_run_that_was_cancelled_meanwhile() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = filled(client, gate, "reject", "Not what was asked for.")
    cancel_execution(actor=person("olga"), execution_id=gate.execution_id, reason="")
    response = client.post(gate_url(gate), sent)
    assert response.status_code == 409
    assert "Not what was asked for." in response.content.decode()
    assert status(gate.execution) == "cancelled"


def test_the_history_shows_who_said_what_of_which_version() -> None:
    gate = in_review()
    decide("ed", gate, "request_changes", "Say <b>more</b>.", comments=[{"path": "/title", "text": "Longer"}])
    drive(gate.execution)
    page = at_desk("eva").get(gate_url(open_gate(gate.execution))).content.decode()
    assert "Say &lt;b&gt;more&lt;/b&gt;." in page
    assert "Longer" in page
    assert ">v1</a>" in page


@pytest.mark.parametrize("comment", ["x" * 900_000, "a\x00b is not allowed here", ""])
def test_a_bad_comment_is_an_error_at_the_form(comment: str) -> None:
    gate, client = in_review(), at_desk("ed")
    response = client.post(gate_url(gate), filled(client, gate, "reject", comment))
    assert response.status_code == 200
    assert response.context["forms"].verdict.errors["comment"]
    assert decisions(gate) == []


def test_a_comment_larger_than_any_request_may_be_is_no_crash() -> None:
    gate, client = in_review(), at_desk("ed")
    sent = filled(client, gate, "reject", "x" * 2_100_000)
    assert client.post(gate_url(gate), sent).status_code in (400, 413)
    assert decisions(gate) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"decision": "answer"},
        {"decision": "\x00"},
        {"places-TOTAL_FORMS": "x"},
        {"places-TOTAL_FORMS": "99999999"},
        {"places-0-path": "/\x00", "places-0-text": "a"},
        {"places-0-path": "no pointer", "places-0-text": "a"},
        {"places-0-path": "/title~", "places-0-text": "a"},
        {"places-0-path": "/title", "places-0-text": "x" * 20_000},
        {"places-0-path": "/title", "places-0-text": ""},
    ],
)
def test_odd_fields_are_errors_at_the_form(odd: dict[str, str]) -> None:
    gate, client = in_review(), at_desk("ed")
    response = client.post(gate_url(gate), filled(client, gate, "request_changes", "Say more about it.") | odd)
    assert response.status_code == 200
    assert decisions(gate) == []


@pytest.mark.parametrize("gate_id", ["x", "1", "%00", "00000000-0000-4000-8000-000000000000", "../../x", "a" * 300])
def test_an_id_that_is_none_is_not_found(gate_id: str) -> None:
    assert at_desk("ed").get(f"/admin/executions/gate/{gate_id}/decide/").status_code == 404


def test_a_gate_of_a_hidden_project_is_not_found() -> None:
    gate = in_review()
    gate.execution.project.users.add(person("olga"))
    assert at_desk("ed").get(gate_url(gate)).status_code == 404
    assert at_desk("ed").post(gate_url(gate), {"decision": "accept"}).status_code == 404
    assert at_desk("olga").get(gate_url(gate)).status_code == 200


def test_a_post_without_the_token_of_the_page_is_refused() -> None:
    gate = in_review()
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("ed"))
    assert client.post(gate_url(gate), {"decision": "accept"}).status_code == 403
    assert Execution.objects.get(pk=gate.execution_id).status == "waiting_acceptance"


def test_opening_the_page_decides_nothing_whatever_the_address_says() -> None:
    gate, client = in_review(), at_desk("ed")
    assert client.get(gate_url(gate) + "?decision=accept").status_code == 200
    assert client.head(gate_url(gate)).status_code == 200
    assert decisions(gate) == []


def test_the_page_takes_the_same_number_of_queries_whatever_the_document_holds() -> None:
    in_review()
    small = in_review()
    large = in_review(content={"title": "Large", "text": json.dumps(["x"] * 5000)})
    in_review()
    client = at_desk("ed")
    client.get(gate_url(small))
    with CaptureQueriesContext(connection) as few:
        client.get(gate_url(small))
    with CaptureQueriesContext(connection) as many:
        client.get(gate_url(large))
    assert len(few) == len(many) <= 28
