"""Whatever happens to calls, and whenever the sums are brought up to date: the cost pages show the ledger's figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions.models import Attempt, LLMCall
from telemetry import queries, verification
from telemetry.dashboard import page, series
from telemetry.dashboard.values import Filter, Group, Kind, Stacked
from telemetry.queries import Scope
from telemetry.tests.test_property import BEGIN, Act, acts, carry_out
from telemetry.tests.written_ledger import execution, roll_all

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 4, 2, 12, tzinfo=BEGIN.tzinfo)
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati")]
ZERO = Decimal(0)
CAUSES = {
    "": "first",
    "document": "rework",
    "asked": "answer",
    "OUTPUT_INVALID": "correction",
    "OUTPUT_TRUNCATED": "correction",
    "worker_lost": "worker",
    "released": "worker",
    "Overloaded": "provider",
}
KEYS: dict[Group, Callable[[LLMCall], str]] = {
    Group.MODEL: lambda row: row.model,
    Group.WORKFLOW: lambda row: row.execution.workflow_id,
    Group.STEP: lambda row: row.step.step_id,
}


def rate(row: LLMCall, kind: str) -> Decimal:
    """Return what a million tokens cost a call, as its price data says."""
    price = row.unit_prices.get(kind, "0")
    if isinstance(price, str):
        return Decimal(price)
    prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_5m_tokens + row.cache_write_1h_tokens
    reached = [step["price"] for step in price["tiers"] if prompt > step["start"]]
    return Decimal(reached[-1] if reached else price["base"])


def kinds_of(row: LLMCall) -> dict[str, Decimal]:
    costs = {
        kind.value: (getattr(row, f"{kind}_tokens") * rate(row, kind) / 1_000_000).quantize(
            Decimal("1e-10"), ROUND_HALF_UP
        )
        for kind in Kind
        if kind != Kind.OTHER
    }
    return {**costs, "other": (row.cost_usd or ZERO) - sum(costs.values())}


def saved_by(row: LLMCall) -> Decimal:
    plain = rate(row, "input")
    return (
        row.cache_read_tokens * (plain - rate(row, "cache_read"))
        - row.cache_write_5m_tokens * (rate(row, "cache_write_5m") - plain)
        - row.cache_write_1h_tokens * (rate(row, "cache_write_1h") - plain)
    ) / 1_000_000


def cause_of(row: LLMCall) -> str:
    before = Attempt.objects.filter(step_id=row.step_id, n=row.attempt.n - 1).first()
    return CAUSES[before.outcome] if before else "first"


def cost(rows: Iterable[LLMCall]) -> Decimal:
    return sum((row.cost_usd or ZERO for row in rows), ZERO)


def gathered(rows: Iterable[LLMCall], key: Callable[[LLMCall], Any]) -> dict[Any, list[LLMCall]]:
    found: dict[Any, list[LLMCall]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def check_days(asked: Filter, rows: list[LLMCall]) -> None:
    """Compare every bar with the calls of its day in the zone."""
    shown = page.stacked(asked, now=NOW)
    by_day = gathered(rows, lambda row: row.started_at.astimezone(asked.zone).date())
    assert shown.totals == [cost(by_day[day]) for day in shown.days]
    for number, day in enumerate(shown.days):
        bars = {each.key: each.values[number] for each in shown.series if each.values[number]}
        if asked.group is Group.KIND:
            expected: dict[str, Decimal] = defaultdict(Decimal)
            for row in by_day[day]:
                for kind, part in kinds_of(row).items():
                    expected[kind] += part
        else:
            expected = {key: cost(found) for key, found in gathered(by_day[day], KEYS[asked.group]).items()}
        assert bars == {key: value for key, value in expected.items() if value}
    if asked.group is not Group.KIND:
        counted = {each.key: (each.call_count, each.unpriced_count) for each in shown.series}
        for key, found in gathered(rows, KEYS[asked.group]).items():
            assert counted[key] == (len(found), sum(is_unpriced(row) for row in found))
    check_weeks(asked, shown)


def check_weeks(asked: Filter, shown: Stacked) -> None:
    """Compare the bars by week with those by day."""
    weekly = series.stacked(asked, queries.reach(), now=NOW, is_weekly=True)
    begins = [at for at, day in enumerate(shown.days) if at == 0 or day.weekday() == 0]
    stretches = list(pairwise([*begins, len(shown.days)]))

    def in_weeks(amounts: Sequence[Decimal]) -> list[Decimal]:
        return [sum(amounts[first:last], ZERO) for first, last in stretches]

    assert (weekly.days, weekly.last_day) == ([shown.days[at] for at in begins], shown.days[-1])
    assert weekly.totals == in_weeks(shown.totals)
    assert {each.key: (list(each.values), each.call_count, each.unpriced_count) for each in weekly.series} == {
        each.key: (in_weeks(each.values), each.call_count, each.unpriced_count) for each in shown.series
    }


def is_unpriced(row: LLMCall) -> bool:
    return row.cost_usd is None and row.status != "in_flight"


def check_totals(asked: Filter, rows: list[LLMCall]) -> None:
    shown = page.dashboard(asked, now=NOW)
    spent, unpriced = cost(rows), sum(is_unpriced(row) for row in rows)
    assert shown.cards.call_count.now == len(rows)
    assert shown.cards.spend_usd.now == (None if unpriced and not spent else spent)
    assert shown.cards.unpriced_count.now == unpriced == sum(row.call_count for row in shown.unpriced)
    causes = gathered(rows, cause_of)
    assert {row.cause.value: (row.call_count, row.cost_usd) for row in shown.rework.causes if row.call_count} == {
        cause: (len(found), cost(found)) for cause, found in causes.items()
    }
    assert shown.rework.rework_usd == spent - cost(causes["first"]) - cost(causes["answer"])
    ended = gathered(rows, lambda row: row.status)
    for row in shown.rework.statuses:
        assert (row.call_count, row.cost_usd) == (len(ended[row.status]), cost(ended[row.status]))
    for kind in shown.tokens.kinds:
        assert kind.cost_usd == sum((kinds_of(row)[kind.kind] for row in rows), ZERO)
        assert kind.token_count is None or kind.token_count == sum(getattr(row, f"{kind.kind}_tokens") for row in rows)
    assert sum((kind.cost_usd for kind in shown.tokens.kinds), ZERO) == spent
    assert shown.tokens.saved_usd == sum(map(saved_by, rows), ZERO)
    workflows = {each.workflow_id: (each.call_count, each.cost_usd or ZERO) for each in shown.workflows}
    for name, found in gathered(rows, KEYS[Group.WORKFLOW]).items():
        assert workflows[name] == (len(found), cost(found))
        steps = page.workflow_steps(replace(asked, scope=Scope(workflow_id=name)), now=NOW)
        assert {each.step_id: (each.call_count, each.cost_usd or ZERO) for each in steps} == {
            step: (len(of_step), cost(of_step)) for step, of_step in gathered(found, KEYS[Group.STEP]).items()
        }


def check_times(asked: Filter, rows: list[LLMCall]) -> None:
    """A percentile is at most a tenth off."""
    took = gathered(
        (row for row in rows if row.status == "succeeded" and row.latency_ms is not None),
        lambda row: (row.execution.workflow_id, row.step.step_id, row.model),
    )
    shown = {(each.workflow_id, each.step_id, each.model): each.latency for each in page.latencies(asked, now=NOW)}
    for place, found in took.items():
        times = sorted(row.latency_ms or 0 for row in found)
        assert shown[place].count == len(times)
        for percent, told in ((50, shown[place].p50_ms), (95, shown[place].p95_ms)):
            exact = times[-(-len(times) * percent // 100) - 1]
            assert told is not None
            assert abs(told - exact) <= max(exact * 0.1, 1)


def check(zone: ZoneInfo) -> None:
    rows = list(LLMCall.objects.select_related("execution", "step", "attempt"))
    period = Filter(scope=Scope(), zone=zone, start=date(2026, 3, 27), end=date(2026, 4, 2))
    for group in Group:
        check_days(replace(period, group=group), rows)
    check_totals(period, rows)
    check_times(period, rows)
    for scope in (Scope(workflow_id="other"), Scope(step_id="step-1"), Scope(projects=["apollo"])):
        named = [
            row
            for row in rows
            if scope.workflow_id in (None, row.execution.workflow_id)
            and scope.step_id in (None, row.step.step_id)
            and (scope.projects is None or row.execution.project_id in scope.projects)
        ]
        check_days(replace(period, scope=scope, group=Group.KIND), named)
        assert page.cards(replace(period, scope=scope), now=NOW).call_count.now == len(named)
    # Shorter than the calls go: what is left out at both ends is of the period before, or of none.
    short = replace(period, start=date(2026, 3, 29), end=date(2026, 3, 30))
    days = gathered(rows, lambda row: row.started_at.astimezone(zone).date())
    cards = page.cards(short, now=NOW)
    assert cards.call_count.now == len(days[date(2026, 3, 29)]) + len(days[date(2026, 3, 30)])
    assert cards.call_count.before == len(days[date(2026, 3, 27)]) + len(days[date(2026, 3, 28)])
    assert list(verification.differences()) == []


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=st.lists(acts, min_size=1, max_size=12), zone=st.sampled_from(ZONES))
def test_the_pages_figures_are_the_sums_of_the_ledgers_rows(happenings: list[Act], zone: ZoneInfo) -> None:
    with transaction.atomic():
        runs = [execution("apollo"), execution("gemini", workflow_id="other")]
        later = [carry_out(act, runs) for act in sorted(happenings, key=lambda each: each.at)]
        check(zone)
        roll_all()
        for rest in filter(None, later):
            rest()
        roll_all()
        check(zone)
        transaction.set_rollback(True)
