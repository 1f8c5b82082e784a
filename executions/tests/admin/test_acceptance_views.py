"""The ways of looking at a document at its gate, what is kept while somebody reads, and the way to the next one."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from executions.models import AuditEntry, Decision, Gate
from executions.services.drafts import draft_of
from executions.tests.admin.desk import JSON, FormReader, at_desk, filled, gate_url, in_review, read_form, shown_at
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import note, step, workflow
from executions.tests.pretend_worker import Scripted, document, drive

pytestmark = pytest.mark.django_db

FIRST = {"title": "The harbour", "text": "It opens at noon.", "goals": ["Feed the gulls", "Rest"]}
SECOND = {"title": "The harbour", "text": "It opens at dawn.", "goals": ["Sing", "Feed the gulls", "Rest"]}


def first_version(content: JSON = FIRST) -> Gate:
    """Return the gate of a note that may hold anything."""
    execution = start(workflow({"note": note(accepted_by=("editor",), schema={"type": "object"})}, step("note")))
    drive(execution, Scripted(note=document(**content)))
    gate = open_gate(execution)
    assert shown_at(gate).content == content
    return gate


def second_version(content: JSON = SECOND) -> Gate:
    """Return the gate of a version that was made after ed had asked for changes."""
    gate = first_version()
    comments = [{"path": "/text", "text": "Earlier, please"}, {"path": "/goals/1", "text": "Is this one?"}]
    decide("ed", gate, "request_changes", "Say more about it.", comments=comments)
    return next_version(gate, content)


def next_version(gate: Gate, content: JSON) -> Gate:
    """Let the model answer with ``content``, and return the gate of that."""
    drive(gate.execution, Scripted(note=document(**content)))
    found = open_gate(gate.execution)
    assert shown_at(found).content == content
    return found


def page(client_name: str, gate: Gate, query: str = "") -> str:
    return at_desk(client_name).get(gate_url(gate) + query).content.decode()


def test_the_first_version_has_nothing_to_compare_with() -> None:
    shown = page("ed", in_review(), "?view=changes")
    assert "First version, nothing to compare with." in shown
    assert '<a href="?view=changes' not in shown
    assert '<a href="?view=document" aria-current="page">Document</a>' in shown


def test_changes_show_words_under_labels_and_fold_what_is_the_same() -> None:
    shown = page("eva", second_version(), "?view=changes")
    assert "Changes since v1: 1 changed, 1 added" in shown
    assert '<del><span class="visually-hidden">[removed: </span>noon<' in shown
    assert '<ins><span class="visually-hidden">[added: </span>dawn<' in shown
    assert "Unchanged: Title" in shown


def test_my_comments_stand_beside_what_became_of_them() -> None:
    shown = page("ed", second_version(), "?view=changes")
    assert "Changes since your review of v1" in shown
    assert "<strong>You</strong> on <code" in shown
    assert "Earlier, please" in shown
    assert "<strong>Changed.</strong>" in shown
    assert "<strong>The same, in another place.</strong> It is now at <code" in shown
    assert ">/goals/2</code>." in shown


def test_the_base_of_the_comparison_can_be_chosen() -> None:
    gate = second_version()
    decide("eva", gate, "request_changes", "Once more, please.")
    gate = next_version(gate, {"title": "Third", "text": "It opens at dawn.", "goals": ["Rest"]})
    shown = page("ed", gate, "?view=changes&base=previous")
    assert "Changes since v2" in shown
    assert '<option value="mine">v1, your last review (changes requested)</option>' in shown
    assert '<option value="previous" selected>v2, the version before' in shown
    assert "Changes since v1" in page("eva", gate, "?view=changes&base=1")
    for odd in ("0", "3", "99", "x", "-1", "%00"):
        assert "Changes since your review of v2" in page("eva", gate, f"?view=changes&base={odd}")


def test_the_json_and_how_it_was_made_are_links_away() -> None:
    gate = second_version()
    assert "&quot;It opens at dawn.&quot;" in page("ed", gate, "?view=json")
    made = page("ed", gate, "?view=made")
    assert "What the model was given" in made
    assert "ed’s reason and 2 comments on v1, and that version itself" in made
    assert made.count('class="review-try"') == 1
    assert "Cost of this version" in made


def test_a_version_by_a_person_names_its_writer_and_no_tries() -> None:
    gate = in_review(four_eyes=True)
    sent = read_form(at_desk("ed"), gate_url(gate) + "?view=edit", "edit_form").values
    sent |= {"text:/text": "Mine.", "accept_edit": "1"}
    assert at_desk("ed").post(gate_url(gate) + "?view=edit", sent).status_code == 302
    shown = page("eva", open_gate(gate.execution), "?view=made")
    assert "ed wrote this version, from v1." in shown
    assert 'class="review-try"' not in shown
    assert "Cost of this version" not in shown


def test_an_unknown_view_is_the_document() -> None:
    assert 'id="/text"' in page("ed", in_review(), "?view=%00nonsense&base=%00&place=%00")


def test_each_button_says_what_it_may_cost() -> None:
    gate = in_review()
    gate.execution.calls.update(cost_usd="0.08")
    shown = page("ed", gate)
    assert "(round 1 of 10). Cost: about $0.08, as the last time." in shown
    assert "Accepting costs nothing by itself. The run has spent" in shown
    gate.execution.calls.update(cost_usd=None)
    assert "no price is known for the last time" in page("ed", gate)


def test_after_a_decision_the_next_item_opens() -> None:
    first, second, third = in_review(), in_review(), in_review()
    Gate.objects.filter(pk=third.pk).update(due_at=timezone.now() + timedelta(hours=4, minutes=1))
    client = at_desk("ed")
    shown = client.get(gate_url(third)).content.decode()
    assert "<strong>1 of 3</strong>" in shown
    assert "due in <time" in shown
    assert f'href="{gate_url(first)}" rel="next"' in shown
    response = client.post(gate_url(first), filled(client, first, "accept"))
    assert response["Location"] == gate_url(second)
    assert "Recorded: accept" in client.get(gate_url(second)).content.decode()


def test_a_place_in_the_address_gets_a_row_of_its_own() -> None:
    gate, client = first_version(), at_desk("ed")
    shown = client.get(gate_url(gate))
    assert b'<a class="doc-comment" href="?place=%2Fgoals%2F1#decide" data-place="/goals/1">' in shown.content
    form = FormReader(client.get(gate_url(gate) + "?place=/goals/1").content, "decide_form")
    assert form.values["places-0-path"] == "/goals/1"
    sent = form.values | {"places-0-text": "Why?", "decision": "request_changes"}
    assert client.post(gate_url(gate), sent).status_code == 302
    assert Decision.objects.get(gate=gate).comments == [{"path": "/goals/1", "text": "Why?"}]


def test_a_draft_is_kept_until_the_decision() -> None:
    gate, client = first_version(), at_desk("ed")
    typed = read_form(client, gate_url(gate)).values | {"comment": "half a tho", "places-1-path": "/nowhere"}
    response = client.post(gate_url(gate), typed | {"keep_draft": "1"}, follow=True)
    assert "Kept as a draft at" in response.content.decode()
    form = read_form(client, gate_url(gate)).values
    assert (form["comment"], form["places-0-path"]) == ("half a tho", "/nowhere")
    assert "half a tho" not in page("eva", gate)
    client.post(gate_url(gate), form | {"decision": "accept", "places-0-path": ""})
    assert draft_of(person("ed"), gate) is None


def test_a_script_keeps_a_draft_and_gets_a_sentence() -> None:
    gate, client = in_review(), at_desk("ed")
    typed = read_form(client, gate_url(gate)).values | {"comment": "by script", "keep_draft": "1"}
    response = client.post(gate_url(gate), typed, headers={"Accept": "application/json"})
    assert response.json()["text"].startswith("Kept as a draft at")
    assert read_form(client, gate_url(gate)).values["comment"] == "by script"
    decide("eva", gate, "accept")
    late = client.post(gate_url(gate), typed, headers={"Accept": "application/json"})
    assert (late.status_code, late.json()["text"][:20]) == (409, "This gate is closed;")


def test_a_draft_that_cannot_be_kept_is_still_on_the_page() -> None:
    gate, client = in_review(), at_desk("ed")
    typed = read_form(client, gate_url(gate)).values | {"comment": "x" * 1_100_000, "keep_draft": "1"}
    response = client.post(gate_url(gate), typed)
    assert response.status_code == 422
    assert "x" * 1000 in response.content.decode()


def test_a_vote_meanwhile_is_told_before_the_last_vote_counts() -> None:
    gate, client = in_review(quorum=2), at_desk("ed")
    sent = filled(client, gate, "accept", "Fine with me.")
    decide("eva", gate, "accept")
    response = client.post(gate_url(gate), sent)
    shown = response.content.decode()
    assert response.status_code == 409
    assert "eva decided meanwhile: accept" in shown
    assert "Fine with me." in shown
    again = FormReader(response.content, "decide_form").values | {"decision": "accept"}
    assert client.post(gate_url(gate), again).status_code == 302


def test_a_refused_post_is_written_down() -> None:
    gate, vic = in_review(), at_desk("vic")
    assert vic.post(gate_url(gate), {"decision": "reject"}).status_code == 403
    assert vic.post(gate_url(gate) + "?view=edit", {"accept_edit": "1"}).status_code == 403
    rows = AuditEntry.objects.filter(outcome="refused").order_by("id").values_list("by", "act")
    assert list(rows) == [("vic", "gate.reject"), ("vic", "gate.edit")]


HOSTILE = {
    "title": "<script>alert(1)</script>",
    "text": "javascript:alert(1) [x](javascript:alert(1)) \u202egpj.exe \u200b",
    "</ins><img src=x onerror=alert(1)>": "a",
}


@pytest.mark.parametrize("query", ["", "?view=changes", "?view=json", "?view=made", "?view=edit", "?view=edit&as=json"])
def test_what_a_model_wrote_is_only_text_in_every_view(query: str) -> None:
    shown = page("ed", second_version(HOSTILE), query)
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert 'href="javascript' not in shown


@pytest.mark.parametrize("query", ["", "?view=changes", "?view=json", "?view=edit"])
@pytest.mark.parametrize(
    "content",
    [
        {"title": "T", "text": "a b " * 450_000},
        {"title": "T", "text": "x", "items": [{"id": f"I{n}", "title": "<b>", "n": n} for n in range(9_000)]},
        {"title": "T", "text": "x", "goals": ["gull"] * 9_990},
        {"title": "T", "text": "x", "deep": [[["x"] * 100] * 10] * 10},
    ],
    ids=["text", "items", "texts", "lists"],
)
def test_huge_documents_open_quickly(content: JSON, query: str) -> None:
    gate, client = second_version(content), at_desk("ed")
    started = time.thread_time()
    response = client.get(gate_url(gate) + query)
    assert response.status_code == 200
    assert time.thread_time() - started < 5
    assert len(response.content) < 9_000_000
