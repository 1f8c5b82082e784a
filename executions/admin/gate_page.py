"""What both kinds of gate page show: the gate, its history, and where else to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone

from executions.admin.people import person
from executions.admin.rows import uuid_or_404
from executions.models import Decision, Execution, Gate, GateStatus
from workflows.definition import Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePage:
    """A gate as one person sees it. ``history`` spans all gates of the step; ``votes`` are those at this one."""

    gate: Gate
    definition: Definition
    history: list[Decision]
    votes: list[Decision]
    newer: Gate | None

    @property
    def is_overdue(self) -> bool:
        return self.gate.due_at is not None and self.gate.due_at < timezone.now()

    def context(self) -> dict[str, Any]:
        gate = self.gate
        doc_type = self.definition.document_types.get(gate.document_type)
        name = doc_type.name if doc_type is not None else gate.document_type
        return {
            "gate": gate,
            "execution": gate.execution,
            "document_name": name,
            "workflow_name": self.definition.name,
            "is_open": gate.status == GateStatus.OPEN,
            "is_overdue": self.is_overdue,
            "history": self.history,
            "newer": self.newer,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a page has to say of what was sent, beside showing it again: a conflict, a refusal, or nothing."""

    status: int = 200
    conflict: str = ""


def load_gate(request: HttpRequest, gate_id: str) -> GatePage:
    """:raises Http404: there is no such gate, or it is not for these eyes."""
    visible = Execution.objects.visible_to(person(request))
    gates = Gate.objects.select_related("execution__revision", "execution__started_by", "step")
    gate = gates.defer("execution__revision__definition").filter(pk=uuid_or_404(gate_id)).first()
    if gate is None or not visible.filter(pk=gate.execution_id).exists():
        raise Http404("There is no such gate.")
    history = list(
        Decision.objects.filter(gate__step=gate.step_id)
        .select_related("gate", "on_behalf_of")
        .order_by("decided_at", "id")
    )
    newer = Gate.objects.filter(step=gate.step_id, status=GateStatus.OPEN).exclude(pk=gate.pk).first()
    return GatePage(
        gate=gate,
        definition=gate.execution.revision.parsed(),
        history=history,
        votes=[decision for decision in history if decision.gate_id == gate.pk],
        newer=newer,
    )
