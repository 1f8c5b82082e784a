"""Whatever happens to calls, and whenever the sums are brought up to date: every total is the ledger's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from executions import ledger
from executions.llm.errors import Truncated
from executions.llm.values import CallProgress, ModelResponse
from executions.models import Execution, LLMCall
from telemetry import verification
from telemetry.repricing import reprice
from telemetry.rollup import rebuild
from telemetry.tests.written_ledger import HAIKU, SONNET, STRANGE, call, execution, roll_all

BASE = "/api/v1/telemetry"
BERLIN = ZoneInfo("Europe/Berlin")
# The clocks are put on in the night to the 29th.
BEGIN = datetime(2026, 3, 28, tzinfo=UTC)
MODELS = (SONNET, HAIKU, STRANGE)
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
OUTCOMES = ("", "document", "asked", "OUTPUT_INVALID", "OUTPUT_TRUNCATED", "worker_lost", "released", "Overloaded")

OF_CALL: dict[str, Callable[[LLMCall], str]] = {
    "model": lambda row: row.model,
    "step_id": lambda row: row.step.step_id,
    "workflow_id": lambda row: row.execution.workflow_id,
    "project_id": lambda row: row.execution.project_id,
}


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens: to a call of a run, or to the sums."""

    kind: str
    place: int
    model: str
    at: datetime
    tokens: tuple[int, ...]

    @property
    def outcome(self) -> str:
        """What the attempt is going to bring: why the next one is made."""
        return OUTCOMES[sum(self.tokens) % len(OUTCOMES)]

    @property
    def usage(self) -> dict[str, Any]:
        sent, written, read, five, hour = self.tokens
        return {
            "input_tokens": sent,
            "output_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": five + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        }


KINDS = ("answer", "answer", "fail", "truncate", "cancel", "lose", "lose and answer", "leave", "unpriced", "roll")
acts = st.builds(
    Act,
    kind=st.sampled_from((*KINDS, "reprice", "rebuild")),
    place=st.integers(0, 3),
    model=st.sampled_from(MODELS),
    at=st.integers(0, 3 * 86_400 * 4).map(lambda quarters: BEGIN + timedelta(microseconds=quarters * 250_000)),
    tokens=st.tuples(*[st.integers(0, 1_000_000)] * 5),
)


def carry_out(act: Act, runs: list[Execution]) -> Callable[[], None] | None:
    """Let it happen; return what is to happen later."""
    if act.kind in ("roll", "reprice", "rebuild"):
        how: dict[str, Callable[[], object]] = {
            "roll": partial(roll_all, act.at),
            "reprice": partial(reprice, is_dry_run=False),
            "rebuild": rebuild,
        }
        how[act.kind]()
        return None
    run = runs[act.place % 2]
    where: dict[str, Any] = {"step_id": f"step-{act.place}", "at": act.at, "model": act.model, "outcome": act.outcome}
    if act.kind == "unpriced":  # of a model that was not known then, and perhaps is now
        call(run, cost=None, usage=act.usage, **where)
        return None
    row = call(run, status="in_flight", **where)
    named: dict[str, Any] = {"execution_id": run.pk, "call_id": row.pk, "model": act.model, "request_chars": 9_000}
    progress = CallProgress(was_sent=True, usage=act.usage, text_chars=700)
    answered = [(run.pk, row.pk, response(act))]
    match act.kind:
        case "answer":
            ledger.book_responses(answered)
        case "fail":
            ledger.book_failure(error=Truncated("no"), progress=CallProgress(was_sent=True), **named)
        case "truncate":
            ledger.book_failure(error=Truncated("cut"), progress=progress, **named)
        case "cancel":
            ledger.book_cancelled(progress=progress, **named)
        case "lose":
            ledger.book_lost(**named)
        case "lose and answer":
            ledger.book_lost(**named)
            return lambda: ledger.book_responses(answered)
    return None


def response(act: Act) -> ModelResponse:
    return ModelResponse(
        text="{}",
        stop_reason="end_turn",
        usage=act.usage,
        model=act.model,
        message_id="msg",
        request_id="req",
        latency_ms=act.tokens[0],
        ttft_ms=1,
    )


