"""The figures of the cost pages: who they are of, how many statements they take, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from executions.tests.engine_cast import person
from telemetry import queries
from telemetry.dashboard import page
from telemetry.dashboard.values import Filter, Group
from telemetry.days import UTC_ZONE
from telemetry.models import Durations, SpanSums
from telemetry.rollup import rebuild
from telemetry.tests.counting import Counted
from telemetry.tests.written_ledger import HAIKU, NOON, SONNET, STRANGE, call, execution, project, roll_all

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MARCH = {"start": date(2026, 3, 1), "end": date(2026, 3, 31)}


def asked(who: str = "root", **given: Any) -> Filter:
    return Filter(scope=queries.visible_to(person(who)), **{"zone": UTC_ZONE, **MARCH, **given})


def shown(who: str = "root", **given: Any) -> Any:
    found = page.dashboard(asked(who, **given), now=NOW)
    # What is asked names the projects that are left out; the figures must not.
    return replace(found, filter=asked("root", **given))


def full_ledger(project_id: str = "apollo") -> None:
    run = execution(project_id, status="failed", completed_at=NOON)
    for number in range(12):
        call(
            run,
            step_id=f"step-{number % 3}",
            at=NOON - timedelta(days=number * 4, hours=number),
            model=(SONNET, HAIKU)[number % 2],
            outcome="OUTPUT_INVALID",
            input_tokens=1000,
            time_to_first_token_ms=400,
        )
    call(run, cost=None, model=STRANGE)
    call(run, status="in_flight")


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
@pytest.mark.parametrize("who", ["olga", "vic", "ed"])
def test_a_project_that_somebody_may_not_see_changes_no_figure_of_theirs(who: str, is_rolled: bool) -> None:
    project("hers", "olga")
    project("his", "vic")
    for name in {"olga": ("hers",), "vic": ("his",), "ed": ()}[who]:
        full_ledger(name)
    full_ledger("open")
    if is_rolled:
        roll_all()
    for zone in (UTC_ZONE, ZoneInfo("Europe/Berlin")):
        before = [shown(who, zone=zone, group=group) for group in Group]
        for name in {"hers", "his"} - {"olga": {"hers"}, "vic": {"his"}, "ed": set()}[who]:
            full_ledger(name)
        if is_rolled:
            rebuild()
        assert [shown(who, zone=zone, group=group) for group in Group] == before
    assert before[0].cards.call_count.now != shown("root").cards.call_count.now


def test_without_a_role_nothing_is_seen() -> None:
    full_ledger()
    roll_all()
    found = shown("nobody")
    assert (found.cards.call_count.now, found.cards.execution_count.now, found.stacked.series) == (0, 0, [])
    assert (found.latencies, found.workflows, found.dearest, found.unpriced, found.prices) == ([], [], [], [], [])


def test_the_number_of_statements_does_not_depend_on_what_there_is() -> None:
    def count(given: Filter) -> int:
        with Counted() as captured:
            page.dashboard(given, now=NOW)
        return len(captured)

    empty = count(asked())
    full_ledger()
    roll_all()
    full_ledger("gemini")
    year = asked(zone=ZoneInfo("Asia/Kolkata"), start=date(2025, 4, 1), end=date(2026, 3, 31), group=Group.STEP)
    assert count(asked()) == count(year) == empty == 8


def test_what_is_not_known_is_none_and_never_zero() -> None:
    call(execution(), cost=None, model=STRANGE, status="lost")
    found = shown()
    assert (found.cards.spend_usd.now, found.cards.spend_usd.before) == (None, 0)
    assert (found.cards.cost_per_accepted_usd.now, found.cards.first_pass_rate.now) == (None, None)
    assert (found.cards.rework_rate.now, found.cards.failure_rate.now) == (None, None)
    assert found.forecast.forecast_usd is None or found.forecast.spent_usd == 0
    assert found.waits.model.p50_ms is None
    assert found.tokens.cache_hit_rate is None
    (row,) = found.workflows
    assert (row.cost_usd, row.unpriced_count) == (None, 1)
    (unpriced,) = found.unpriced
    assert (unpriced.model, unpriced.call_count, unpriced.is_known_now) == (STRANGE, 1, False)
    (price,) = found.prices
    assert (price.model, price.input_usd, price.price_version) == (STRANGE, None, "genai-prices 0.2.3")


def test_a_price_that_depends_on_the_prompts_length_has_a_line_for_each() -> None:
    call(execution(), model=HAIKU)
    lines = [(row.from_tokens, row.input_usd, row.output_usd) for row in shown().prices]
    assert lines == [(0, Decimal("0.1"), Decimal("0.5")), (100_000, Decimal("0.5"), Decimal("2.5"))]


def test_the_forecast_goes_on_as_the_last_seven_whole_days() -> None:
    run = execution()
    for number in range(10):
        call(run, cost="0.7", at=NOON + timedelta(days=number))
    found = shown().forecast
    # The 10th to the 19th; the 20th is half over.
    assert (found.first_day, found.today, found.last_day) == (date(2026, 3, 1), date(2026, 3, 20), date(2026, 3, 31))
    assert (found.spent_usd, found.daily_mean_usd) == (7, Decimal("0.7"))
    assert found.forecast_usd == 7 + Decimal("0.7") * Decimal("11.5")
    assert len(found.spent_by_day) == 20
    assert sum(found.spent_by_day) == 7


def test_the_dearest_runs_are_told_by_what_the_named_calls_cost() -> None:
    cheap, dear = execution(), execution("gemini", workflow_id="other")
    call(cheap, cost="0.3", step_id="plan")
    call(dear, cost="0.1", step_id="plan")
    call(dear, cost="5", step_id="write", model=HAIKU)
    execution("idle")
    assert [(row.execution_id, row.cost_usd) for row in shown().dearest] == [
        (dear.pk, Decimal("5.1")),
        (cheap.pk, Decimal("0.3")),
    ]
    plan = replace(asked(), scope=queries.Scope(step_id="plan"))
    assert [row.execution_id for row in page.dearest(plan, now=NOW)] == [cheap.pk, dear.pk]
    haiku = replace(asked(), scope=queries.Scope(model=HAIKU))
    assert [(row.execution_id, row.cost_usd) for row in page.dearest(haiku, now=NOW)] == [(dear.pk, Decimal(5))]
    assert [each.execution_id for each in page.calls(haiku)] == [dear.pk]


def test_a_day_that_is_added_up_anew_leaves_the_rest_of_its_month_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.rollup.HOLD", timedelta(0))
    run = execution()
    call(run, cost="1", at=NOON - timedelta(days=3))
    lost = call(run, cost="2", status="lost", time_to_first_token_ms=300)
    roll_all()
    lost.status, lost.cost_usd, lost.latency_ms, lost.time_to_first_token_ms = "succeeded", Decimal(4), 9000, 900
    lost.save()
    roll_all()
    month = SpanSums.objects.get(span="month", project_id="*")
    assert (month.cost_usd, month.lost_count, month.succeeded_count) == (Decimal(5), 0, 2)
    assert sum(Durations.objects.get(span="month", project_id="*").counts) == 3
    assert shown().cards.spend_usd.now == 5
