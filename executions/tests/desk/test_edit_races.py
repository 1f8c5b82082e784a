"""An edit and another decision at the same moment: exactly one wins, and the other is told so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from documents.models import Document
from executions.exceptions import AlreadyDecided
from executions.models import AuditEntry, AuditOutcome, DecisionChannel, Gate
from executions.services.edits import edit_and_accept
from executions.tests import invariants
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import reviewed
from executions.tests.pretend_worker import Scripted, document, drive

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

REPEATS = 8


def edit(by: str, gate: Gate) -> Any:
    return edit_and_accept(
        actor=person(by),
        gate=gate,
        content={"title": f"By {by}"},
        content_sha256=gate.content_sha256,
        comment="",
        channel=DecisionChannel.ADMIN,
        at=timezone.now(),
    )


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Return what each act returned, or what it raised."""
    barrier = Barrier(len(acts))

    def do(act: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        barrier.wait(60)
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - what was raised is the result
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(do, acts))


@pytest.mark.parametrize("other", ["accept", "edit"])
def test_of_an_edit_and_another_decision_one_wins(other: str) -> None:
    for name in ("olga", "ed", "eva"):
        person(name)
    for number in range(REPEATS):
        execution = start(reviewed(), project=f"{other}-{number}")
        drive(execution, Scripted(note=document(title="First")))
        gate = open_gate(execution)
        rival = (lambda at: edit("eva", at)) if other == "edit" else (lambda at: decide("eva", at, "accept"))
        results = together(lambda at=gate: edit("ed", at), lambda at=gate, act=rival: act(at))  # type: ignore[misc]
        lost = [each for each in results if isinstance(each, Exception)]
        assert [type(each) for each in lost] == [AlreadyDecided], results
        versions = Document.objects.filter(execution_id=execution.pk, document_type="note")
        assert [each.status for each in versions if each.is_latest] == ["accepted"]
        is_edited = other == "edit" or lost[0] is results[1]
        assert versions.count() == (2 if is_edited else 1)
    assert not AuditEntry.objects.filter(outcome=AuditOutcome.REFUSED).exists()
    invariants.check()