def reckoned(rows: Iterable[LLMCall]) -> dict[str, Any]:
    """Add up ledger rows in the plainest way."""
    found = list(rows)
    costs = [row.cost_usd for row in found if row.cost_usd is not None]
    unpriced = [row for row in found if row.cost_usd is None and row.status != "in_flight"]
    return {
        "calls": len(found),
        "cost": None if unpriced and not sum(costs) else sum(costs, Decimal(0)),
        "unpriced": len(unpriced),
        "estimated": sum((row.cost_usd or Decimal(0) for row in found if row.is_estimated), Decimal(0)),
        "errors": sum(row.status in ("failed", "lost") for row in found),
        **{name: sum(getattr(row, name) for row in found) for name in TOKENS},
    }


def told(body: dict[str, Any]) -> dict[str, Any]:
    """Return the same of an answer, or of a line of CSV."""
    cost = body["total_cost_usd"]
    return {
        "calls": int(body.get("total_calls") or body.get("call_count") or 0),
        "cost": Decimal(cost) if cost else None,
        "unpriced": int(body["unpriced_call_count"]),
        "estimated": Decimal(body["estimated_cost_usd"]),
        "errors": int(body["error_count"]),
        **{name: int(body[name]) for name in TOKENS},
    }


def together(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add up what was told of parts."""
    listed = list(parts)
    sums = {name: sum(part[name] or 0 for part in listed) for name in reckoned([])}
    return sums | {"cost": sums["cost"] or (None if sums["unpriced"] else 0)}


def lines(client: APIClient, url: str, query: dict[str, str]) -> list[dict[str, str]]:
    answer = client.get(url, {**query, "format": "csv"})
    text = b"".join(answer).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def check(client: APIClient) -> None:
    """Ask for everything, and compare it with the rows."""
    rows = list(LLMCall.objects.select_related("execution", "step"))
    expected = reckoned(rows)
    period = {"start": "2026-03-27", "end": "2026-04-01", "tz": "Europe/Berlin"}
    assert told(client.get(f"{BASE}/summary").json()) == expected
    assert told(client.get(f"{BASE}/summary", period).json()) == expected
    days = client.get(f"{BASE}/costs/daily", period).json()["results"]
    for day in days:
        of_day = [row for row in rows if row.started_at.astimezone(BERLIN).date() == date.fromisoformat(day["date"])]
        assert told(day) == reckoned(of_day)
    assert together(map(told, days)) == expected
    assert together(map(told, lines(client, f"{BASE}/costs/daily", period))) == expected
    assert together(told(day) for day in client.get(f"{BASE}/costs/daily").json()["results"]) == expected
    for name, of in OF_CALL.items():
        for value in {of(row) for row in rows}:
            of_value = reckoned(row for row in rows if of(row) == value)
            assert told(client.get(f"{BASE}/summary", {name: value, **period}).json()) == of_value
    for run in Execution.objects.all():
        of_run = reckoned(row for row in rows if row.execution_id == run.pk)
        assert told(client.get(f"{BASE}/executions/{run.pk}/costs").json()) == of_run
        each = lines(client, f"{BASE}/executions/{run.pk}/costs", {})
        assert sum(Decimal(line["cost_usd"] or 0) for line in each) == (of_run["cost"] or 0)
        assert run.cost_usd == (of_run["cost"] or 0)
    assert list(verification.differences()) == []


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=st.lists(acts, max_size=10), when_asked=st.integers(0, 10))
def test_every_total_is_the_sum_of_the_ledgers_rows(root: APIClient, happenings: list[Act], when_asked: int) -> None:
    with transaction.atomic():
        play(root, happenings, when_asked)
        transaction.set_rollback(True)


def play(client: APIClient, happenings: list[Act], when_asked: int) -> None:
    """Let things happen, ask in between, and see to what was left for later at the end."""
    runs = [execution("apollo"), execution("gemini", workflow_id="other")]
    later: list[Callable[[], None]] = []
    # The time of a call is the database's, so it is never before a time that the sums have reached.
    for number, act in enumerate(sorted(happenings, key=lambda each: each.at)):
        if number == when_asked:
            check(client)
        if (rest := carry_out(act, runs)) is not None:
            later.append(rest)
    roll_all()
    for rest in later:
        rest()
    check(client)
    roll_all()
    check(client)
