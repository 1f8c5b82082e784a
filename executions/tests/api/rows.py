"""Many rows, stored at once without running anything: for tests of lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from documents.models import Document
from executions.models import (
    Attempt,
    Decision,
    Event,
    Execution,
    Gate,
    GateKind,
    LLMCall,
    Project,
    Step,
)
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import reviewed, stored
from workflows.models import Workflow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def executions(count: int, *, project: str = "apollo", first: int = 0, **columns: Any) -> list[Execution]:
    """Store executions, one a minute; the last is the newest."""
    Project.objects.get_or_create(pk=project, defaults={"created_at": NOON})
    return executions_of([project] * count, first=first, **columns)


def executions_of(projects: list[str], *, first: int = 0, **columns: Any) -> list[Execution]:
    """Store an execution of each of some projects, one a minute."""
    values = {"workflow_id": "test", "revision": stored(reviewed()), "status": "running", "updated_at": NOON} | columns
    return Execution.objects.bulk_create(
        Execution(**{"project_id": project, "started_at": NOON + timedelta(minutes=first + number)} | values)
        for number, project in enumerate(projects)
    )


def some_of_all(numbers: range) -> None:
    """Store of everything that has a list one for each number.

    Projects of even numbers are open, those of odd numbers are ed's. Editors decide, and eva has.
    """
    revision, ed, eva = stored(reviewed()), person("ed"), person("eva")
    names = [f"project-{number}" for number in numbers]
    Project.objects.bulk_create(
        Project(pk=name, created_at=NOON + timedelta(minutes=number))
        for number, name in zip(numbers, names, strict=True)
    )
    Project.users.through.objects.bulk_create(
        Project.users.through(project_id=f"project-{number}", user_id=ed.pk) for number in numbers if number % 2
    )
    Workflow.objects.bulk_create(
        Workflow(pk=f"workflow-{number}", current_revision=revision, updated_at=NOON) for number in numbers
    )
    made = executions_of(names, first=numbers.start, status="waiting_acceptance")
    gates = Gate.objects.bulk_create(_gate(step) for step in steps_of(made, range(1), status="waiting_acceptance"))
    Decision.objects.bulk_create(
        Decision(gate=gate, user=eva, by="eva", decision="accept", channel="api", decided_at=NOON) for gate in gates
    )
    Document.objects.bulk_create(_document(execution, 1) for execution in made)


def steps(execution: Execution, numbers: range, **columns: Any) -> list[Step]:
    """Store steps of an execution, each with an attempt and a call."""
    return steps_of([execution], numbers, **columns)


def steps_of(executions: list[Execution], numbers: range, **columns: Any) -> list[Step]:
    """Store steps of some executions, each with an attempt and a call."""
    made = Step.objects.bulk_create(
        Step(
            **{"execution": execution, "path": f"step_{number:03}", "step_id": f"step_{number:03}",
               "scope_type": "project", "scope_id": execution.project_id, "sort_key": f"{number:06}",
               "status": "completed"} | columns
        )
        for execution in executions
        for number in numbers
    )  # fmt: skip
    attempts = Attempt.objects.bulk_create(
        Attempt(execution=step.execution, step=step, n=1, content_attempt=1, status="succeeded", started_at=NOON)
        for step in made
    )
    LLMCall.objects.bulk_create(
        LLMCall(
            execution=attempt.execution, step=attempt.step, attempt=attempt, status="succeeded", model="m",
            max_tokens=9, response_text='"{}"', started_at=NOON,
        )
        for attempt in attempts
    )  # fmt: skip
    return made


def events(execution: Execution, numbers: range) -> None:
    """Store events of an execution."""
    Event.objects.bulk_create(
        Event(execution=execution, seq=number, event_type="step_started", timestamp=NOON) for number in numbers
    )


def documents(execution: Execution, count: int, *, first: int = 1) -> list[Document]:
    """Store versions of a note of the execution's project."""
    Document.objects.filter(project_id=execution.project_id, is_latest=True).update(is_latest=False)
    last = first + count - 1
    return Document.objects.bulk_create(
        _document(execution, version, is_latest=version == last) for version in range(first, first + count)
    )


def _document(execution: Execution, version: int, *, is_latest: bool = True) -> Document:
    return Document(
        project_id=execution.project_id, scope_type="project", scope_id=execution.project_id, document_type="note",
        version=version, is_latest=is_latest, status="accepted", title=f"Note {version}", content={"title": "Note"},
        content_sha256="0" * 64, created_at=NOON + timedelta(minutes=version), created_by="m",
        execution_id=execution.pk,
    )  # fmt: skip


def _gate(step: Step) -> Gate:
    return Gate(
        execution=step.execution, step=step, path=step.path, kind=GateKind.ACCEPTANCE, document_type="note",
        scope_type="project", scope_id=step.scope_id, document_id=uuid4(), document_version=1,
        content_sha256="0" * 64, roles=["editor"], quorum=2, opened_at=step.execution.started_at,
    )  # fmt: skip
