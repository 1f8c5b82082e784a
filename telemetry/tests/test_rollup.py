"""The sums: each call is in them once, or read from the ledger, whatever the timing; and what watches over that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from procrastinate.contrib.django import app
from rest_framework.test import APIClient

from executions import ledger
from executions.models import Execution, LLMCall
from executions.wakeups import QUEUE
from telemetry import jobs, queries, rollup, verification
from telemetry.models import DaySums, LostCall, OpenCall, SlotSums, StepSums, Watermark
from telemetry.repricing import reprice
from telemetry.tests.written_ledger import NOON, SONNET, STRANGE, call, execution, minutes, roll_all
from telemetry.totals import Totals

pytestmark = pytest.mark.django_db


def total(**asked: Any) -> Totals:
    return queries.total(queries.Scope(**asked), queries.reach())


def test_sums_are_by_day_by_quarter_of_an_hour_and_by_step() -> None:
    apollo, gemini = execution(), execution("gemini")
    call(apollo, step_id="plan", cost="0.1", at=datetime(2026, 3, 10, 12, 14, 59, tzinfo=UTC))
    call(apollo, step_id="write", cost="0.2", at=datetime(2026, 3, 10, 12, 0, tzinfo=UTC))
    call(gemini, step_id="plan", cost="0.4", at=datetime(2026, 3, 10, 12, 15, tzinfo=UTC))
    roll_all()
    assert sorted(DaySums.objects.values_list("project_id", "cost_usd")) == [
        ("*", Decimal("0.7")),
        ("apollo", Decimal("0.3")),
        ("gemini", Decimal("0.4")),
    ]
    noon, later = NOON, NOON + minutes(15)
    assert sorted(SlotSums.objects.values_list("starts_at", "project_id", "cost_usd")) == [
        (noon, "*", Decimal("0.3")),
        (noon, "apollo", Decimal("0.3")),
        (later, "*", Decimal("0.4")),
        (later, "gemini", Decimal("0.4")),
    ]
    assert sorted(StepSums.objects.values_list("step_id", "project_id", "cost_usd")) == [
        ("plan", "apollo", Decimal("0.1")),
        ("plan", "gemini", Decimal("0.4")),
        ("write", "apollo", Decimal("0.2")),
    ]


def test_bringing_them_up_to_date_again_adds_nothing_twice() -> None:
    run = execution()
    call(run, cost="0.1")
    roll_all()
    roll_all()
    assert DaySums.objects.get(project_id="apollo").cost_usd == Decimal("0.1")
    call(run, cost="0.2", at=datetime.now(UTC) - timedelta(minutes=3))
    # It was begun before the watermark had moved so far, and is seen by nobody who looks only beyond it.
    Watermark.objects.update(rolled_until=NOON + minutes(1))
    roll_all()
    assert total().cost_usd == Decimal("0.3")


def test_a_call_is_added_when_it_is_over_and_not_before() -> None:
    run = execution()
    row = call(run, status="in_flight")
    roll_all()
    assert [each.call_id for each in OpenCall.objects.all()] == [row.pk]
    assert (total().in_flight_count, DaySums.objects.count()) == (1, 0)

    ledger.book_lost(execution_id=run.pk, call_id=row.pk, model=SONNET, request_chars=7000)
    roll_all()
    # Its worker may only be slow, and settle it yet.
    assert OpenCall.objects.count() == 1
    assert (total().lost_count, total().estimated_count) == (1, 1)

    LLMCall.objects.filter(pk=row.pk).update(status="succeeded", cost_usd=Decimal("0.7"), is_estimated=False)
    assert total().cost_usd == Decimal("0.7")
    roll_all()
    assert (OpenCall.objects.count(), DaySums.objects.get(project_id="apollo").cost_usd) == (0, Decimal("0.7"))
    assert total().cost_usd == Decimal("0.7")


def test_a_call_that_is_lost_for_long_is_added_and_corrected_should_its_worker_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollup, "HOLD", timedelta(0))
    run = execution()
    row = call(run, status="lost", cost="0.1", is_estimated=True)
    call(run, cost="5", at=NOON + minutes(1))
    roll_all()
    assert (OpenCall.objects.count(), LostCall.objects.count()) == (0, 1)
    assert (total().cost_usd, total().lost_count) == (Decimal("5.1"), 1)

    LLMCall.objects.filter(pk=row.pk).update(status="succeeded", cost_usd=Decimal("0.7"), is_estimated=False)
    roll_all()
    found = total()
    assert (found.cost_usd, found.lost_count, found.estimated_count) == (Decimal("5.7"), 0, 0)
    assert LostCall.objects.count() == 0
    assert list(verification.differences()) == []


def test_a_lost_call_is_added_once_it_was_lost_for_a_day() -> None:
    run = execution()
    call(run, status="lost", cost="0.1", finished_at=datetime.now(UTC) - timedelta(hours=23))
    long_ago = call(run, status="lost", cost="0.2", finished_at=datetime.now(UTC) - timedelta(hours=25))
    roll_all()
    assert [each.call_id for each in LostCall.objects.all()] == [long_ago.pk]
    assert OpenCall.objects.count() == 1
    assert DaySums.objects.get(project_id="apollo").cost_usd == Decimal("0.2")
    assert total().cost_usd == Decimal("0.3")


def test_calls_of_the_last_minutes_are_read_from_the_ledger() -> None:
    call(execution(), at=datetime.now(UTC), cost="0.5")
    roll_all()
    assert DaySums.objects.count() == 0
    assert total().cost_usd == Decimal("0.5")


def test_large_ledgers_are_added_in_chunks_also_where_many_calls_began_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollup, "CHUNK", 3)
    run = execution()
    for number in range(10):
        call(run, cost="0.1", at=NOON + minutes(number // 5))
    chunks = 0
    while rollup.roll_up():
        chunks += 1
        assert total().cost_usd == Decimal(1)
    assert chunks >= 2
    assert DaySums.objects.get(project_id="apollo").succeeded_count == 10


def test_the_watermark_never_goes_back() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    Watermark.objects.create(rolled_until=ahead)
    assert rollup.roll_up() is False
    assert Watermark.objects.get().rolled_until == ahead


def test_verify_costs_finds_what_differs_and_names_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    call(execution(), cost="0.1")
    call(execution(), cost=None, model=STRANGE)
    roll_all()
    call_command("verify_costs")
    assert capsys.readouterr().out == "The sums are the ledger's: 2 calls, 1 of them without a price, $0.1.\n"

    SlotSums.objects.filter(project_id="apollo").update(cost_usd=Decimal("0.1000000001"))
    StepSums.objects.filter(model=STRANGE).delete()
    DaySums.objects.create(**{**DaySums.objects.filter(project_id="*").values()[0], "id": None, "project_id": "gone"})
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_costs")
    assert stopped.value.code == 1
    found = capsys.readouterr().err
    assert (
        "telemetry_slotsums 2026-03-10T12:00:00+00:00 apollo: cost_usd is 0.1000000001, in the ledger 0.1000000000."
        in found
    )
    assert f"telemetry_stepsums 2026-03-10T12:00:00+00:00 apollo test note {STRANGE}" in found
    assert "telemetry_daysums 2026-03-10T00:00:00+00:00 gone: succeeded_count is 2, in the ledger None" in found
    assert "3 sums are not the ledger's" in found
    assert "roll_up_costs --rebuild" in found

    call_command("roll_up_costs", "--rebuild")
    call_command("verify_costs")


def test_verify_costs_finds_calls_that_would_be_counted_twice(capsys: pytest.CaptureFixture[str]) -> None:
    row = call(execution(), at=datetime.now(UTC))
    roll_all()
    OpenCall.objects.create(call_id=row.pk, started_at=row.started_at)
    with pytest.raises(SystemExit):
        call_command("verify_costs")
    assert f"Call {row.pk} is noted as open" in capsys.readouterr().err


def test_at_night_sums_that_differ_are_made_anew_and_somebody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    call(execution(), cost="0.1")
    roll_all()
    assert verification.mend() == 0
    # A row from a time that the sums have passed: by hand, no other way.
    call(execution(), cost="0.2", at=NOON - minutes(60))
    assert verification.mend() > 0
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.__dict__["action"] == "costs_differed"
    assert total().cost_usd == Decimal("0.3")
    assert verification.mend() == 0


def test_workers_have_the_jobs_that_keep_the_sums() -> None:
    kept = {name: each.task.queue for (name, _), each in app.periodic_registry.periodic_tasks.items()}
    assert kept["telemetry.roll_up"] == kept["telemetry.mend"] == QUEUE
    assert jobs.roll_up_costs.queueing_lock == "telemetry.roll_up"


USAGE = {"input_tokens": 1_000_000, "output_tokens": 100_000}


def test_reprice_prices_what_is_known_now_and_says_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """A million tokens of input at $2 and 100,000 of output at $10 a million: three dollars."""
    run = execution()
    old = call(run, cost=None, usage=USAGE, price_version="genai-prices 0.0.1")
    recent = call(run, cost=None, usage=USAGE, at=datetime.now(UTC))
    call(run, cost=None, usage=USAGE, model=STRANGE)
    call(run, cost=None, status="in_flight")
    roll_all()

    call_command("reprice", "--dry-run")
    said = capsys.readouterr().out
    assert f"{SONNET}: 2 calls, $6" in said
    assert "2 calls would be priced with genai-prices" in said
    assert f"{STRANGE}: 1 calls stay without a price" in said
    assert (total().cost_usd, total().unpriced_count) == (Decimal(0), 3)

    call_command("reprice")
    assert "2 calls priced with genai-prices" in capsys.readouterr().out
    assert (total().cost_usd, total().unpriced_count) == (Decimal(6), 1)
    for row in (old, recent):
        row.refresh_from_db()
        assert row.cost_usd == Decimal(3)
        assert row.unit_prices == {"input": "2", "output": "10", "cache_read": "0.20", **row.unit_prices}
        assert row.price_version.startswith("genai-prices ")
        assert row.price_version != "genai-prices 0.0.1"
    run.refresh_from_db()
    assert run.cost_usd == Decimal(6)
    call_command("verify_costs")
    call_command("reprice")
    assert "There is nothing to price." in capsys.readouterr().out


def test_reprice_leaves_alone_what_was_settled_in_between() -> None:
    row = call(execution(), cost=None, status="lost", usage=USAGE, is_estimated=True)
    (found,) = ledger.unpriced_calls(after=None, limit=10)
    LLMCall.objects.filter(pk=row.pk).update(status="succeeded", usage={}, is_estimated=False)
    ledger.book_prices([(found, ledger.find_price(found))])
    row.refresh_from_db()
    assert row.cost_usd is None


def test_many_calls_are_repriced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.repricing._CHUNK", 2)
    for _ in range(5):
        call(execution(), cost=None, usage=USAGE, model=SONNET)
    roll_all()
    assert reprice(is_dry_run=False).priced == {SONNET: 5}
    assert total().cost_usd == Decimal(15)
    assert DaySums.objects.get(project_id="apollo").cost_usd == Decimal(15)


@contextmanager
def elsewhere(begin: threading.Event, go_on: threading.Event, act: Any) -> Iterator[None]:
    """Do something in a transaction of another connection that stays open until ``go_on``."""

    def work() -> None:
        try:
            with transaction.atomic():
                act()
                begin.set()
                assert go_on.wait(60)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begin.wait(60)
        yield
    finally:
        go_on.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_call_that_is_not_committed_yet_is_never_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is before what the sums would reach; but for its transaction, they would pass it by."""
    monkeypatch.setattr(rollup, "MARGIN", timedelta(0))
    run, other = execution(), execution()
    begun, go_on = threading.Event(), threading.Event()
    with elsewhere(begun, go_on, lambda: call(other, at=_database_time(), cost="0.5")):
        call(run, at=_database_time(), cost="0.25")
        roll_all()
        assert total().cost_usd == Decimal("0.25")
    assert total().cost_usd == Decimal("0.75")
    roll_all()
    assert DaySums.objects.get(project_id="apollo").cost_usd == Decimal("0.75")


@pytest.mark.django_db(transaction=True)
def test_of_two_that_bring_them_up_to_date_one_leaves_it_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all()
    call(execution(), cost="0.5", at=datetime.now(UTC) - timedelta(seconds=1))
    monkeypatch.setattr(rollup, "MARGIN", timedelta(0))
    begun, go_on = threading.Event(), threading.Event()
    with elsewhere(begun, go_on, rollup.locked_watermark):
        assert rollup.roll_up() is False
        assert DaySums.objects.count() == 0
    roll_all()
    assert DaySums.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_readers_see_one_state_while_the_sums_are_made_anew(root: APIClient) -> None:
    call(execution(), cost="0.5")
    roll_all()
    begun, go_on = threading.Event(), threading.Event()
    with elsewhere(begun, go_on, rollup.rebuild):
        assert root.get("/api/v1/telemetry/summary").json()["total_cost_usd"] == "0.5"
    assert root.get("/api/v1/telemetry/summary").json()["total_cost_usd"] == "0.5"
    assert Execution.objects.count() == 1


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at
