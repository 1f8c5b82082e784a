"""The tables of the cost pages as files: the same filter, the same figures, to the last decimal."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from executions.services.budgets import set_budget
from executions.tests.admin.desk import at_desk
from executions.tests.engine_cast import person
from executions.tests.pages.visitors import links, visitor
from telemetry.pages.files import TABLES
from telemetry.tests.written_ledger import HAIKU, NOON, STRANGE, call, execution, minutes, project, roll_all

pytestmark = pytest.mark.django_db

MARCH = "from=2026-03-01&to=2026-03-31"
TINY = "0.0000000001"


def read(client: Client, slug: str, query: str = MARCH) -> list[dict[str, str]]:
    answer: Any = client.get(f"/costs/{slug}.csv?{query}")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv; charset=utf-8")
    assert answer["Content-Disposition"].startswith(f'attachment; filename="costs-{slug}-')
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows if row[column]), Decimal(0))


def ledger() -> Decimal:
    """Write calls around the night in which Berlin changes its clocks; return what they cost."""
    first, second = execution("apollo"), execution("gemini", "other")
    night = NOON.replace(day=28, hour=22, minute=30)
    prices = {"input": "3", "output": "15"}
    for number in range(9):
        call(
            (first, second)[number % 2],
            at=night + minutes(30 * number),
            cost=f"0.0{number + 1}00000001",
            model=HAIKU if number % 3 else "claude-sonnet-5-5",
            step_id=f"step{number % 4}",
            status=("succeeded", "failed", "cancelled", "lost")[number % 4],
            input_tokens=1000 * number,
            output_tokens=77,
            unit_prices=prices,
        )
    call(first, at=night, cost=TINY, status="lost")
    call(second, at=night, cost=None, model=STRANGE)
    return Decimal("0.4500000009") + Decimal(TINY)


@pytest.mark.parametrize("is_rolled", [False, True], ids=["ledger", "sums"])
def test_every_table_adds_up_to_what_the_ledger_says(is_rolled: bool) -> None:
    spent = ledger()
    if is_rolled:
        roll_all()
    client = at_desk("vic")
    for zone in ("UTC", "Europe/Berlin"):
        query = f"{MARCH}&tz={zone}"
        for group in ("model", "workflow", "step", "kind"):
            rows = read(client, "daily", f"{query}&group={group}")
            assert len(rows) == 31
            assert total(rows, "total_cost_usd") == spent
            parts = [name for name in rows[0] if name not in ("date", "total_cost_usd", "currency")]
            assert sum((total(rows, name) for name in parts), Decimal(0)) == spent
        for slug in ("rework", "outcomes", "tokens", "workflows", "calls", "executions"):
            assert total(read(client, slug, query), "cost_usd") == spent, slug
        shares = [read(client, "steps", f"{query}&workflow={workflow}") for workflow in ("test", "other")]
        assert sum((total(rows, "cost_usd") for rows in shares), Decimal(0)) == spent
    # A day in Berlin that had 23 hours: what came before it is of the day before.
    days = {row["date"]: Decimal(row["total_cost_usd"]) for row in read(client, "daily", f"{MARCH}&tz=Europe/Berlin")}
    assert days["2026-03-28"] == Decimal("0.0100000001") + Decimal(TINY)
    assert days["2026-03-29"] == spent - days["2026-03-28"]


def test_files_obey_the_filter_of_the_page_that_offers_them() -> None:
    ledger()
    client = at_desk("vic")
    page = client.get(f"/costs/?{MARCH}&model={STRANGE}&tz=Asia/Kathmandu")
    offered = [each for each in links(page) if ".csv" in each]
    assert len(offered) == 9
    for each in offered:
        assert each.endswith(f".csv?{MARCH}&model={STRANGE}&tz=Asia%2FKathmandu")
        assert client.get(each).status_code == 200
    (row,) = read(client, "calls", f"{MARCH}&model={STRANGE}&tz=Asia/Kathmandu")
    # Unknown is empty, not zero; times have the offset of the zone.
    assert (row["cost_usd"], row["currency"], row["workflow_id"]) == ("", "USD", "other")
    assert row["started_at"] == "2026-03-29T04:15:00+05:45"
    assert read(client, "workflows", f"{MARCH}&model={STRANGE}")[0]["cost_usd"] == ""


def test_calls_without_a_price_can_be_had_alone() -> None:
    ledger()
    call(execution(), cost=None, status="in_flight")
    rows = read(at_desk("vic"), "calls", f"{MARCH}&unpriced=1")
    assert [row["model"] for row in rows] == [STRANGE]


def test_the_drill_down_offers_files_of_what_it_shows() -> None:
    ledger()
    client = at_desk("vic")
    page = client.get(f"/costs/workflows/test/step0/?{MARCH}")
    calls = next(each for each in links(page) if "/calls.csv" in each)
    rows = read(client, "calls", calls.split("?")[1])
    assert {(row["workflow_id"], row["step_id"]) for row in rows} == {("test", "step0")}
    assert len(rows) == 3
    # The days are those of the page, which stacks them by step.
    days = next(each for each in links(client.get(f"/costs/workflows/test/?{MARCH}")) if "/daily.csv" in each)
    assert "step0" in read(client, "daily", days.split("?")[1])[0]
    steps = next(each for each in links(client.get(f"/costs/workflows/test/?{MARCH}")) if "/steps.csv" in each)
    assert [row["step_id"] for row in read(client, "steps", steps.split("?")[1])]


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless_also_as_a_heading() -> None:
    call(execution(), cost="0.5", model="=cmd|' /C calc'!A0", step_id="+sum")
    client = at_desk("vic")
    (row,) = read(client, "calls")
    assert (row["model"], row["step_id"]) == ("'=cmd|' /C calc'!A0", "'+sum")
    assert "'=cmd|' /C calc'!A0" in read(client, "daily")[0]
    assert "'+sum" in read(client, "daily", f"{MARCH}&group=step")[0]


def test_what_one_may_not_see_is_in_no_file() -> None:
    ledger()
    project("vault", "olga")
    call(execution("vault", "secret_plan"), cost="99", model="secret-model", step_id="secret_step")
    call(execution("vault", "secret_plan"), cost=None, model="secret-model", step_id="secret_step")
    vic, olga = at_desk("vic"), at_desk("olga")
    for slug in [*TABLES, "calls"]:
        query = f"{MARCH}&group=workflow"
        assert "secret" not in str(read(vic, slug, query)), slug
        if slug not in ("rework", "outcomes", "tokens", "waits", "budgets"):
            assert "secret" in str(read(olga, slug, query)), slug


def test_a_table_that_is_too_long_for_a_page_is_whole_in_its_file() -> None:
    run = execution()
    for number in range(203):
        call(run, step_id=f"step{number}", cost="0.01", latency_ms=10)
    client = at_desk("vic")
    page = client.get(f"/costs/?{MARCH}").content.decode()
    assert "The first 50 of 203; the file has all of them." in page
    assert len(read(client, "latency")) == 203


def test_budgets_are_exact_in_their_file() -> None:
    now = timezone.now()
    call(execution("apollo"), cost="0.0000000007", at=now)
    root = person("root")
    root.is_staff = True
    root.save()
    set_budget(
        actor=root, project_id="apollo", workflow_id="", period="month", amount_usd=Decimal("0.5000000001"), at=now
    )
    (row,) = read(visitor("root"), "budgets", "tz=UTC")
    assert (row["project_id"], row["amount_usd"], row["spent_usd"]) == ("apollo", "0.5000000001", "0.0000000007")
    assert row["starts_at"].endswith("-01T00:00:00+00:00")
