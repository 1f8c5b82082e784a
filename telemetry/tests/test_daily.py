"""GET /telemetry/costs/daily: days of a time zone, 23 and 25 hours long ones and odd offsets among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rest_framework.test import APIClient

from telemetry.days import Days, beginning
from telemetry.tests.written_ledger import NOON, STRANGE, call, execution, roll_all

URL = "/api/v1/telemetry/costs/daily"


def days(client: APIClient, **query: str) -> list[dict[str, Any]]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    assert answer.json() | {"results": None} == {"results": None, "next": None, "previous": None}
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def costs(client: APIClient, **query: str) -> dict[str, str]:
    return {row["date"]: row["total_cost_usd"] for row in days(client, **query)}


def test_a_day_has_the_figures_of_its_calls(root: APIClient) -> None:
    run = execution()
    call(run, cost="0.02", input_tokens=100, output_tokens=10, cache_read_tokens=300, cache_write_5m_tokens=50)
    call(run, cost="0.01", status="lost", is_estimated=True, input_tokens=50, cache_write_1h_tokens=100)
    call(run, cost=None, model=STRANGE, latency_ms=2000)
    call(run, cost=None, status="in_flight")
    (row,) = days(root, end="2026-03-10")
    assert row == {
        "date": "2026-03-10",
        "starts_at": "2026-03-10T00:00:00Z",
        "ends_at": "2026-03-11T00:00:00Z",
        "is_partial": False,
        "call_count": 4,
        "succeeded_call_count": 2,
        "failed_call_count": 0,
        "cancelled_call_count": 0,
        "lost_call_count": 1,
        "in_flight_call_count": 1,
        "error_count": 1,
        "unpriced_call_count": 1,
        "estimated_call_count": 1,
        "offline_call_count": 0,
        "total_cost_usd": "0.03",
        "estimated_cost_usd": "0.01",
        "input_tokens": 150,
        "output_tokens": 10,
        "thinking_tokens": 0,
        "cache_read_tokens": 300,
        "cache_write_tokens": 150,
        "cache_write_5m_tokens": 50,
        "cache_write_1h_tokens": 100,
        "total_tokens": 610,
        "success_rate": 0.666667,
        "cache_hit_rate": 0.5,
        "avg_latency_ms": 1500,
    }


def test_every_day_of_the_period_has_a_row(root: APIClient) -> None:
    call(execution(), cost="0.5")
    found = days(root, start="2026-03-09", end="2026-03-12")
    assert [(row["date"], row["call_count"], row["total_cost_usd"]) for row in found] == [
        ("2026-03-09", 0, "0"),
        ("2026-03-10", 1, "0.5"),
        ("2026-03-11", 0, "0"),
        ("2026-03-12", 0, "0"),
    ]


def test_without_a_start_the_days_begin_with_the_callers_first_call(root: APIClient) -> None:
    assert days(root) == []
    call(execution("gemini"), at=NOON - timedelta(days=9))
    call(execution(), at=NOON)
    call(execution(), at=NOON + timedelta(days=2))
    found = days(root, end="2026-03-13", project_id="apollo")
    assert [row["date"] for row in found] == ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"]
    assert days(root, end="2026-02-01") == []
    assert days(root, project_id="nothing") == []


def test_days_reach_to_today_or_to_a_start_that_is_yet_to_come(root: APIClient) -> None:
    call(execution(), at=datetime.now(UTC))
    today = days(root)[-1]
    assert (today["date"], today["is_partial"]) == (datetime.now(UTC).date().isoformat(), True)
    assert [row["date"] for row in days(root, start="2999-12-31")] == ["2999-12-31"]


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
@pytest.mark.parametrize(
    ("zone", "changed", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # there was no midnight
        ("America/Havana", date(2025, 11, 2), 25),  # the hour after midnight came twice
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),  # 5:45 hours ahead
        ("Pacific/Apia", date(2011, 12, 30), 0),  # skipped
    ],
    ids=str,
)
def test_each_call_is_of_the_day_that_it_was_at_that_place(
    root: APIClient, zone: str, changed: date, hours: float, is_rolled: bool
) -> None:
    place = ZoneInfo(zone)
    begins = beginning(changed, place)
    ends = begins + timedelta(hours=hours)
    run = execution()
    call(run, at=begins - timedelta(microseconds=1), cost="1")
    if hours:
        call(run, at=begins, cost="10")
        call(run, at=ends - timedelta(microseconds=1), cost="20")
    call(run, at=ends, cost="100")
    if is_rolled:
        roll_all()
    around = [changed + timedelta(days=number) for number in (-1, 0, 1)]
    found = costs(root, tz=zone, start=str(around[0]), end=str(around[2]))
    assert found == dict(zip(map(str, around), ["1", "30" if hours else "0", "100"], strict=True))


def test_a_day_without_midnight_begins_when_the_clocks_were_put_on() -> None:
    saopaulo = ZoneInfo("America/Sao_Paulo")
    assert beginning(date(2018, 11, 4), saopaulo) == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert beginning(date(2018, 11, 4), saopaulo).astimezone(saopaulo).hour == 1


def test_days_follow_each_other_without_gap_in_every_zone_of_today() -> None:
    for name in ("UTC", "Africa/Casablanca", "Asia/Gaza", "America/Nuuk", "Pacific/Chatham", "Antarctica/Troll"):
        edges = Days(ZoneInfo(name), date(2015, 1, 1), date(2026, 12, 31)).edges()
        lengths = {later - earlier for earlier, later in pairwise(edges)}
        assert min(lengths) >= timedelta(hours=22)
        assert max(lengths) <= timedelta(hours=26)
        # A day begins at a quarter of an hour, so the sums by quarters can be cut there.
        assert all(edge.minute % 15 == 0 and not edge.second for edge in edges)


def test_more_days_than_one_answer_holds_are_refused(root: APIClient) -> None:
    assert len(days(root, start="2000-01-01", end="2010-01-07")) == 3660
    answer = root.get(URL, {"start": "2000-01-01", "end": "2010-01-08"})
    assert answer.status_code == 400
    assert "at most 3,660 days before end" in answer.json()["errors"][0]["detail"]
    assert root.get(URL, {"start": "1970-01-01"}).status_code == 400


def test_an_old_ledger_is_shown_from_as_far_back_as_an_answer_holds(root: APIClient) -> None:
    call(execution(), at=datetime(1990, 1, 1, tzinfo=UTC), cost="1")
    call(execution(), at=datetime(2026, 1, 1, tzinfo=UTC), cost="2")
    assert costs(root, end="2026-01-02") == {"2026-01-01": "2", "2026-01-02": "0"}
