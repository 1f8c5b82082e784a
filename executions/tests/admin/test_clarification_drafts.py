"""Answering in one's own time: drafts, several people, assumptions, and what was asked before."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions.models import Decision, Gate, GateDraft, GateKind
from executions.services.drafts import MAX_DRAFT_BYTES, draft_of, save_draft
from executions.tests.admin.desk import at_desk, gate_url, in_question, read_form
from executions.tests.engine_cast import answer, open_gate, person, start
from executions.tests.engine_definitions import single
from executions.tests.pages.visitors import words
from executions.tests.pretend_worker import Scripted, asking, drive, question

pytestmark = pytest.mark.django_db
JSON = {"Accept": "application/json"}
GIVEN = {"AUDIENCE": "Members", "OFFLINE": False, "LOAD": 1}


def save(client: Client, gate: Gate, headers: dict[str, str] | None = None, **typed: Any) -> Any:
    """Press Save the draft, or let the script do it; names are written without their prefix."""
    data = {f"answer-{name}": value for name, value in typed.items()}
    return client.post(gate_url(gate), data | {"save_draft": "1"}, headers=headers or {})


def test_a_draft_is_kept_right_or_wrong_and_stands_in_the_inputs_again_unjudged() -> None:
    gate, client = in_question(), at_desk("olga")
    response = save(client, gate, AUDIENCE="Volun\r\nteers", COLOUR="1", CHANNELS=["1"], LIMITS="{ broken", LOAD="many")
    assert response["Location"] == gate_url(gate)
    page = client.get(gate_url(gate)).content.decode()
    assert "Your draft is saved" in page
    assert "Volun\nteers</textarea>" in page
    assert "{ broken</textarea>" in page
    assert 'name="answer-LOAD" value="many"' in page
    assert 'name="answer-COLOUR" value="1" id="id_answer-COLOUR_1" checked' in page
    assert 'name="answer-CHANNELS" value="1" id="id_answer-CHANNELS_1" checked' in page
    assert "This is no JSON" not in page
    assert "<span data-given>5</span> of 8 answered · <span data-left>1</span> required left" in page
    assert not Decision.objects.exists()


def test_a_script_saves_the_same_and_hears_when_it_was() -> None:
    gate, client = in_question(), at_desk("olga")
    response = save(client, gate, JSON, AUDIENCE="Members")
    assert response.status_code == 200
    draft = draft_of(person("olga"), gate)
    assert draft is not None
    assert response.json() == {"saved_at": draft.updated_at.isoformat()}
    assert draft.data == {"answers": {"AUDIENCE": ["Members"]}, "assumed": []}


def test_what_cannot_be_kept_says_why_and_is_not_lost() -> None:
    gate, client = in_question(), at_desk("olga")
    huge = "y" * (MAX_DRAFT_BYTES + 1)
    assert save(client, gate, JSON, AUDIENCE=huge).status_code == 422
    response = save(client, gate, AUDIENCE="a\x00b", LIMITS="{}")
    assert response.status_code == 422
    assert "NUL" in words(response)
    assert "{}</textarea>" in response.content.decode()
    vic = at_desk("vic")
    assert save(vic, gate, JSON, AUDIENCE="x").status_code == 403
    answer("olga", gate, GIVEN)
    late = save(at_desk("ed", "operator"), gate, AUDIENCE="Mine")
    assert late.status_code == 409
    assert "Mine</textarea>" in late.content.decode()
    assert not GateDraft.objects.exists()


def test_each_one_sees_what_others_have_typed_as_theirs_and_lookers_on_do_not() -> None:
    gate = in_question()
    olga, ed = at_desk("olga"), at_desk("ed", "operator")
    save(olga, gate, AUDIENCE="<b>Members</b>", OFFLINE="false", CHANNELS=["0", "1"], COLOUR="0")
    page = ed.get(gate_url(gate))
    said = words(page)
    assert "olga has typed, and not sent" in said
    assert "&lt;b&gt;Members&lt;/b&gt;" in page.content.decode()
    assert "E-mail, sms" in said
    assert "<span data-given>0</span> of 8 answered" in page.content.decode()
    assert "has typed, and not sent" not in words(olga.get(gate_url(gate)))
    assert "has typed, and not sent" not in words(at_desk("vic").get(gate_url(gate)))


def test_a_draft_that_came_too_late_is_still_there_for_whoever_typed_it() -> None:
    gate = in_question()
    ed = at_desk("ed", "operator")
    save(ed, gate, AUDIENCE="Twenty minutes of work")
    answer("olga", gate, GIVEN)
    page = ed.get(gate_url(gate))
    assert "Twenty minutes of work</textarea>" in page.content.decode()
    assert "What you typed is kept below." in words(page)
    assert "Twenty minutes" not in words(at_desk("olga").get(gate_url(gate)))


def test_an_assumption_is_taken_on_purpose_even_where_an_answer_is_required() -> None:
    gate = in_question(
        question("WHERE", text="Where is it used?", required=True, default="EU only"),
        question("COUNT", text="How many?", answer_type="number", required=True, default=3),
        question("WHO"),
    )
    client = at_desk("olga")
    typed = {"assume-WHERE": "on", "assume-COUNT": "on", "answer-COUNT": "many", "answer-WHO": "All"}
    summary = client.post(gate_url(gate), typed | {"review": "1"})
    assert "EU only The model's own assumption." in words(summary)
    assert "You had typed, and it is not sent: many" in words(summary)
    assert client.post(gate_url(gate), typed | {"send": "1"}).status_code == 302
    assert Decision.objects.get().answers == {"WHERE": "EU only", "COUNT": 3, "WHO": "All"}


def test_an_assumption_cannot_be_taken_where_there_is_none() -> None:
    gate, client = in_question(question("WHO")), at_desk("olga")
    response = client.post(gate_url(gate), {"assume-WHO": "on", "send": "1"})
    assert "This field is required." in words(response)
    assert not Decision.objects.exists()


def test_what_was_asked_before_is_shown_with_what_was_answered() -> None:
    execution = start(single())
    drive(execution, Scripted(note=asking(question("WHO", text="Who <uses> it?"))))
    first = open_gate(execution, GateKind.CLARIFICATION)
    answer("olga", first, {"WHO": "Everybody"})
    drive(execution, Scripted(note=asking(question("WHERE", text="Where is it used?"))))
    second = open_gate(execution, GateKind.CLARIFICATION)
    page = at_desk("olga").get(gate_url(second))
    assert "Round 1: 1 question, answered by olga" in words(page)
    assert "Who &lt;uses&gt; it?" in page.content.decode()
    assert "Everybody" in words(page)
    assert "Round 1" not in words(at_desk("olga").get(gate_url(first)))


def test_questions_stand_under_headings_required_ones_first() -> None:
    page = words(at_desk("olga").get(gate_url(in_question())))
    places = [page.index(text) for text in ("Required", "Who will use it?", "Optional (could)", "Which colour?")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"answers": []},
        {"answers": {"COLOUR": "0", "LOAD": [1, None], "AUDIENCE": [["x"]]}, "assumed": {"x": 1}},
        {"answers": {"COLOUR": ["99"], "UNKNOWN": ["x"]}, "assumed": ["UNKNOWN", None]},
        {"comment": "of another screen"},
    ],
    ids=range(5),
)
def test_a_draft_that_holds_something_else_breaks_no_page(data: Any) -> None:
    gate = in_question()
    save_draft(person("olga"), gate, data)
    assert at_desk("olga").get(gate_url(gate)).status_code == 200
    assert at_desk("ed", "operator").get(gate_url(gate)).status_code == 200


def test_the_page_takes_the_same_number_of_statements_however_many_answer() -> None:
    gate, client = in_question(), at_desk("olga")
    with CaptureQueriesContext(connection) as few:
        client.get(gate_url(gate))
    for number in range(4):
        save(at_desk(f"op{number}", "operator"), gate, AUDIENCE=str(number))
    with CaptureQueriesContext(connection) as many:
        client.get(gate_url(gate))
    assert len(many) == len(few) <= 24


def test_the_form_is_read_back_as_it_is_shown() -> None:
    gate, client = in_question(), at_desk("olga")
    save(client, gate, AUDIENCE="\nstarts with a line end")
    assert read_form(client, gate_url(gate), "answer_form").values["answer-AUDIENCE"] == "\nstarts with a line end"
