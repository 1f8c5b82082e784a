"""GET /executions/{id}/steps: what was tried in each step, and what of it is for staff only."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from executions.api import attempts
from executions.models import Execution, LLMCall, Step
from executions.tests.api import rows
from executions.tests.driving import Scripted, backlog, document, drive
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import epics, single


@pytest.fixture
def execution(db: None) -> Execution:
    """An execution whose note was accepted by its schema at the second attempt."""
    execution = start(single())
    drive(execution, Scripted(note=[document(no="title"), document(title="Right")]))
    return execution


def url(execution: Execution, query: str = "") -> str:
    return f"/api/v1/executions/{execution.pk}/steps{query}"


def make_staff(name: str) -> None:
    User.objects.filter(username=name).update(is_staff=True)


def test_a_step_shows_its_attempts_what_was_wrong_and_what_each_call_used(
    olga: APIClient, execution: Execution
) -> None:
    (step,) = olga.get(url(execution)).json()["results"]
    assert step["attempt"] == 2
    first, second = step["attempts"]
    assert set(first) == {
        "n", "attempt", "status", "started_at", "finished_at", "outcome", "detail", "findings", "calls",
    }  # fmt: skip
    assert (first["n"], first["attempt"], first["status"], first["outcome"]) == (1, 1, "failed", "OUTPUT_INVALID")
    assert (second["n"], second["attempt"], second["status"], second["findings"]) == (2, 2, "succeeded", [])
    assert {frozenset(finding) for finding in first["findings"]} == {frozenset({"path", "code", "detail"})}
    assert first["finished_at"].endswith("Z")

    (call,) = first["calls"]
    assert set(call) == {
        "call_id", "model", "status", "started_at", "finished_at", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_write_tokens", "cost_usd", "is_estimated", "is_offline", "latency_ms",
        "stop_reason", "response_text",
    }  # fmt: skip
    stored = LLMCall.objects.get(pk=call["call_id"])
    assert call["model"] == stored.model
    assert call["input_tokens"] == stored.input_tokens
    assert isinstance(call["cost_usd"], str)


def test_an_unknown_price_is_null_and_never_zero(olga: APIClient, execution: Execution) -> None:
    LLMCall.objects.update(cost_usd=None, cache_write_5m_tokens=3, cache_write_1h_tokens=4)
    call = olga.get(url(execution)).json()["results"][0]["attempts"][0]["calls"][0]
    assert call["cost_usd"] is None
    assert call["cache_write_tokens"] == 7


def test_an_iteration_and_a_step_that_was_not_reached_have_no_attempts(olga: APIClient) -> None:
    execution = start(epics())
    assert {tuple(row["attempts"]) for row in olga.get(url(execution)).json()["results"]} == {()}
    drive(execution, Scripted(backlog=backlog("A")))
    shown = {row["path"]: len(row["attempts"]) for row in olga.get(url(execution)).json()["results"]}
    assert shown == {"backlog": 1, "per_epic": 0, "per_epic[A].plan": 1, "summary": 1}


def test_what_the_model_answered_word_for_word_is_for_staff_who_ask(
    ed: APIClient, olga: APIClient, execution: Execution
) -> None:
    make_staff("ed")
    for client, query in ((olga, ""), (ed, ""), (ed, "?responses=false")):
        answer = client.get(url(execution, query))
        assert "Right" not in answer.content.decode()
        assert answer.json()["results"][0]["attempts"][1]["calls"][0]["response_text"] is None

    refused = olga.get(url(execution, "?responses=true"))
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    (step,) = ed.get(url(execution, "?responses=true")).json()["results"]
    assert [call["response_text"] for each in step["attempts"] for call in each["calls"]] == [
        '{"no": "title"}',
        '{"title": "Right"}',
    ]


def test_who_may_not_see_the_execution_is_told_nothing_of_responses(
    ed: APIClient, vic: APIClient, execution: Execution
) -> None:
    execution.project.users.add(User.objects.create(username="zoe"))
    ed.get("/api/v1/projects")
    make_staff("ed")
    for client in (ed, vic):
        assert client.get(url(execution, "?responses=true")).status_code == 404


def test_half_a_character_in_a_response_is_spelled_out(ed: APIClient, execution: Execution) -> None:
    make_staff("ed")
    LLMCall.objects.update(response_text='"a\\ud800b\\u0000"')
    (step,) = ed.get(url(execution, "?responses=true")).json()["results"]
    assert step["attempts"][0]["calls"][0]["response_text"] == "a\\ud800b\x00"


def test_a_page_with_long_responses_is_shorter(ed: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    (execution,) = rows.executions(1)
    rows.steps(execution, range(5))
    ed.get("/api/v1/projects")
    make_staff("ed")
    monkeypatch.setattr(attempts, "MAX_RESPONSE_BYTES", 2 * len('"{}"') + 2)

    seen: list[str] = []
    link, sizes = url(execution, "?responses=true"), []
    while link:
        page = ed.get(link).json()
        sizes.append(len(page["results"]))
        seen += [row["path"] for row in page["results"]]
        link = page["next"]
    assert seen == list(Step.objects.order_by("sort_key").values_list("path", flat=True))
    assert max(sizes) < 5
    assert len(ed.get(url(execution)).json()["results"]) == 5
