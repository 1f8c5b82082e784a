"""The page on which people without access to the review desk answer the questions of a run."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from executions.models import Decision, DecisionChannel, Execution, Gate, GateKind, Project
from executions.services.executions import cancel_execution
from executions.tests.admin.desk import QUESTIONS, FormReader, in_question, in_review, staff
from executions.tests.engine_cast import answer, open_gate, person, start, status
from executions.tests.engine_definitions import single
from executions.tests.pages.visitors import links, visitor, words
from executions.tests.pretend_worker import Scripted, asking, drive, question

pytestmark = pytest.mark.django_db

REQUIRED = {"answer-AUDIENCE": "Volunteers", "answer-OFFLINE": "true", "answer-LOAD": "40"}
ANSWERS = {"AUDIENCE": "Volunteers", "OFFLINE": True, "LOAD": 40}


def url_of(gate: Gate) -> str:
    return reverse("questions-page", args=(gate.execution_id, gate.pk))


def send(client: Client, gate: Gate, **typed: Any) -> Any:
    """Press Send; names are written without their prefix."""
    return client.post(url_of(gate), REQUIRED | {"send": "1"} | {f"answer-{name}": typed[name] for name in typed})


def undecided(gate: Gate) -> bool:
    return not Decision.objects.filter(gate=gate).exists() and status(gate.execution) == "waiting_clarification"


def test_operator_without_access_to_the_desk_is_led_to_the_questions_and_back_to_the_run() -> None:
    gate, olga = in_question(), visitor("olga")
    run = reverse("execution-page", args=(gate.execution_id,))
    assert url_of(gate) in links(olga.get("/"))
    assert url_of(gate) in links(olga.get(run))
    response = send(olga, gate, COLOUR="1", CHANNELS=["0", "1"], START="2027-03-01", LIMITS='{"euros": 100}')
    assert (response.status_code, response["Location"]) == (302, run)
    assert "Your answers are recorded; the run goes on with them." in words(olga.get(run))
    decision = Decision.objects.get(gate=gate)
    assert (decision.by, decision.channel) == ("olga", DecisionChannel.ADMIN)
    rest = {"COLOUR": "blue", "CHANNELS": ["mail", "sms"], "START": "2027-03-01", "LIMITS": {"euros": 100}}
    assert decision.answers == ANSWERS | rest
    assert status(gate.execution) == "running"


def test_staff_are_led_to_the_desk_from_everywhere() -> None:
    gate, client = in_question(), Client()
    client.force_login(staff("olga"))
    assert url_of(gate) not in links(client.get("/")) + links(client.get(f"/executions/{gate.execution_id}/"))


def test_required_questions_come_first_and_each_says_why_it_matters() -> None:
    page = words(visitor("olga").get(url_of(in_question())))
    places = [page.index(text) for text in ("Who will use it?", "How many users?", "offline?", "Which colour?")]
    assert places == sorted(places)
    assert "8 questions 3 required" in page
    assert "Why it matters: It decides the words." in page
    assert "If you leave this open, the model assumes: blue" in page


def test_each_question_has_an_input_that_fits_it_and_is_described_by_why_it_matters() -> None:
    page = visitor("olga").get(url_of(in_question())).content.decode()
    assert page.count('type="radio" name="answer-COLOUR"') == 3  # red, blue, no answer
    assert page.count('type="checkbox" name="answer-CHANNELS"') == 2
    assert '<input type="number" name="answer-LOAD"' in page
    assert '<input type="date" name="answer-START"' in page
    assert '<fieldset aria-describedby="id_answer-COLOUR_helptext">' in page
    assert 'aria-describedby="id_answer-AUDIENCE_helptext"' in page
    assert '<p class="help" id="id_answer-AUDIENCE_helptext"' in page


def test_wrong_answers_are_summed_up_with_links_to_their_inputs_and_nothing_typed_is_lost() -> None:
    gate, olga = in_question(), visitor("olga")
    response = send(olga, gate, LOAD="many", OFFLINE="", REF="order 7", COLOUR="1", LIMITS="{ broken")
    page = response.content.decode()
    assert response.status_code == 422
    assert 'role="alert"' in page
    assert {"#id_answer-LOAD", "#id_answer-OFFLINE_0", "#id_answer-LIMITS"} <= set(links(response))
    assert "How many users? Enter a number." in words(response)
    assert 'aria-describedby="id_answer-LOAD_error"' in page
    assert '<div id="id_answer-LOAD_error">' in page
    assert 'name="answer-LOAD" value="many"' in page
    assert ">\nVolunteers</textarea>" in page
    assert 'name="answer-COLOUR" value="1" id="id_answer-COLOUR_1" checked' in page
    assert undecided(gate)


@pytest.mark.parametrize("button", ["check_only", "send"])
def test_what_only_the_service_finds_is_found_by_both_buttons(button: str) -> None:
    gate = in_question()
    response = visitor("olga").post(url_of(gate), REQUIRED | {button: "1", "answer-REF": "order 7"})
    assert response.status_code == 422
    assert "Which order? This must be a UUID." in words(response)
    assert undecided(gate)


def test_check_only_sends_nothing_and_is_what_the_enter_key_presses() -> None:
    gate, olga = in_question(), visitor("olga")
    assert FormReader(olga.get(url_of(gate)).content, "answer_form").buttons[0] == ("check_only", "1")
    response = olga.post(url_of(gate), REQUIRED | {"check_only": "1"})
    assert (response.status_code, "Nothing is sent yet." in words(response)) == (200, True)
    assert undecided(gate)


@pytest.mark.parametrize("typed", [{}, {"LOAD": "many"}], ids=["right", "wrong"])
def test_who_comes_second_is_told_who_was_first_and_keeps_what_was_typed(typed: dict[str, str]) -> None:
    gate, ed = in_question(), visitor("ed", "operator")
    answer("olga", gate, {"AUDIENCE": "Members", "OFFLINE": False, "LOAD": 1})
    response = send(ed, gate, **typed)
    assert response.status_code == 409
    assert "olga answered these questions" in words(response)
    assert "What you typed is kept below." in words(response)
    assert ">\nVolunteers</textarea>" in response.content.decode()
    assert 'name="send"' not in response.content.decode()
    assert Decision.objects.get(gate=gate).by == "olga"


def test_answers_sent_twice_are_recorded_once_and_other_ones_are_a_conflict() -> None:
    gate, olga = in_question(), visitor("olga")
    assert send(olga, gate).status_code == 302
    again = olga.post(url_of(gate), REQUIRED | {"send": "1"}, follow=True)
    assert "Your answers were recorded already" in words(again)
    assert send(olga, gate, LOAD="41").status_code == 409
    assert Decision.objects.get(gate=gate).answers == ANSWERS


def test_answers_for_a_cancelled_run_are_kept_on_the_page() -> None:
    gate, olga = in_question(), visitor("olga")
    cancel_execution(actor=person("olga"), execution_id=gate.execution_id, reason="")
    response = send(olga, gate)
    assert response.status_code == 409
    assert ">\nVolunteers</textarea>" in response.content.decode()


def test_answered_questions_are_shown_in_words() -> None:
    gate = in_question()
    answer("olga", gate, {"AUDIENCE": "<b>All</b>", "OFFLINE": False, "LOAD": 12.5, "CHANNELS": ["mail"]})
    page = words(visitor("vic").get(url_of(gate)))
    assert "olga answered these questions" in page
    assert "By which means? E-mail" in page
    assert "Which colour? left open" in page
    assert "&lt;b&gt;All" in visitor("vic").get(url_of(gate)).content.decode()


def test_whoever_may_not_answer_sees_the_questions_and_why() -> None:
    gate, vic = in_question(), visitor("vic")
    page = vic.get(url_of(gate))
    assert "Who will use it?" in words(page)
    assert "To answer you need one of the roles: operator." in words(page)
    assert "answer-AUDIENCE" not in FormReader(page.content, "answer_form").names
    refused = send(vic, gate)
    assert refused.status_code == 403
    assert "To answer you need one of the roles: operator." in words(refused)
    assert undecided(gate)


def test_nobody_of_another_project_sees_or_answers_them() -> None:
    gate = in_question()
    Project.objects.get(pk=gate.execution.project_id).users.add(person("olga"))
    stranger = visitor("ed", "operator")
    assert (stranger.get(url_of(gate)).status_code, send(stranger, gate).status_code) == (404, 404)
    assert Client().get(url_of(gate)).status_code == 302
    assert visitor("olga").get(url_of(gate)).status_code == 200
    assert undecided(gate)


def test_gate_is_found_below_its_own_run_only() -> None:
    one, other = in_question(), in_question()
    olga = visitor("olga")
    assert olga.get(reverse("questions-page", args=(one.execution_id, other.pk))).status_code == 404
    assert olga.get(reverse("questions-page", args=(one.execution_id, one.execution_id))).status_code == 404


def test_gate_of_a_document_leads_to_where_it_is_accepted() -> None:
    gate = in_review("editor")
    client = Client()
    client.force_login(staff("ed"))
    desk, run = reverse("admin:executions_gate_decide", args=(gate.pk,)), f"/executions/{gate.execution_id}/"
    assert client.get(url_of(gate))["Location"] == desk
    assert visitor("olga").get(url_of(gate))["Location"] == run


def test_statements_do_not_grow_with_the_questions() -> None:
    olga = visitor("olga")
    counts = []
    for gate in (in_question(question("ONE")), in_question()):
        gate.execution.revision.parsed()  # kept from here on
        with CaptureQueriesContext(connection) as captured:
            assert olga.get(url_of(gate)).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 12
    assert len(QUESTIONS) > 1


def test_hostile_questions_are_only_text() -> None:
    attack = "<script>alert(1)</script>\u202e"
    choices = [{"value": f'"><img src=x>{n}', "label": attack + str(n)} for n in range(2)]
    gate = in_question(
        question("ONE", text=f"{attack}?", intent=attack, default=attack),
        question("TWO", answer_type="single_choice", choices=choices, text="{{ 7*7 }}?"),
    )
    olga = visitor("olga")
    for response in (olga.get(url_of(gate)), olga.post(url_of(gate), {"send": "1"})):
        page = response.content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page
    assert olga.post(url_of(gate), {"answer-ONE": "fine", "answer-TWO": "1"}).status_code == 302
    assert Execution.objects.get(pk=gate.execution_id).status == "running"


def test_a_draft_is_kept_shown_again_and_shown_to_others_as_such() -> None:
    gate, olga = in_question(), visitor("olga")
    typed = {"answer-AUDIENCE": "Volunteers", "answer-LOAD": "many", "assume-COLOUR": "on", "save_draft": "1"}
    assert olga.post(url_of(gate), typed)["Location"] == url_of(gate)
    page = olga.get(url_of(gate)).content.decode()
    assert ">\nVolunteers</textarea>" in page
    assert 'name="answer-LOAD" value="many"' in page
    assert 'name="assume-COLOUR" id="id_assume-COLOUR" checked' in page
    assert "Enter a number." not in page
    other = words(visitor("ed", "operator").get(url_of(gate)))
    assert "olga has typed, and not sent: Volunteers" in other
    assert "has typed" not in words(visitor("vic").get(url_of(gate)))
    # It is the same draft that the desk shows.
    client = Client()
    client.force_login(staff("olga"))
    desk = client.get(reverse("admin:executions_gate_decide", args=(gate.pk,))).content.decode()
    assert ">\nVolunteers</textarea>" in desk
    json = {"Accept": "application/json"}
    assert "saved_at" in olga.post(url_of(gate), typed, headers=json).json()
    assert visitor("vic").post(url_of(gate), typed, headers=json).status_code == 403
    assert undecided(gate)


def test_a_draft_that_cannot_be_kept_says_why_and_is_still_there() -> None:
    gate, olga = in_question(), visitor("olga")
    response = olga.post(url_of(gate), {"answer-AUDIENCE": "a\x00b", "answer-LIMITS": "{}", "save_draft": "1"})
    assert response.status_code == 422
    assert "NUL" in words(response)
    assert "{}</textarea>" in response.content.decode()


def test_what_was_asked_before_is_shown_with_its_answers() -> None:
    execution = start(single())
    drive(execution, Scripted(note=asking(question("WHO", text="Who uses it?"))))
    answer("olga", open_gate(execution, GateKind.CLARIFICATION), {"WHO": "Everybody"})
    drive(execution, Scripted(note=asking(question("WHERE", text="Where is it used?"))))
    page = words(visitor("olga").get(url_of(open_gate(execution, GateKind.CLARIFICATION))))
    assert "Round 1, answered by olga" in page
    assert "Who uses it? Everybody" in page
