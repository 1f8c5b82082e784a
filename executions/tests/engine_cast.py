"""The people of the engine's tests, and short ways to say what they do.

olga operates, ed and eva edit, vic only views, root is an administrator, nobody is in no group.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.utils import timezone

from executions.models import Decision, DecisionChannel, DecisionKind, Event, Execution, Gate, GateKind, GateStatus
from executions.services.decisions import Verdict, answer_questions, record_decision
from executions.services.executions import NewExecution, start_execution
from executions.tests.engine_definitions import JSON, stored
from workflows.models import WorkflowRevision

ROLES = {"olga": ("operator",), "ed": ("editor",), "eva": ("editor",), "vic": ("viewer",), "nobody": (), "root": ()}


def person(name: str, *roles: str) -> User:
    """Return the account ``name``, made with its usual roles (or ``roles``) the first time."""
    user, is_new = User.objects.get_or_create(username=name, defaults={"is_superuser": name == "root"})
    if is_new:
        for role in roles or ROLES.get(name, ()):
            user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def start(
    what: JSON | WorkflowRevision, *, by: str = "olga", project: str = "apollo", brief: Any = None, budget: Any = None
) -> Execution:
    """Start a workflow."""
    revision = stored(what) if isinstance(what, dict) else what
    new = NewExecution(project_id=project, brief=brief, budget_usd=budget)
    return start_execution(actor=person(by), revision=revision, new=new, at=timezone.now())


def open_gate(execution: Execution, kind: GateKind = GateKind.ACCEPTANCE, path: str | None = None) -> Gate:
    """Return the one open gate of a kind (at a path)."""
    gates = Gate.objects.filter(execution=execution, kind=kind, status=GateStatus.OPEN)
    return gates.get() if path is None else gates.get(path=path)


def decide(by: str, gate: Gate, decision: str, comment: str = "", **keys: Any) -> Decision:
    """Have a person decide at a gate."""
    verdict = Verdict(decision=DecisionKind(decision), comment=comment, **keys)
    return record_decision(actor=person(by), gate=gate, verdict=verdict, channel=DecisionChannel.API, at=timezone.now())


def answer(by: str, gate: Gate, answers: Any) -> Decision:
    """Have a person answer a gate's questions."""
    return answer_questions(
        actor=person(by), gate=gate, answers=answers, channel=DecisionChannel.API, at=timezone.now()
    )


def history(execution: Execution | UUID) -> list[str]:
    """Return the events of an execution as ``type`` or ``type path``."""
    rows = Event.objects.filter(execution=execution).order_by("seq")
    return [f"{row.event_type} {row.path}".strip() for row in rows]


def events(execution: Execution, event_type: str) -> list[JSON]:
    """Return the data of the events of one type, in order."""
    return list(
        Event.objects.filter(execution=execution, event_type=event_type).order_by("seq").values_list("data", flat=True)
    )


def status(execution: Execution) -> str:
    """Return what the status of an execution is now."""
    return Execution.objects.values_list("status", flat=True).get(pk=execution.pk)
