"""The page on which a reviewer writes a version of their own and accepts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from documents.models import Document
from executions.models import Gate
from executions.tests.admin.desk import FormReader, at_desk, gate_url, in_review, shown_at
from executions.tests.engine_cast import decide, open_gate, status

pytestmark = pytest.mark.django_db

NOTE = {"title": "The harbour", "text": "It opens\nat noon."}


def edit_url(gate: Gate, *, as_json: bool = False) -> str:
    return f"{gate_url(gate)}?view=edit{'&as=json' if as_json else ''}"


def form_of(client: Client, gate: Gate, *, as_json: bool = False) -> dict[str, str]:
    return FormReader(client.get(edit_url(gate, as_json=as_json)).content, "edit_form").values


def newest(gate: Gate) -> Document:
    return Document.objects.get(execution_id=gate.execution_id, document_type="note", is_latest=True)


def test_the_texts_are_fields_and_what_is_sent_unchanged_is_no_edit() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    form = form_of(client, gate)
    assert (form["text:/title"], form["text:/text"]) == ("The harbour", "It opens\nat noon.")
    form["text:/text"] = "It opens\r\nat noon."
    response = client.post(edit_url(gate), form | {"accept_edit": "1"})
    assert response.status_code == 200
    assert "nothing was changed" in response.content.decode()


def test_an_edit_is_stored_as_a_version_by_the_person_and_accepted() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    sent = form_of(client, gate) | {"text:/text": "It opens\r\nat dawn.", "comment": "The tide.", "accept_edit": "1"}
    response = client.post(edit_url(gate), sent, follow=True)
    assert "your version is stored and accepted, note v2 (apollo), 1 place changed." in response.content.decode()
    found = newest(gate)
    assert (found.version, found.status, found.created_by) == (2, "accepted", "ed")
    assert found.content == {"title": "The harbour", "text": "It opens\nat dawn."}


def test_looking_at_the_changes_stores_nothing_and_keeps_what_was_typed() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    response = client.post(edit_url(gate), form_of(client, gate) | {"text:/title": "The <b>port", "check": "1"})
    shown = response.content.decode()
    assert "What you changed" in shown
    assert "&lt;b&gt;port" in shown
    assert FormReader(response.content, "edit_form").values["text:/title"] == "The <b>port"
    assert newest(gate).version == 1


def test_the_first_button_stores_nothing() -> None:
    gate = in_review(content=NOTE)
    buttons = FormReader(at_desk("ed").get(edit_url(gate)).content, "edit_form").buttons
    assert buttons == [("check", "1"), ("to_json", "1"), ("accept_edit", "1")]


def test_what_was_typed_goes_from_the_texts_to_the_json_and_back() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    typed = form_of(client, gate) | {"text:/title": "The port", "to_json": "1"}
    as_json = FormReader(client.post(edit_url(gate), typed).content, "edit_form").values
    assert json.loads(as_json["json"]) == NOTE | {"title": "The port"}
    as_json["json"] = json.dumps(NOTE | {"title": "The old port"})
    response = client.post(edit_url(gate, as_json=True), as_json | {"to_fields": "1"})
    fields = FormReader(response.content, "edit_form").values
    assert fields["text:/title"] == "The old port"
    assert client.post(edit_url(gate), fields | {"accept_edit": "1"}).status_code == 302
    assert newest(gate).content["title"] == "The old port"


def test_a_document_that_does_not_fit_is_kept_with_the_problem_beside_its_place() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    typed = form_of(client, gate) | {"text:/title": "", "comment": "kept", "accept_edit": "1"}
    response = client.post(edit_url(gate), typed)
    shown = response.content.decode()
    assert response.status_code == 200
    assert '<li><a href="#text-' in shown
    assert 'aria-invalid="true"' in shown
    assert FormReader(response.content, "edit_form").values["comment"] == "kept"
    assert newest(gate).version == 1


@pytest.mark.parametrize(
    "text",
    ["{", "", "[1, 2", '{"a": 1, "a": 2}', '{"title": NaN}', '{"title": "\\ud800"}', "[" * 5_000, "9" * 5_000, '"x"'],
    ids=["open", "empty", "list", "twice", "nan", "surrogate", "deep", "digits", "text"],
)
@pytest.mark.parametrize("button", ["check", "to_fields", "accept_edit"])
def test_odd_json_is_named_and_stays_as_it_was_typed(text: str, button: str) -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    sent = form_of(client, gate, as_json=True) | {"json": text, button: "1"}
    response = client.post(edit_url(gate, as_json=True), sent)
    assert response.status_code == 200
    if text != '"x"':
        assert 'role="alert"' in response.content.decode()
        assert FormReader(response.content, "edit_form").values["json"] == text
    assert newest(gate).version == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"text:/nowhere": "x"},
        {"text:/title/0": "x"},
        {"text:title": "x"},
        {"text:/title": "a\x00b"},
        {"base": "{"},
        {"base": '{"title": 1}'},
        {"comment": "x" * 11_000},
        {"content_sha256": "0" * 64},
        {"content_sha256": ""},
        {"votes": "x"},
    ],
    ids=str,
)
def test_odd_fields_store_nothing(odd: dict[str, str]) -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    sent = form_of(client, gate) | {"text:/text": "typed"} | odd
    if not odd.keys() & {"text:/nowhere", "text:/title/0", "text:title"}:
        response = client.post(edit_url(gate), sent | {"accept_edit": "1"})
        assert response.status_code in (200, 409)
        assert newest(gate).version == 1
    else:
        assert client.post(edit_url(gate), sent | {"check": "1"}).status_code == 200


def test_a_faster_reviewer_wins_and_the_edit_stays_on_the_page() -> None:
    gate, client = in_review(content=NOTE), at_desk("ed")
    sent = form_of(client, gate) | {"text:/text": "My own words.", "comment": "Mine", "accept_edit": "1"}
    decide("eva", gate, "reject", "Not what was asked for.")
    response = client.post(edit_url(gate), sent)
    shown = response.content.decode()
    assert response.status_code == 409
    assert "eva decided: reject" in shown
    assert "My own words." in shown
    assert 'name="accept_edit"' not in shown
    assert status(gate.execution) == "failed"


def test_with_four_eyes_somebody_else_must_accept_the_edit() -> None:
    gate, client = in_review(content=NOTE, four_eyes=True), at_desk("ed")
    assert "Four eyes: somebody else must accept it." in client.get(edit_url(gate)).content.decode()
    sent = form_of(client, gate) | {"text:/text": "My own words.", "accept_edit": "1"}
    response = client.post(edit_url(gate), sent, follow=True)
    new_gate = open_gate(gate.execution)
    assert response.redirect_chain == [(gate_url(new_gate), 302)]
    shown = response.content.decode()
    assert "It waits for others to accept it." in shown
    assert "Written by people" in shown
    assert shown_at(new_gate).status == "in_review"


def test_without_the_role_there_is_no_form() -> None:
    gate = in_review(content=NOTE)
    shown = at_desk("vic").get(edit_url(gate)).content.decode()
    assert "To decide on this note you need one of the roles: editor." in shown
    assert 'id="edit_form"' not in shown


def test_what_people_wrote_is_marked_in_the_next_version() -> None:
    gate = in_review(content=NOTE)
    document: Any = shown_at(gate)
    edits = {
        "places": [{"kind": "set", "path": "/text", "place": ["text"], "by": "<bob>", "at": "2026-11-23T05:00:00"}],
        "restored": ["/text"],
        "lost": [{"path": "/old", "by": "bob", "kind": "set", "value": {"a": "<i>"}, "why": "gone"}],
    }
    later = Document.objects.create(
        project_id=document.project_id, scope_type=document.scope_type, scope_id="elsewhere", version=1,
        document_type="note", status="in_review", title="T", content=document.content, created_by="m",
        content_sha256=document.content_sha256, created_at=document.created_at, edits=edits,
        execution_id=document.execution_id,
    )  # fmt: skip
    Gate.objects.filter(pk=gate.pk).update(document_id=later.pk)
    shown = at_desk("ed").get(gate_url(gate)).content.decode()
    assert "set by &lt;bob&gt;" in shown
    assert "was changed by the model, and put back" in shown
    assert "&quot;a&quot;: &quot;&lt;i&gt;&quot;" in shown
