"""The page on which questions are answered."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from executions.answer_forms import INPUTS
from executions.llm.clarification import ANSWER_TYPES
from executions.models import Decision, Gate
from executions.tests.admin.desk import QUESTIONS, FormReader, at_desk, gate_url, in_question, read_form
from executions.tests.engine_cast import answer, status
from executions.tests.pretend_worker import PretendWorker, prompt, question

pytestmark = pytest.mark.django_db

REQUIRED = {"answer-AUDIENCE": "Volunteers", "answer-OFFLINE": "true", "answer-LOAD": "40"}


def send(client: Client, gate: Gate, **typed: Any) -> Any:
    """Open the page, type, and press Send; names are written without their prefix."""
    values = read_form(client, gate_url(gate), "answer_form").values | {"send": "1"}
    return client.post(gate_url(gate), values | REQUIRED | {f"answer-{name}": value for name, value in typed.items()})


def answers_of(gate: Gate) -> Any:
    return Decision.objects.get(gate=gate).answers


def test_required_questions_come_first_then_by_priority() -> None:
    page = at_desk("olga").get(gate_url(in_question())).content.decode()
    places = [
        page.index(text) for text in ("Who will use it?", "How many users?", "Must it work offline?", "Which colour?")
    ]
    assert places == sorted(places)
    assert "8 questions, 3 required" in page


def test_each_question_says_why_it_matters_and_what_is_assumed_without_an_answer() -> None:
    page = at_desk("olga").get(gate_url(in_question())).content.decode()
    assert "<strong>Why it matters:</strong> It decides the words." in page
    assert "If you leave this open, the model assumes: blue" in page
    assert "You may leave this open." in page


def test_each_question_has_an_input_that_fits_it() -> None:
    page = at_desk("olga").get(gate_url(in_question())).content.decode()
    assert page.count('type="radio" name="answer-COLOUR"') == 3  # red, blue, no answer
    assert page.count('type="radio" name="answer-OFFLINE"') == 2
    assert page.count('type="checkbox" name="answer-CHANNELS"') == 2
    assert '<input type="number" name="answer-LOAD"' in page
    assert '<input type="date" name="answer-START"' in page
    assert '<textarea name="answer-LIMITS"' in page


def test_answers_are_stored_as_json_of_their_types_and_reach_the_model() -> None:
    gate, client = in_question(), at_desk("olga")
    response = send(
        client, gate, COLOUR="1", LOAD="40.0", CHANNELS=["0", "1"], START="2027-03-01",
        REF="0B6E7C1A-0000-4000-8000-00000000000a", LIMITS='{"euros": 100}', AUDIENCE="Volunteers\r\nand members",
    )  # fmt: skip
    assert response.status_code == 302
    assert answers_of(gate) == {
        "COLOUR": "blue",
        "AUDIENCE": "Volunteers\nand members",
        "OFFLINE": True,
        "LOAD": 40,
        "CHANNELS": ["mail", "sms"],
        "START": "2027-03-01",
        "REF": "0b6e7c1a-0000-4000-8000-00000000000a",
        "LIMITS": {"euros": 100},
    }
    (claim,) = PretendWorker().claim(gate.execution)
    assert "and members" in prompt(claim)


def test_optional_questions_may_be_left_open() -> None:
    gate, client = in_question(), at_desk("olga")
    assert send(client, gate, COLOUR="").status_code == 302
    assert answers_of(gate) == {"AUDIENCE": "Volunteers", "OFFLINE": True, "LOAD": 40}


@pytest.mark.parametrize(
    ("name", "typed", "detail"),
    [
        ("AUDIENCE", "", "This field is required."),
        ("AUDIENCE", "   ", "This field is required."),
        ("AUDIENCE", "a\x00b", "Null characters are not allowed."),
        ("AUDIENCE", "x" * 100_001, "at most 100000 characters"),
        ("OFFLINE", "", "This field is required."),
        ("OFFLINE", "perhaps", "Select a valid choice."),
        ("LOAD", "many", "Enter a number."),
        ("LOAD", "NaN", "Enter a number."),
        ("LOAD", "1e400", "no more than 40 digits"),
        ("LOAD", "1e-400", "no more than 40 digits"),
        ("LOAD", "9" * 500, "no more than 40 digits"),
        ("COLOUR", "7", "Select a valid choice."),
        ("CHANNELS", "x", "Select a valid choice."),
        ("START", "2027-02-30", "Enter a valid date."),
        ("REF", "order 7", "This must be a UUID."),
        ("LIMITS", "{", "This is no JSON:"),
        ("LIMITS", "[1]", "This must be a JSON object"),
        ("LIMITS", '{"a": NaN}', "This is no JSON that can be stored."),
        ("LIMITS", '{"a": "\\u0000"}', "NUL"),
        ("LIMITS", '{"a":' * 5000 + "1" + "}" * 5000, "This is no JSON that can be stored."),
    ],
)
def test_a_wrong_answer_is_named_at_its_question_and_nothing_is_lost(name: str, typed: str, detail: str) -> None:
    gate, client = in_question(), at_desk("olga")
    response = send(client, gate, **{name: typed})
    page = response.content.decode()
    assert response.status_code == 200
    assert detail in page
    assert f'<a href="#question-{name}">' in page
    assert 'role="alert"' in page
    if name != "AUDIENCE":
        assert ">\nVolunteers</textarea>" in page
    assert not Decision.objects.filter(gate=gate).exists()
    assert status(gate.execution) == "waiting_clarification"


def test_what_was_typed_stands_in_the_inputs_after_an_error() -> None:
    gate, client = in_question(), at_desk("olga")
    typed = {"LOAD": "many", "COLOUR": "1", "CHANNELS": ["1"], "START": "2027-03-01", "LIMITS": "{ broken"}
    page = send(client, gate, **typed).content.decode()
    assert 'name="answer-LOAD" value="many"' in page
    assert 'name="answer-COLOUR" value="1" id="id_answer-COLOUR_1" checked' in page
    assert 'name="answer-CHANNELS" value="1" id="id_answer-CHANNELS_1" checked' in page
    assert 'value="2027-03-01"' in page
    assert ">\n{ broken</textarea>" in page


@pytest.mark.parametrize("button", [{"review": "1"}, {}], ids=["review", "no button at all"])
def test_only_the_summary_sends_and_the_enter_key_leads_to_it(button: dict[str, str]) -> None:
    gate, client = in_question(), at_desk("olga")
    form = read_form(client, gate_url(gate), "answer_form")
    assert form.buttons[0] == ("review", "1")
    assert "send" not in dict(form.buttons)
    typed = REQUIRED | {"answer-CHANNELS": ["0", "1"], "answer-AUDIENCE": "\nVolunteers\n & <b>members</b>"}
    response = client.post(gate_url(gate), form.values | typed | button)
    page = response.content.decode()
    assert "Nothing is sent yet." in page
    assert "E-mail, sms" in page
    assert "&lt;b&gt;members" in page
    assert "left open; the model assumes: blue" in page
    assert status(gate.execution) == "waiting_clarification"
    summary = FormReader(response.content, "answer_form")
    assert summary.buttons == [("change", "1"), ("send", "1")]
    # As a browser sends it: several values of one name.
    sent = [(name, value) for name, value in response.context["typed"]]
    assert ("answer-AUDIENCE", "\nVolunteers\n & <b>members</b>") in sent
    back = client.post(gate_url(gate), {**_by_name(sent), "change": "1"}).content.decode()
    assert 'name="answer-CHANNELS" value="1" id="id_answer-CHANNELS_1" checked' in back
    assert "This field is required." not in back
    assert client.post(gate_url(gate), {**_by_name(sent), "send": "1"}).status_code == 302
    assert answers_of(gate)["CHANNELS"] == ["mail", "sms"]


def _by_name(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {name: [value for key, value in pairs if key == name] for name, _ in pairs}


def test_answers_that_come_second_get_409_and_are_kept() -> None:
    gate, client = in_question(), at_desk("ed", "operator")
    values = read_form(client, gate_url(gate), "answer_form").values
    answer("olga", gate, {"AUDIENCE": "Members", "OFFLINE": False, "LOAD": 1})
    response = client.post(gate_url(gate), values | REQUIRED | {"send": "1"})
    page = response.content.decode()
    assert response.status_code == 409
    assert "olga chose answer" in page
    assert ">\nVolunteers</textarea>" in page
    assert 'name="send"' not in page


def test_answers_that_come_second_and_are_wrong_get_409_too() -> None:
    gate, client = in_question(), at_desk("olga")
    values = read_form(client, gate_url(gate), "answer_form").values
    answer("olga", gate, {"AUDIENCE": "Members", "OFFLINE": False, "LOAD": 1})
    assert client.post(gate_url(gate), values | REQUIRED | {"answer-LOAD": "many"}).status_code == 409


def test_answered_questions_are_shown_in_words() -> None:
    gate = in_question()
    answer("olga", gate, {"AUDIENCE": "<b>All</b>", "OFFLINE": False, "LOAD": 12.5, "CHANNELS": ["mail"]})
    page = at_desk("vic").get(gate_url(gate)).content.decode()
    assert "&lt;b&gt;All&lt;/b&gt;" in page
    assert "E-mail" in page
    assert "left open" in page
    assert 'name="answer-AUDIENCE"' not in page


def test_without_the_role_the_questions_are_shown_but_cannot_be_answered() -> None:
    gate, vic = in_question(), at_desk("vic")
    page = vic.get(gate_url(gate)).content.decode()
    assert "Who will use it?" in page
    assert "To answer you need one of the roles: operator." in page
    assert 'name="send"' not in page
    assert vic.post(gate_url(gate), REQUIRED).status_code == 403
    assert status(gate.execution) == "waiting_clarification"


def test_hostile_questions_are_only_text() -> None:
    attack = "<script>alert(1)</script>\u202e"
    choices = [{"value": f'"><img src=x>{n}', "label": attack + str(n)} for n in range(2)]
    gate = in_question(
        question("ONE", text=f"{attack}?", intent=attack, default=attack),
        question("TWO", answer_type="single_choice", choices=choices, text="{{ 7*7 }}?"),
    )
    client = at_desk("olga")
    page = client.get(gate_url(gate)).content.decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "{{ 7*7 }}?" in page
    assert client.post(gate_url(gate), {"answer-ONE": "fine", "answer-TWO": "1", "send": "1"}).status_code == 302
    assert answers_of(gate) == {"ONE": "fine", "TWO": '"><img src=x>1'}


def test_every_answer_type_of_the_contract_has_an_input() -> None:
    assert set(INPUTS) == set(ANSWER_TYPES)
    assert {each["answer_type"] for each in QUESTIONS} == set(ANSWER_TYPES)
