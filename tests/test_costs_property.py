"""Whatever happens to runs, every figure of what they cost is the same, wherever it is read, and the model's own.

Real runs (see tests/wire_runs.py): usage comes over the wire, from a server that keeps its own account. Their calls are
then moved to the days around a change of clocks.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from executions.llm import pricing
from executions.llm.offline.replies import Reply
from executions.llm.offline.scripted import ScriptedModel
from executions.models import LLMCall
from executions.tests import invariants
from executions.tests.api.conftest import Caller, caller
from executions.tests.driving import asking
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, epics, fork, reviewed, single
from executions.tests.engine_world import empty_the_tables
from executions.tests.pages.visitors import visitor
from telemetry.tests.test_property import BASE, TOKENS, check, reckoned, together, told
from telemetry.tests.written_ledger import roll_all
from tests import shown_costs
from tests.wire_runs import Fate, Wire

__all__ = ["caller"]

# Days of 24, 23 and 24 hours in Berlin.
BEGIN = datetime(2026, 3, 27, 23, tzinfo=UTC)
MINUTES = 3 * 24 * 60
WEEK = ("2026-03-26", "2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31", "2026-04-01")
PLACES = Decimal("0.0000000001")

WORKFLOWS = {
    "single": single(),
    "haiku": single(model="haiku"),
    "no price": single(model="claude-mythos-5"),
    "reviewed": reviewed("editor"),
    "fork": fork(),
    "epics": epics(),
    "chain": chain(2, model="opus"),
}
USAGE = st.builds(
    lambda sent, written, read, five, hour: {
        "input_tokens": sent,
        "output_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
    },
    *[st.integers(0, 300_000)] * 5,
)
# Documents most of the time; what fails a content attempt, the provider, or the whole run; what never ends.
KINDS: dict[str, dict[str, Any]] = {
    "document": {},
    "invalid": {"text": '{"nonsense": 1}'},
    "questions": {"text": asking().text},
    "refusal": {"text": "No.", "stop_reason": "refusal"},
    "too long": {"text": '{"title": "a', "stop_reason": "max_tokens"},
    "overloaded": {"fault": "status:529"},
    "not sent": {"fault": "close"},
    "cut": {"fault": "cut"},
    "error": {"fault": "error:overloaded_error"},
    "no end": {"fault": "no_stop"},
    "bad request": {"fault": "status:400"},
    "hang": {"fault": "hang_mid"},
}
LIKELY = ("document",) * 4 + ("invalid", "overloaded", "cut", "hang")


def reply(kind: str) -> Reply:
    """Return a reply with all kinds of tokens."""
    cache = {"ephemeral_5m_input_tokens": 301, "ephemeral_1h_input_tokens": 77}
    usage = {"input_tokens": 1013, "output_tokens": 211, "cache_read_input_tokens": 907}
    return Reply(**KINDS[kind], usage={**usage, "cache_creation_input_tokens": 378, "cache_creation": cache})


REPLIES = st.builds(lambda kind, usage: Reply(**KINDS[kind], usage=usage), st.sampled_from((*LIKELY, *KINDS)), USAGE)


@dataclass(frozen=True)
class Plan:
    """One run to be: what of, where, and what happens to it."""

    workflow: str
    project: str
    replies: list[Reply]
    decisions: list[str]
    crashes: list[str]
    at_hang: list[str]
    retries: int

    def fate(self) -> Fate:
        return Fate(
            replies=deque(self.replies),
            decisions=deque(self.decisions),
            crashes=deque(self.crashes),
            at_hang=deque(self.at_hang),
            retries=self.retries,
        )


PLANS = st.builds(
    Plan,
    workflow=st.sampled_from(sorted(WORKFLOWS)),
    project=st.sampled_from(("apollo", "gemini")),
    replies=st.lists(REPLIES, max_size=6),
    decisions=st.lists(st.sampled_from(("request_changes", "accept", "reject")), max_size=2),
    crashes=st.lists(st.sampled_from(("answered", "booked", "late")), max_size=2),
    at_hang=st.lists(st.sampled_from(("cancel", "stop")), max_size=2),
    retries=st.integers(0, 1),
)


@pytest.fixture
def root(caller: Caller) -> APIClient:
    return caller("root")


@pytest.fixture
def model(transactional_db: None) -> Iterator[ScriptedModel]:
    with ScriptedModel(item_count=2) as server:
        yield server
    empty_the_tables()  # of the queue too, whose workers would live on for other tests


# Everything that can happen to a call, each at least once.
EVERYTHING = [
    Plan(
        workflow="reviewed",
        project="apollo",
        replies=[reply("invalid"), reply("overloaded"), reply("document"), reply("questions"), reply("cut")],
        decisions=["request_changes", "reject"],
        crashes=["answered", "late"],
        at_hang=[],
        retries=1,
    ),
    Plan(
        workflow="epics",
        project="gemini",
        replies=[reply("document"), reply("hang"), reply("error"), reply("hang")],
        decisions=[],
        crashes=["booked"],
        at_hang=["stop", "cancel"],
        retries=0,
    ),
    Plan(
        workflow="no price",
        project="apollo",
        replies=[reply("not sent"), reply("too long")],
        decisions=[],
        crashes=[],
        at_hang=[],
        retries=0,
    ),
]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_all_that_can_happen_to_a_call_is_accounted_for(root: APIClient, model: ScriptedModel) -> None:
    """The same as below with a fixed story, so that nothing is ever left out."""
    play_and_compare(root, model, EVERYTHING, [0, 1439, 1440, 1500, 1620, 2819, 2820, 4000])
    calls = LLMCall.objects.all()
    assert {call.status for call in calls} == {"succeeded", "failed", "cancelled", "lost"}
    assert {call.cost_usd is None for call in calls} == {True, False}
    assert {call.started_at.astimezone(ZoneInfo("Europe/Berlin")).date().day for call in calls} == {28, 29, 30}
    for column in TOKENS:
        assert any(getattr(call, column) for call in calls if call.status == "succeeded"), column


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=int(os.environ.get("COSTS_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # to make a failing example smaller would take minutes
)
@given(plans=st.lists(PLANS, min_size=1, max_size=3), minutes=st.lists(st.integers(0, MINUTES), min_size=1, max_size=9))
def test_every_figure_is_what_the_model_says_it_served(
    root: APIClient, model: ScriptedModel, plans: list[Plan], minutes: list[int]
) -> None:
    play_and_compare(root, model, plans, minutes)


def play_and_compare(root: APIClient, model: ScriptedModel, plans: list[Plan], minutes: list[int]) -> None:
    begin_anew(model)
    for plan in plans:
        run = start(WORKFLOWS[plan.workflow], project=plan.project, brief={"wish": f"ships for {plan.workflow}"})
        Wire(model).play(run, plan.fate())
    move_calls(minutes)
    compare_with_server(model)
    site = visitor("root")
    for _ in range(2):
        check(root)
        check_utc_days(root)
        check_pages(site)
        roll_all()
    invariants.check()


def begin_anew(model: ScriptedModel) -> None:
    empty_the_tables()
    tables = ", ".join(each._meta.db_table for each in apps.get_app_config("telemetry").get_models())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    model.reset()
    for name in ("ed", "olga"):
        person(name)


def move_calls(minutes: list[int]) -> None:
    """Have the calls be made around the night in which clocks are put on, in the order in which they were."""
    calls = list(LLMCall.objects.order_by("started_at", "pk"))
    at = sorted(minutes[number % len(minutes)] for number in range(len(calls)))
    for call, minute in zip(calls, at, strict=True):
        began = BEGIN + timedelta(minutes=minute)
        LLMCall.objects.filter(pk=call.pk).update(started_at=began, finished_at=began + timedelta(seconds=30))


def compare_with_server(model: ScriptedModel) -> None:
    """Compare the ledger with the model's own account: each request is a row, and each whole answer its figures."""
    calls = list(LLMCall.objects.all())
    asked = Counter(each.digest for each in model.journal)
    assert asked <= Counter(call.request_sha256 for call in calls)
    # What was broken off may not have reached the server.
    assert asked >= Counter(call.request_sha256 for call in calls if call.status != "cancelled")
    served = {each.message_id: each for each in model.journal if each.finished is not None}
    final = {call.message_id: call for call in calls if call.status == "succeeded"}
    assert final.keys() <= served.keys()
    for message_id, call in final.items():
        usage = served[message_id].usage
        counts = pricing.usage_counts(usage)
        price = pricing.price_call(served[message_id].model, usage).cost
        assert not call.is_estimated
        assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (
            usage["input_tokens"],
            usage["output_tokens"],
            usage.get("cache_read_input_tokens", 0),
        )
        assert (call.cache_write_5m_tokens, call.cache_write_1h_tokens) == (
            counts.cache_write_5m,
            counts.cache_write_1h,
        )
        assert call.cost_usd == (None if price is None else price.quantize(PLACES))
    # Final usage that never reached us: of calls that were lost, or broken off as they ended. Those are estimates.
    apart = Counter(served[each].digest for each in served.keys() - final.keys())
    estimated = Counter(call.request_sha256 for call in calls if call.is_estimated)
    assert apart <= estimated, "what the server charged is in the ledger, if not to the last token"
    for call in calls:
        assert call.status in ("succeeded", "failed", "cancelled", "lost")
        assert call.is_estimated == bool(call.status != "succeeded" and call.usage)
        assert call.is_estimated or call.status == "succeeded" or call.cost_usd == 0


