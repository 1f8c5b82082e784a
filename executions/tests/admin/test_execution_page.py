"""The page of one run, and what operators do from it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.amounts import money, span
from executions.models import Event, Execution, LLMCall
from executions.services.executions import cancel_execution
from executions.tests.admin.desk import at_desk, execution_url, gate_url, in_question, in_review
from executions.tests.engine_cast import decide, person, start, status
from executions.tests.engine_definitions import epics, single
from executions.tests.pretend_worker import Scripted, backlog, drive

pytestmark = pytest.mark.django_db


def failed() -> Execution:
    gate = in_review()
    decide("ed", gate, "reject", "Not <b>this</b>.")
    return Execution.objects.get(pk=gate.execution_id)


def test_the_page_shows_status_steps_events_documents_gates_and_calls() -> None:
    gate = in_review()
    page = at_desk("ed").get(execution_url(gate.execution)).content.decode()
    assert "Waiting for acceptance: 1 decision open" in page
    assert f'<a href="{gate_url(gate)}">Accept note v1 (apollo)</a>' in page
    assert ">First</a>" in page
    assert "acceptance needed" in page
    assert "1 pending, 1 waiting for acceptance." in page
    assert "(1 call)" in page


def test_a_failed_run_says_why_and_offers_a_retry_to_operators_only() -> None:
    execution = failed()
    page = at_desk("olga").get(execution_url(execution)).content.decode()
    assert "DOCUMENT_REJECTED" in page
    assert "Not &lt;b&gt;this&lt;/b&gt;." in page
    assert f'href="{execution_url(execution, "retry")}"' in page
    assert "only a run that is not over can be cancelled" in page
    other = at_desk("vic").get(execution_url(execution)).content.decode()
    assert f'href="{execution_url(execution, "retry")}"' not in other
    assert "You need the role operator" in other


def test_cancel_asks_once_and_says_what_is_kept() -> None:
    execution = in_review().execution
    client, url = at_desk("olga"), execution_url(execution, "cancel")
    page = client.get(url).content.decode()
    assert "1 document is kept, in the state that it has now." in page
    assert status(execution) == "waiting_acceptance"
    assert client.post(url, {"reason": "Wrong project"}).status_code == 302
    assert status(execution) == "cancelled"
    assert Event.objects.get(execution=execution, event_type="execution_cancelled").data == {
        "by": "olga",
        "reason": "Wrong project",
    }


def test_retry_takes_a_reason_and_a_budget() -> None:
    execution = failed()
    client, url = at_desk("olga"), execution_url(execution, "retry")
    assert "Finished steps are not run, or paid for, again." in client.get(url).content.decode()
    assert client.post(url, {"reason": "Try the other way", "budget_usd": "2.50"}).status_code == 302
    again = Execution.objects.get(pk=execution.pk)
    assert (again.status, again.budget_usd) == ("running", Decimal("2.5"))


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_acts_of_a_person_without_the_role_are_refused(act: str) -> None:
    execution = failed() if act == "retry" else in_review().execution
    before = status(execution)
    response = at_desk("vic").post(execution_url(execution, act), {"reason": "because"})
    assert response.status_code == 403
    assert "You need the role operator" in response.content.decode()
    assert status(execution) == before


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_an_act_that_comes_too_late_gets_409_and_keeps_the_reason(act: str) -> None:
    execution = failed() if act == "retry" else in_review().execution
    if act == "retry":
        Execution.objects.filter(pk=execution.pk).update(status="completed")
    else:
        Execution.objects.filter(pk=execution.pk).update(status="failed")
    response = at_desk("olga").post(execution_url(execution, act), {"reason": "because of this"})
    assert response.status_code == 409
    assert "because of this</textarea>" in response.content.decode()


def test_cancelling_twice_changes_nothing_more() -> None:
    execution = in_review().execution
    cancel_execution(actor=person("olga"), execution_id=execution.pk, reason="first")
    at_desk("olga").post(execution_url(execution, "cancel"), {"reason": "second"})
    assert Event.objects.filter(execution=execution, event_type="execution_cancelled").count() == 1


@pytest.mark.parametrize(
    ("act", "typed"),
    [
        ("cancel", {"reason": "x" * 2001}),
        ("cancel", {"reason": "a\x00b"}),
        ("retry", {"budget_usd": "-1"}),
        ("retry", {"budget_usd": "much"}),
        ("retry", {"budget_usd": "NaN"}),
        ("retry", {"budget_usd": "1e30"}),
        ("retry", {"reason": "a\x00b", "budget_usd": "1"}),
    ],
)
def test_bad_input_is_an_error_at_the_form(act: str, typed: dict[str, str]) -> None:
    execution = failed() if act == "retry" else in_review().execution
    before = status(execution)
    response = at_desk("olga").post(execution_url(execution, act), typed)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert status(execution) == before


@pytest.mark.parametrize("act", ["change", "cancel", "retry"])
@pytest.mark.parametrize("bad", ["x", "%00", "00000000-0000-4000-8000-000000000000"])
def test_an_id_that_is_none_is_not_found(act: str, bad: str) -> None:
    assert at_desk("olga").get(f"/admin/executions/execution/{bad}/{act}/").status_code == 404


@pytest.mark.parametrize("act", ["change", "cancel", "retry"])
def test_a_run_of_a_hidden_project_is_not_found(act: str) -> None:
    execution = in_review().execution
    execution.project.users.add(person("eva"))
    assert at_desk("olga").get(execution_url(execution, act)).status_code == 404
    assert at_desk("olga").post(execution_url(execution, act)).status_code in (403, 404)
    assert status(execution) == "waiting_acceptance"


def test_the_page_takes_the_same_number_of_queries_however_large_the_run() -> None:
    client, small, large = at_desk("olga"), start(single()), start(epics())
    drive(small)
    drive(large, Scripted(backlog=backlog(*(f"E{n}" for n in range(40)))))
    client.get(execution_url(small))
    with CaptureQueriesContext(connection) as few:
        client.get(execution_url(small))
    with CaptureQueriesContext(connection) as many:
        page = client.get(execution_url(large)).content.decode()
    assert len(few) == len(many) <= 30
    assert "per_epic[E39].plan" in page
    assert "The newest 50 are shown" in page


def test_the_waiting_run_names_the_roles_that_others_wait_for() -> None:
    page = at_desk("vic").get(execution_url(in_question().execution)).content.decode()
    assert "Waiting for others" in page
    assert "operator, for" in page


def test_calls_without_a_known_price_are_never_shown_as_zero() -> None:
    execution = in_review().execution
    LLMCall.objects.filter(execution=execution).update(cost_usd=None)
    page = at_desk("ed").get(execution_url(execution)).content.decode()
    assert "$0.00 or more: 1 call has no known price" in page
    assert ">unknown<" in page


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "unknown"), ("0", "$0.00"), ("0.0041", "$0.0041"), ("1.234", "$1.23"), ("0.00001", "<$0.0001"),
     ("1234.5", "$1,234.50"), ("0.00995", "$0.0100")],
)  # fmt: skip
def test_money_is_shown_to_the_precision_that_matters(value: str | None, shown: str) -> None:
    assert money(None if value is None else Decimal(value)) == shown


def test_lengths_of_time_are_shown_in_two_units() -> None:

    lengths = [timedelta(seconds=1.25), timedelta(seconds=59), timedelta(minutes=3, seconds=4), timedelta(days=2)]
    assert [span(length) for length in lengths] == ["1.2 s", "59 s", "3 min 4 s", "2 d"]
