"""GET /telemetry/summary: totals that are reckoned by hand here, and the words of its errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from telemetry.tests.written_ledger import HAIKU, NOON, STRANGE, call, execution, minutes, roll_all

URL = "/api/v1/telemetry/summary"


def ledger() -> None:
    """One call of every outcome."""
    run = execution()
    call(run, step_id="plan", cost="0.0123456789", input_tokens=1000, output_tokens=200, cache_read_tokens=3000)
    call(run, step_id="plan", at=NOON + minutes(1), cost="0", status="failed", error_class="RateLimited")
    call(
        run,
        step_id="write",
        at=NOON + minutes(2),
        model=HAIKU,
        cost="0.0000000001",
        input_tokens=10,
        output_tokens=20,
        thinking_tokens=5,
        cache_write_5m_tokens=700,
        cache_write_1h_tokens=300,
        latency_ms=2001,
    )
    call(run, at=NOON + minutes(3), cost="0.5", status="cancelled", is_estimated=True, output_tokens=7)
    call(run, at=NOON + minutes(4), cost="0.25", status="lost", is_estimated=True, input_tokens=90)
    call(run, at=NOON + minutes(5), cost=None, model=STRANGE, input_tokens=40, output_tokens=3, is_offline=True)
    call(run, at=NOON + minutes(6), cost=None, status="in_flight")


TOTALS = {
    "total_calls": 7,
    "succeeded_call_count": 3,
    "failed_call_count": 1,
    "cancelled_call_count": 1,
    "lost_call_count": 1,
    "in_flight_call_count": 1,
    "error_count": 2,
    "unpriced_call_count": 1,
    "estimated_call_count": 2,
    "offline_call_count": 1,
    "total_cost_usd": "0.762345679",
    "estimated_cost_usd": "0.75",
    "avg_cost_per_call": "0.1524691358",  # 0.762345679 by 5, the calls with a price
    "input_tokens": 1140,
    "output_tokens": 230,
    "thinking_tokens": 5,
    "cache_read_tokens": 3000,
    "cache_write_tokens": 1000,
    "cache_write_5m_tokens": 700,
    "cache_write_1h_tokens": 300,
    "total_tokens": 5370,
    "success_rate": 0.6,  # 3 of 3 + 1 + 1
    "cache_hit_rate": 0.583658,  # 3000 of 5140
    "avg_latency_ms": 1334,  # 1000, 2001 and 1000: 4001 by 3
    "period_start": "2026-03-10",
    "period_end": "2026-03-31",
    "time_zone": "UTC",
}


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
def test_totals_are_what_the_ledger_holds(root: APIClient, is_rolled: bool) -> None:
    ledger()
    if is_rolled:
        roll_all()
    answer = root.get(URL, {"end": "2026-03-31"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == TOTALS


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
@pytest.mark.parametrize(
    ("query", "calls", "cost"),
    [
        ({"project_id": "apollo"}, 3, "0.111"),
        ({"project_id": "gemini"}, 1, "1"),
        ({"workflow_id": "test"}, 3, "1.11"),
        ({"workflow_id": "other"}, 1, "0.001"),
        ({"workflow_id": "other", "project_id": "gemini"}, 0, "0"),
        ({"step_id": "plan"}, 2, "1.1"),
        ({"step_id": "plan", "project_id": "apollo"}, 1, "0.1"),
        ({"model": HAIKU}, 2, "0.011"),
        ({"model": HAIKU, "workflow_id": "test", "step_id": "write", "project_id": "apollo"}, 1, "0.01"),
        ({"model": "unheard-of"}, 0, "0"),
        ({"project_id": "never-heard-of"}, 0, "0"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_filters_narrow_by_project_workflow_step_and_model(
    root: APIClient, query: dict[str, str], calls: int, cost: str, is_rolled: bool
) -> None:
    apollo, gemini, other = execution(), execution("gemini"), execution(workflow_id="other")
    call(apollo, step_id="plan", cost="0.1")
    call(apollo, step_id="write", cost="0.01", model=HAIKU)
    call(gemini, step_id="plan", cost="1")
    call(other, step_id="write", cost="0.001", model=HAIKU)
    if is_rolled:
        roll_all()
    found = root.get(URL, query).json()
    assert (found["total_calls"], found["total_cost_usd"]) == (calls, cost)


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({"start": "2026-03-10"}, "1.11"),
        ({"start": "2026-03-11"}, "0.11"),
        ({"start": "2026-03-10", "end": "2026-03-10"}, "1"),
        ({"start": "2026-03-11", "end": "2026-03-11"}, "0.11"),
        ({"start": "2026-03-12"}, "0"),
        # 23:59:59 and 00:00 UTC are both of the 11th in Berlin, both of the 10th in New York.
        ({"start": "2026-03-11", "end": "2026-03-11", "tz": "Europe/Berlin"}, "1.11"),
        ({"start": "2026-03-10", "end": "2026-03-10", "tz": "America/New_York"}, "1.1"),
        # The last one is at 18:15 UTC of the 11th, a quarter of an hour after midnight in Kathmandu.
        ({"start": "2026-03-12", "tz": "Asia/Kathmandu"}, "0.01"),
        ({"end": "2026-03-11", "tz": "Asia/Kathmandu"}, "1.1"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_both_ends_of_a_period_are_whole_days_of_the_time_zone(
    root: APIClient, query: dict[str, str], cost: str, is_rolled: bool
) -> None:
    run = execution()
    call(run, at=datetime(2026, 3, 10, 23, 59, 59, 999999, tzinfo=UTC), cost="1")
    call(run, at=datetime(2026, 3, 11, 0, 0, tzinfo=UTC), cost="0.1")
    call(run, at=datetime(2026, 3, 11, 18, 15, tzinfo=UTC), cost="0.01")
    if is_rolled:
        roll_all()
    assert root.get(URL, query).json()["total_cost_usd"] == cost


def test_a_ledger_without_calls_has_totals_of_zero_and_no_averages(root: APIClient) -> None:
    found = root.get(URL).json()
    assert (found["total_calls"], found["total_cost_usd"], found["total_tokens"]) == (0, "0", 0)
    assert found["period_start"] is None
    assert found["period_end"] == datetime.now(UTC).date().isoformat()
    for name in ("avg_cost_per_call", "success_rate", "cache_hit_rate", "avg_latency_ms"):
        assert found[name] is None


def test_a_cost_of_which_nothing_is_known_is_null_and_not_zero(root: APIClient) -> None:
    call(execution(), cost=None, model=STRANGE)
    found = root.get(URL).json()
    assert found["total_cost_usd"] is None
    assert found["avg_cost_per_call"] is None
    assert found["unpriced_call_count"] == 1


def test_the_period_begins_with_the_callers_first_call_in_their_time_zone(root: APIClient) -> None:
    call(execution(), at=datetime(2026, 3, 10, 23, 30, tzinfo=UTC))
    assert root.get(URL).json()["period_start"] == "2026-03-10"
    assert root.get(URL, {"tz": "Europe/Berlin"}).json()["period_start"] == "2026-03-11"
    roll_all()
    assert root.get(URL, {"tz": "Europe/Berlin"}).json()["period_start"] == "2026-03-11"


def test_sums_of_many_small_costs_are_exact(root: APIClient) -> None:
    run = execution()
    for number in range(30):
        call(run, at=NOON + minutes(number * 7), cost="0.1000000001")
    assert root.get(URL).json()["total_cost_usd"] == "3.000000003"
    roll_all()
    assert root.get(URL).json()["total_cost_usd"] == "3.000000003"


@pytest.mark.parametrize(
    ("query", "path", "code", "says"),
    [
        ({"from": "2026-01-01"}, "/from", "UNKNOWN_PARAMETER", "known are start, end, tz, format, project_id"),
        ({"start": "yesterday"}, "/start", "WRONG_TYPE", "must be a date such as 2026-01-31"),
        ({"start": ""}, "/start", "WRONG_TYPE", "must be a date"),
        ({"start": "2026-02-31"}, "/start", "WRONG_TYPE", "must be a date"),
        ({"start": "2026-1-1"}, "/start", "WRONG_TYPE", "must be a date"),
        ({"start": "2026-01-01T00:00:00Z"}, "/start", "WRONG_TYPE", "must be a date"),
        ({"start": "２０２６-01-01"}, "/start", "WRONG_TYPE", "must be a date"),
        ({"start": "0001-01-01"}, "/start", "OUT_OF_RANGE", "from 1970-01-01 to 2999-12-31"),
        ({"end": "9999-12-31"}, "/end", "OUT_OF_RANGE", "from 1970-01-01 to 2999-12-31"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "/end", "OUT_OF_RANGE", "must not be before start, 2026-01-02"),
        ({"tz": "Mars/Olympus"}, "/tz", "UNKNOWN_TIME_ZONE", "such as Europe/Berlin"),
        ({"tz": "../../etc/passwd"}, "/tz", "UNKNOWN_TIME_ZONE", "IANA"),
        ({"tz": "+02:00"}, "/tz", "UNKNOWN_TIME_ZONE", "IANA"),
        ({"tz": ""}, "/tz", "UNKNOWN_TIME_ZONE", "IANA"),
        ({"format": "xlsx"}, "/format", "INVALID_CHOICE", "json, csv"),
        ({"model": "\x00"}, "/model", "INVALID_TEXT", ""),
        ({"project_id": ["a", "b"]}, "/project_id", "DUPLICATE_PARAMETER", "more than once"),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict) else "",
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(
    root: APIClient, query: dict[str, Any], path: str, code: str, says: str
) -> None:
    for url in (URL, "/api/v1/telemetry/costs/daily"):
        answer = root.get(url, query)
        assert answer.status_code == 400, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        (error,) = answer.json()["errors"]
        assert (error["path"], error["code"]) == (path, code)
        assert says in error["detail"]


def test_whoever_does_not_log_in_is_told_nothing(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401
