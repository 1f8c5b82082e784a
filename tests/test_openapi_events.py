"""What is told of events, by histories, streams and webhooks, is what the OpenAPI document says of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from combine.api.openapi.views import document
from executions.api.event_data import DATA
from executions.models import Event, EventType, Execution
from executions.services.budgets import set_budget
from executions.services.executions import retry_execution
from executions.tests.admin.desk import staff
from executions.tests.driving import drive
from executions.tests.engine_cast import decide, person, start
from executions.tests.engine_definitions import epics
from executions.webhooks.messages import Happening, message_of
from tests.api_world import World
from tests.openapi_document import problems_of

JSON = dict[str, Any]
EVENT = {"$ref": "#/components/schemas/Event"}
FRAME = {"$ref": "#/components/schemas/StreamFrame"}
MESSAGE = {"$ref": "#/components/schemas/WebhookMessage"}


@pytest.fixture
def world(db: None) -> World:
    """Runs in which everything has happened that is told of."""
    world = World()
    runs = world.alice.runs
    decide("alice", world.alice.gate, "request_changes", "More light.")
    drive(runs["waiting"])
    decide("alice", world.alice.gate, "accept")
    drive(runs["waiting"])
    alice = world.client("alice")
    answers = {"answers": {"WHO": "Ships"}}
    assert alice.post(f"/api/v1/executions/{runs['asking'].pk}/clarification", answers).status_code == 200
    retry_execution(actor=person("alice"), execution_id=runs["failed"].pk, reason="Again.")
    runs["many"] = start(epics(), by="alice", project=world.alice.project_id)
    drive(runs["many"])
    runs["stopped"] = start(epics(), by="alice", project=world.alice.project_id, budget=Decimal(0))
    drive(runs["stopped"])
    # Less than half is spent by now, and the rest is less than a call may cost.
    amount = sum(run.cost_usd for run in Execution.objects.all()) * 3
    set_budget(actor=staff("root"), project_id=None, workflow_id="", period="day", amount_usd=amount, at=timezone.now())
    runs["stopped with others"] = start(epics(), by="alice", project=world.alice.project_id)
    drive(runs["stopped with others"])
    return world


@pytest.fixture
def alice(world: World) -> APIClient:
    return world.client("alice")


def test_every_type_of_event_is_described() -> None:
    assert set(DATA) == set(EventType)
    assert set(document()["components"]["schemas"]["EventType"]["enum"]) == set(EventType.values)


def test_histories_are_as_described(world: World, alice: APIClient) -> None:
    seen, scopes = set(), set()
    for run in world.alice.runs.values():
        for event in alice.get(f"/api/v1/executions/{run.pk}/events?limit=1000").json()["results"]:
            assert problems_of(event, EVENT, is_strict=True) == [], event
            assert set(event["data"]) == set(DATA[event["event_type"]]), event
            seen.add(event["event_type"])
            scopes.add(event["data"].get("scope"))
    assert seen == set(EventType.values)
    assert scopes >= {"execution", "all"}


def test_streams_are_as_described(world: World, alice: APIClient) -> None:
    count = 0
    for run in world.alice.runs.values():
        text = alice.get(f"/api/v1/executions/{run.pk}/stream").content.decode()
        for frame in re.findall(r"^data: (.*)$", text, re.MULTILINE):
            assert problems_of(json.loads(frame), FRAME, is_strict=True) == [], frame
            count += 1
    assert count == Event.objects.filter(execution__project="lighthouse-project").count() + len(world.alice.runs)


def test_live_text_is_as_described() -> None:
    frame: JSON = {"event_type": "step_output", "execution_id": str(UUID(int=1)), "seq": None, "step_id": "note"}
    frame |= {"path": "note", "timestamp": "2026-01-31T12:00:00Z", "data": {"attempt": 1, "text": "A lamp"}}
    assert problems_of(frame, FRAME, is_strict=True) == []


@pytest.mark.parametrize("facts", [{"gate_id": str(UUID(int=3)), "total": 2}, {}], ids=["facts", "none"])
def test_messages_of_webhooks_are_as_described(facts: JSON) -> None:
    happening = Happening(
        event_type="acceptance_needed",
        at=datetime(2026, 1, 31, tzinfo=UTC),
        project_id="apollo",
        webhook_id=UUID(int=1),
        execution_id=UUID(int=2) if facts else None,
        seq=7,
        facts=facts,
    )
    assert problems_of(message_of(happening), MESSAGE) == []
