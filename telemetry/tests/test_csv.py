"""CSV: the same figures, safe in a spreadsheet, and sent while they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.handlers.asgi import ASGIRequest
from rest_framework.test import APIClient

from telemetry import exports, reports
from telemetry.tests.written_ledger import NOON, STRANGE, call, execution, minutes

DAILY = "/api/v1/telemetry/costs/daily"
SUMMARY = "/api/v1/telemetry/summary"


def read(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8; header=present"
    text = b"".join(answer.streaming_content).decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_days_come_as_lines_with_local_times_and_exact_costs(root: APIClient) -> None:
    call(execution(), cost="0.0000000001", input_tokens=12)
    call(execution(), cost=None, model=STRANGE, at=NOON + minutes(60 * 24 * 20))
    answer = root.get(DAILY, {"format": "csv", "tz": "Europe/Berlin", "start": "2026-03-10", "end": "2026-03-30"})
    assert answer["Content-Disposition"] == 'attachment; filename="costs-daily.csv"'
    rows = read(answer)
    assert len(rows) == 21
    assert (rows[0]["date"], rows[0]["total_cost_usd"], rows[0]["input_tokens"]) == ("2026-03-10", "0.0000000001", "12")
    assert rows[0]["starts_at"] == "2026-03-10T00:00:00+01:00"
    assert rows[19] | {"date": "2026-03-29", "starts_at": "2026-03-29T00:00:00+01:00"} == rows[19]
    assert rows[19]["ends_at"] == "2026-03-30T00:00:00+02:00"
    # What is not known is empty, not zero.
    assert (rows[20]["total_cost_usd"], rows[20]["unpriced_call_count"]) == ("", "1")
    assert rows[1]["success_rate"] == ""


def test_accept_asks_for_csv_as_well_and_the_parameter_wins(root: APIClient) -> None:
    call(execution(), cost="0.5")
    accepted = {"Accept": "text/csv"}
    (row,) = read(root.get(SUMMARY, headers=accepted))
    assert row["total_cost_usd"] == "0.5"
    answer = root.get(SUMMARY, {"format": "json"}, headers=accepted)
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["total_cost_usd"] == "0.5"
    assert root.get(SUMMARY, headers={"Accept": "image/png"}).status_code == 406


def test_a_refusal_is_a_problem_whatever_was_asked_for(root: APIClient) -> None:
    answer = root.get(SUMMARY, {"start": "soon"}, headers={"Accept": "text/csv"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "VALIDATION_ERROR"
    answer = root.get("/api/v1/telemetry/executions/nothing/costs", {"format": "csv"})
    assert (answer.status_code, answer.json()["code"]) == (404, "EXECUTION_NOT_FOUND")


def test_every_call_has_its_own_line(root: APIClient) -> None:
    run = execution()
    call(run, cost="0.1", unit_prices={"output": "10", "input": "2"})
    call(run, at=NOON + minutes(1), cost="0.2", status="lost", is_estimated=True)
    rows = read(root.get(f"/api/v1/telemetry/executions/{run.pk}/costs", {"format": "csv", "tz": "Asia/Kathmandu"}))
    assert [(row["status"], row["cost_usd"], row["is_estimated"], row["latency_ms"]) for row in rows] == [
        ("succeeded", "0.1", "false", "1000"),
        ("lost", "0.2", "true", ""),
    ]
    assert rows[0]["started_at"] == "2026-03-10T17:45:00+05:45"
    assert rows[0]["unit_prices"] == '{"input": "2", "output": "10"}'


def test_statistics_come_as_one_line(root: APIClient) -> None:
    call(execution(), cost="0.25")
    (row,) = read(root.get("/api/v1/telemetry/workflows/test/stats", {"format": "csv"}))
    assert (row["workflow_id"], row["total_cost_usd"], row["avg_duration_ms"]) == ("test", "0.25", "")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(root: APIClient, sign: str) -> None:
    run = execution()
    call(run, stop_reason=f"{sign}cmd|' /C calc'!A0", model='quoted " and, comma')
    (row,) = read(root.get(f"/api/v1/telemetry/executions/{run.pk}/costs", {"format": "csv"}))
    assert row["stop_reason"] == f"'{sign}cmd|' /C calc'!A0"
    assert row["model"] == 'quoted " and, comma'


def test_long_exports_are_read_and_sent_a_page_at_a_time(root: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_PAGE", 3)
    monkeypatch.setattr(exports, "_PIECE", 2)
    run = execution()
    # Some were started at the same moment, across the edge of a page.
    for number in range(10):
        call(run, at=NOON + minutes(number // 4), cost=f"0.{number + 1:02}")
    answer = root.get(f"/api/v1/telemetry/executions/{run.pk}/costs", {"format": "csv"})
    pieces = [piece.decode() for piece in answer]
    assert len(pieces) == 5
    rows = list(csv.DictReader(io.StringIO("".join(pieces), newline="")))
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("0.55")
    assert len({row["call_id"] for row in rows}) == 10


async def test_an_asgi_server_gets_each_piece_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django would collect all of a plain iterator first, and say so by a warning, which fails a test."""
    monkeypatch.setattr(exports, "_PIECE", 1)
    made: list[int] = []

    def rows() -> Iterator[list[int]]:
        for number in range(3):
            made.append(number)
            yield [number]

    request = ASGIRequest({"type": "http", "method": "GET", "path": "/", "headers": []}, io.BytesIO())
    answer = exports.csv_response(request, "numbers", ["n"], rows(), ZoneInfo("UTC"))
    seen = [(piece.decode(), len(made)) async for piece in answer]
    assert seen == [("n\r\n0\r\n", 1), ("1\r\n", 2), ("2\r\n", 3)]


def test_what_a_cell_holds() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    shown = [exports.cell(value, berlin) for value in (None, True, 0, -1, 1.5, "", "-x", NOON, {"b": 1, "a": "=2"})]
    assert shown == ["", "true", "0", "-1", "1.5", "", "'-x", "2026-03-10T13:00:00+01:00", '{"a": "=2", "b": 1}']
