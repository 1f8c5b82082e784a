"""Executions with much to tell."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from executions.api.serializers import EventSerializer, present
from executions.models import DecisionKind, Event, EventType, Execution, GateKind
from executions.notifications import publish
from executions.services.executions import cancel_execution
from executions.tests.engine_cast import answer, decide, open_gate, person
from executions.tests.engine_definitions import JSON, collection, iteration, note, step, workflow
from executions.tests.pretend_worker import Scripted, asking, backlog, document, drive


def eventful() -> JSON:
    """A workflow in which everything happens: questions, a correction, an iteration, an acceptance, rework."""
    return workflow(
        {"backlog": collection(), "plan": note("epic"), "summary": note(accepted_by=("editor",))},
        step("backlog"),
        iteration("per_epic", "backlog", step("plan", "backlog@project", scope="epic")),
        step("summary", "backlog"),
    )


def play(execution: Execution) -> None:
    """Bring an eventful execution to its end."""
    drive(execution, Scripted(backlog=[asking()]))
    answer("olga", open_gate(execution, GateKind.CLARIFICATION), {"WHO": "Everybody"})
    drive(execution, Scripted(backlog=[document(wrong=1), backlog("E1", "E2", "E3")]))
    decide("ed", open_gate(execution), DecisionKind.REQUEST_CHANGES, comment="Shorter.")
    drive(execution)
    decide("eva", open_gate(execution), DecisionKind.ACCEPT)
    drive(execution)


def table(execution: Execution) -> list[dict[str, Any]]:
    """Return the history as the API shows it."""
    return present(EventSerializer, Event.objects.filter(execution=execution).order_by("seq"))


def tell(execution: Execution, count: int, *, size: int = 10, is_told: bool = True) -> None:
    """Add events, as many, with data of about ``size`` characters, and have watchers told (or not)."""
    with transaction.atomic():
        locked = Execution.objects.select_for_update().get(pk=execution.pk)
        Event.objects.bulk_create(
            Event(
                execution=locked,
                seq=locked.last_seq + number,
                event_type=EventType.STEP_RETRYING,
                step_id="s1",
                path="s1",
                timestamp=timezone.now(),
                data={"attempt": 1, "reason": "output_invalid", "findings": ["x" * size]},
            )
            for number in range(1, count + 1)
        )
        Execution.objects.filter(pk=execution.pk).update(last_seq=locked.last_seq + count)
        if is_told:
            publish([execution.pk])


def cancel(execution: Execution) -> None:
    cancel_execution(actor=person("olga"), execution_id=execution.pk)
