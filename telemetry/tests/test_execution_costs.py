"""GET /telemetry/executions/{id}/costs and /telemetry/workflows/{id}/stats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from telemetry.tests.written_ledger import HAIKU, NOON, SONNET, STRANGE, call, execution, minutes

STATS = "/api/v1/telemetry/workflows/test/stats"


def url(of: object) -> str:
    return f"/api/v1/telemetry/executions/{of}/costs"


def test_an_execution_shows_its_totals_and_a_row_for_each_call(root: APIClient) -> None:
    run = execution()
    first = call(
        run,
        step_id="plan",
        cost="0.0000000001",
        input_tokens=1,
        output_tokens=2,
        thinking_tokens=1,
        cache_read_tokens=3,
        cache_write_5m_tokens=4,
        cache_write_1h_tokens=5,
        time_to_first_token_ms=300,
        stop_reason="end_turn",
        message_id="msg_1",
        request_id="req_1",
        unit_prices={"input": "2", "output": "10"},
        price_version="genai-prices 0.2.3",
    )
    call(run, step_id="plan", at=NOON + minutes(1), cost="0.2", status="lost", model=HAIKU, is_estimated=True)
    call(run, step_id="plan", at=NOON + minutes(2), cost=None, status="in_flight")
    call(execution(), cost="5")
    body = root.get(url(run.pk)).json()
    assert {name: body[name] for name in ("execution_id", "total_cost_usd", "total_tokens", "call_count")} == {
        "execution_id": str(run.pk),
        "total_cost_usd": "0.2000000001",
        "total_tokens": 15,
        "call_count": 3,
    }
    assert (body["estimated_cost_usd"], body["lost_call_count"], body["in_flight_call_count"]) == ("0.2", 1, 1)
    assert body["calls"][0] == {
        "call_id": str(first.pk),
        "step_id": "plan",
        "path": "plan",
        "attempt": 1,
        "n": 1,
        "status": "succeeded",
        "model": SONNET,
        "input_tokens": 1,
        "output_tokens": 2,
        "thinking_tokens": 1,
        "cache_read_tokens": 3,
        "cache_write_tokens": 9,
        "cache_write_5m_tokens": 4,
        "cache_write_1h_tokens": 5,
        "cost_usd": "0.0000000001",
        "is_estimated": False,
        "is_offline": False,
        "unit_prices": {"input": "2", "output": "10"},
        "price_version": "genai-prices 0.2.3",
        "latency_ms": 1000,
        "time_to_first_token_ms": 300,
        "stop_reason": "end_turn",
        "error": None,
        "message_id": "msg_1",
        "request_id": "req_1",
        "started_at": "2026-03-10T12:00:00Z",
        "finished_at": "2026-03-10T12:00:00Z",
    }
    assert [(row["attempt"], row["status"], row["cost_usd"]) for row in body["calls"]] == [
        (1, "succeeded", "0.0000000001"),
        (2, "lost", "0.2"),
        (3, "in_flight", None),
    ]


def test_the_calls_of_an_execution_can_be_narrowed_and_the_totals_with_them(root: APIClient) -> None:
    run = execution()
    call(run, step_id="plan", cost="1")
    call(run, step_id="write", cost="0.1", model=HAIKU)
    for query, total in (({"step_id": "plan"}, "1"), ({"model": HAIKU}, "0.1"), ({"model": "other"}, "0")):
        body = root.get(url(run.pk), query).json()
        assert body["total_cost_usd"] == total
        assert len(body["calls"]) == body["call_count"]


def test_an_execution_without_calls_has_cost_nothing(root: APIClient) -> None:
    body = root.get(url(execution().pk)).json()
    assert (body["total_cost_usd"], body["calls"], body["success_rate"]) == ("0", [], None)


@pytest.mark.parametrize("name", ["no-uuid", str(uuid4()), "%00"], ids=["no id", "unknown", "hostile"])
def test_an_unknown_execution_is_404(root: APIClient, name: str) -> None:
    answer = root.get(url(name))
    assert (answer.status_code, answer.json()["code"]) == (404, "EXECUTION_NOT_FOUND")


def test_an_unknown_parameter_of_an_execution_is_named(root: APIClient) -> None:
    answer = root.get(url(execution().pk), {"start": "2026-01-01"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == "unknown parameter; known are step_id, model, tz, format"


def test_statistics_count_executions_costs_and_durations(root: APIClient) -> None:
    for minutes_taken in (1, 2):
        done = execution(status="completed", completed_at=NOON + minutes(minutes_taken))
        call(done, cost="0.3")
    call(execution(status="failed", completed_at=NOON + minutes(60)), cost="0.4")
    execution(status="cancelled", completed_at=NOON)
    execution(status="waiting_acceptance")
    execution(status="running")
    call(execution(workflow_id="other", status="completed", completed_at=NOON), cost="9")
    assert root.get(STATS).json() == {
        "workflow_id": "test",
        "execution_count": 6,
        "completed_count": 2,
        "failed_count": 1,
        "cancelled_count": 1,
        "active_count": 1,
        "waiting_count": 1,
        "total_cost_usd": "1",
        "avg_cost_usd": "0.1666666667",
        "unpriced_call_count": 0,
        "avg_duration_ms": 90_000,
        "sample_count": 2,
        "sample_is_of_revision": True,
        "median_cost_usd": "0.3",
        "p95_cost_usd": "0.3",
        "median_duration_ms": 60_000,
        "p95_duration_ms": 120_000,
        "median_call_count": 1,
        "sample_unpriced_count": 0,
        "sample_offline_count": 0,
    }


def test_statistics_of_nothing_have_no_averages(root: APIClient) -> None:
    execution(workflow_id="other")
    found = root.get(STATS).json()
    assert (found["execution_count"], found["total_cost_usd"]) == (0, "0")
    assert (found["avg_cost_usd"], found["avg_duration_ms"]) == (None, None)
    assert (found["sample_count"], found["sample_is_of_revision"], found["median_cost_usd"]) == (0, None, None)


def test_statistics_count_calls_without_a_price_and_do_not_call_them_free(root: APIClient) -> None:
    run = execution()
    call(run, cost=None, model=STRANGE)
    call(run, cost=None, status="in_flight")
    found = root.get(STATS).json()
    assert (found["total_cost_usd"], found["avg_cost_usd"], found["unpriced_call_count"]) == (None, None, 1)
    call(run, cost="0.5")
    found = root.get(STATS).json()
    assert (found["total_cost_usd"], found["unpriced_call_count"]) == ("0.5", 1)


def test_statistics_can_be_of_a_project_and_of_executions_that_began_on_some_days(root: APIClient) -> None:
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    for project_id, at, cost in (("apollo", late, "1"), ("gemini", late, "0.1"), ("apollo", NOON, "0.01")):
        call(execution(project_id, started_at=at), cost=cost)
    for query, cost in (
        ({"project_id": "apollo"}, "1.01"),
        ({"start": "2026-03-11"}, "0"),
        ({"start": "2026-03-11", "tz": "Europe/Berlin"}, "1.1"),
        ({"end": "2026-03-10", "tz": "Europe/Berlin"}, "0.01"),
        ({"start": "2026-03-10", "end": "2026-03-10"}, "1.11"),
        ({"project_id": "nothing"}, "0"),
    ):
        assert root.get(STATS, query).json()["total_cost_usd"] == cost, query
    assert root.get(STATS, {"start": "2026-03-11", "end": "2026-03-10"}).status_code == 400


def test_the_duration_of_a_run_is_from_its_start_to_its_end(root: APIClient) -> None:
    execution(status="completed", completed_at=NOON + timedelta(seconds=1, milliseconds=234))
    assert root.get(STATS).json()["avg_duration_ms"] == 1234


@pytest.mark.parametrize("name", ["unknown", "%00", "a" * 300], ids=["unknown", "hostile", "long"])
def test_an_unknown_workflow_is_404(root: APIClient, name: str) -> None:
    answer = root.get(f"/api/v1/telemetry/workflows/{name}/stats")
    assert (answer.status_code, answer.json()["code"]) == (404, "WORKFLOW_NOT_FOUND")