def check_utc_days(root: APIClient) -> None:
    expected = reckoned(LLMCall.objects.all())
    days = root.get(f"{BASE}/costs/daily", {"start": "2026-03-26", "end": "2026-04-01"}).json()["results"]
    assert together(map(told, days)) == expected
    for day in days:
        of_day = LLMCall.objects.filter(started_at__date=day["date"])
        assert told(day) == reckoned(of_day)


def check_pages(site: Client) -> None:
    """Compare the page, and each of its files, with the rows."""
    rows = list(LLMCall.objects.all())
    expected = reckoned(rows)
    for zone in ("UTC", "Europe/Berlin"):
        query = {"from": WEEK[0], "to": WEEK[-1], "tz": zone}
        by_day = {day: Decimal(0) for day in WEEK}
        for row in rows:
            by_day[f"{row.started_at.astimezone(ZoneInfo(zone)).date()}"] += row.cost_usd or 0
        shown = shown_costs.page(site, query)
        assert (shown.spend, shown.call_count) == (expected["cost"], expected["calls"])
        assert shown.days == by_day
    cost = expected["cost"] or Decimal(0)
    for group in shown_costs.GROUPS:
        lines = shown_costs.file(site, "daily", {**query, "group": group})
        assert {line["date"]: Decimal(line["total_cost_usd"] or 0) for line in lines} == by_day, group
        parts = [name for name in lines[0] if name not in ("date", "total_cost_usd", "currency")]
        assert sum(shown_costs.sum_of(lines, part) for part in parts) == cost, group
    for name in ("calls", "rework", "outcomes", "workflows"):
        assert shown_costs.sum_of(shown_costs.file(site, name, query)) == cost, name
    kinds = shown_costs.file(site, "tokens", query)
    assert shown_costs.sum_of(kinds) == cost
    tokens = {f"{line['kind']}_tokens": int(line["token_count"]) for line in kinds if line["kind"] != "other"}
    assert tokens == {name: expected[name] for name in TOKENS}
