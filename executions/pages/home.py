"""The first page: what waits for whoever looks, and their runs."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from executions.models import Execution, Gate, GateKind
from executions.pages.definitions import type_name
from executions.pages.execution_list import lines_of, shown_executions
from executions.pages.navigation import waiting_for
from executions.pages.viewers import page, viewer
from executions.services.access import is_operator, undecided_gates, waits_for

MOST_GATES = 10
MOST_RUNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One gate as the page shows it; ``url`` is where it is decided."""

    gate: Gate
    what: str
    verb: str
    workflow: str
    url: str


@page()
def home(request: HttpRequest) -> HttpResponse:
    user = viewer(request)
    mine = waiting_for(user)
    runs = shown_executions(user)
    own = list(runs.filter(started_by=user)[:MOST_RUNS])
    context = {
        "waiting": [waiting(gate, user) for gate in _with_execution(mine)[:MOST_GATES]],
        "waiting_count": mine.count(),
        "others_count": _others(user),
        "lines": lines_of(own or list(runs[:MOST_RUNS])),
        "are_own": bool(own),
        "may_start": is_operator(user),
        "queue_url": queue_url(user),
    }
    return render(request, "pages/home.html", context)


def waiting(gate: Gate, user: User) -> Waiting:
    """Return how a gate is offered to somebody who may decide it."""
    definition = gate.execution.revision.parsed()
    is_review = gate.kind == GateKind.ACCEPTANCE
    name = type_name(definition, gate.document_type)
    if is_review:
        what = _("%(name)s, version %(version)s") % {"name": name, "version": gate.document_version}
    else:
        what = _("Questions about %(name)s") % {"name": name}
    return Waiting(
        gate=gate,
        what=what,
        verb=_("Review") if is_review else _("Answer"),
        workflow=definition.name,
        url=gate_url(gate, user),
    )


def gate_url(gate: Gate, user: User) -> str:
    """Return where ``user`` decides at ``gate``: the review desk; for who has no access to it, the page of the
    questions, or that of the run."""
    if user.is_staff:
        return reverse("admin:executions_gate_decide", args=(gate.pk,))
    if gate.kind == GateKind.CLARIFICATION:
        return reverse("questions-page", args=(gate.execution_id, gate.pk))
    return reverse("execution-page", args=(gate.execution_id,))


def queue_url(user: User) -> str | None:
    """Return where all that waits for ``user`` is listed."""
    return reverse("admin:executions_gate_inbox") if user.is_staff else None


def _with_execution(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    rows = gates.select_related("execution__revision").order_by("opened_at", "id")
    return rows.defer(
        "questions", "answers", "execution__brief", "execution__model_ids", "execution__revision__definition"
    )


def _others(user: User) -> int:
    gates = undecided_gates(Gate.objects.exclude(waits_for(user)))
    return (gates if user.is_superuser else gates.filter(execution__in=Execution.objects.visible_to(user))).count()
