"""What there is to see on the pages: people, two projects, and a run in every state, made of the shipped example.

Everything is made by the services that make it in real life; only the model is played.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from combine.env import BASE_DIR
from documents.models import Document
from executions.llm.offline.samples import SampleLibrary
from executions.models import Execution, Gate, GateKind, Project
from executions.services.executions import cancel_execution
from executions.tests.driving import Answer, Scripted, asking, document, drive
from executions.tests.engine_cast import answer, decide, open_gate, person, start
from executions.tests.engine_definitions import single
from executions.values import Claim
from workflows.models import WorkflowRevision
from workflows.services import current_revision, load_package

PACKAGE = BASE_DIR / "examples" / "software_product"
ROLES = ("operator", "pm", "architect", "ba")
ANSWERS = {"AUDIENCE": "volunteers", "OFFLINE_DESK": False, "BUSIEST_HOUR": 40}

_ITEM = re.compile(r"\[([^]]+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ids that tests ask for. ``grace`` may do everything, ``vera`` only look, ``nobody`` has no role."""

    completed: UUID
    reviewing: UUID
    asking: UUID
    question: UUID
    failed: UUID
    cancelled: UUID
    running: UUID
    hidden: UUID
    draft: UUID
    accepted: UUID
    hidden_document: UUID


def build() -> World:
    """Make the world. Call it once, in an empty database."""
    _people()
    load_package(PACKAGE, at=timezone.now())
    revision = current_revision("software_product")
    completed = _completed(revision)
    reviewing = _reviewing(revision)
    asking = _asking(revision)
    hidden = _hidden()
    world = World(
        completed=completed.pk,
        reviewing=reviewing.pk,
        asking=asking.pk,
        question=open_gate(asking, GateKind.CLARIFICATION).pk,
        failed=_failed().pk,
        cancelled=_cancelled(revision).pk,
        running=_running(revision).pk,
        hidden=hidden.pk,
        draft=_document(reviewing, "epic_backlog").pk,
        accepted=_document(completed, "epic_backlog").pk,
        hidden_document=_document(hidden, "note").pk,
    )
    _spread(world)
    return world


def _people() -> None:
    person("grace", *ROLES)
    User.objects.filter(username="grace").update(is_staff=True)
    person("vera", "viewer")
    person("olga")
    person("nobody")
    person("mallory", "viewer")


def _completed(revision: WorkflowRevision) -> Execution:
    """A run to its end, whose backlog went through one round of changes."""
    execution = start(revision, by="grace", project="lantern", brief=_brief(), budget=Decimal(20))
    drive(execution, written)
    gate = open_gate(execution)
    decide("grace", gate, "request_changes", "Put the desk first; nothing else can be true before it.")
    drive(execution, written)
    while _goes_on(execution):
        pass
    return execution


def _reviewing(revision: WorkflowRevision) -> Execution:
    execution = start(revision, by="grace", project="beacon", brief=_brief(), budget=Decimal(20))
    drive(execution, written)
    # Nearly used up, which a run cannot be brought to with small documents.
    execution.refresh_from_db()
    Execution.objects.filter(pk=execution.pk).update(budget_usd=execution.cost_usd * Decimal("1.2"))
    return execution


def _asking(revision: WorkflowRevision) -> Execution:
    execution = start(revision, by="olga", project="harbour", brief=_brief())
    questions = json.loads((PACKAGE / "samples" / "project_discovery.questions.json").read_text())["questions"]
    drive(execution, Scripted(discovery=asking(*questions)))
    return execution


def _failed() -> Execution:
    execution = start(single(), by="grace", project="harbour")
    drive(execution, Scripted(note=[document(nonsense=n) for n in range(3)]))
    return execution


def _cancelled(revision: WorkflowRevision) -> Execution:
    execution = start(revision, by="grace", project="beacon")
    cancel_execution(actor=person("grace"), execution_id=execution.pk, reason="The wrong brief.")
    return execution


def _running(revision: WorkflowRevision) -> Execution:
    return start(revision, by="grace", project="lantern", brief=_brief())


def _hidden() -> Execution:
    """A run in a project that only olga and administrators see."""
    execution = start(single(), by="olga", project="vault")
    drive(execution, Scripted(note=document(title="The secret note", text="Nobody else may read this.")))
    Project.objects.get(pk="vault").users.add(person("olga"))
    return execution


def _goes_on(execution: Execution) -> bool:
    """Decide whatever is open, and work on; return whether anything was."""
    gates = list(Gate.objects.filter(execution=execution, status="open").select_related("execution"))
    for gate in gates:
        if gate.kind == "acceptance":
            decide("grace", gate, "accept")
        else:
            answer("grace", gate, ANSWERS)
    if gates:
        drive(execution, written)
    return bool(gates)


def written(claim: Claim) -> Answer:
    """Write what the shipped samples say, fitted to the items that the step stands in."""
    items = _items(_ITEM.findall(claim.path))
    content = next(iter(_samples().documents(claim.doc_type.type_id, items, claim.path)))
    return document(**content)


def _items(ids: list[str]) -> list[dict[str, Any]]:
    found = []
    for depth, item_id in enumerate(ids):
        kind = ("epic", "story")[depth]
        backlog = _backlog(kind, ids[:depth])
        content = next(item for item in backlog if item["id"] == item_id)
        found.append({"entity_type": kind, "id": item_id, "content": content})
    return found


def _backlog(kind: str, ids: list[str]) -> list[dict[str, Any]]:
    name, field = {"epic": ("epic_backlog", "epics"), "story": ("story_backlog", "stories")}[kind]
    content = next(iter(_samples().documents(name, _items(ids), kind)))
    items: list[dict[str, Any]] = content[field]
    return items


@cache
def _samples() -> SampleLibrary:
    return SampleLibrary([PACKAGE])


def _brief() -> Any:
    return json.loads((PACKAGE / "brief.json").read_text())


def _document(execution: Execution, document_type: str) -> Document:
    return Document.objects.get(execution_id=execution.pk, document_type=document_type, is_latest=True)


def _spread(world: World) -> None:
    """Let the runs have begun at different times; otherwise everything happened just now."""
    hours = {world.completed: 76, world.failed: 30, world.cancelled: 26, world.reviewing: 5, world.asking: 2}
    for key, count in hours.items():
        execution = Execution.objects.get(pk=key)
        back = timedelta(hours=count)
        ended = execution.completed_at and execution.completed_at - back + timedelta(minutes=14)
        Execution.objects.filter(pk=key).update(started_at=execution.started_at - back, completed_at=ended)
        Gate.objects.filter(execution=key, status="open").update(opened_at=timezone.now() - back / 2)
