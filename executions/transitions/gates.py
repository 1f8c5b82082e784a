"""Opening and closing gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from documents.services import StoredVersion
from executions.engine.state import GateKind, GateStatus
from executions.models import EventType
from executions.transitions.rows import JSON, StepRow
from executions.transitions.unit import Unit
from workflows.definition import AcceptancePolicy, DocumentType
from workflows.durations import parse_duration

_INSERT_GATE = """
INSERT INTO executions_gate (id, execution_id, step_id, path, kind, status, document_type, scope_type, scope_id,
    document_id, document_version, content_sha256, questions, roles, users, quorum, four_eyes, policy, due_at,
    opened_at)
VALUES (%s, %s, %s, %s, %s, 'open', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_CLOSE_GATE = "UPDATE executions_gate SET status = %s, answers = %s, closed_at = %s WHERE id = %s AND status = 'open'"

_CANCEL_GATES = """
UPDATE executions_gate SET status = 'cancelled', closed_at = %s WHERE execution_id = %s AND status = 'open'
"""


def open_acceptance(
    unit: Unit, step: StepRow, doc_type: DocumentType, policy: AcceptancePolicy, stored: StoredVersion
) -> None:
    """Have people look at a version; the policy of this moment goes into the gate."""
    due_at = unit.now + parse_duration(policy.due_in) if policy.due_in else None
    rest = {
        "remind_every": policy.remind_every,
        "escalate_to": list(policy.escalate_to),
        "on_timeout": policy.on_timeout,
        "max_rework_rounds": policy.max_rework_rounds,
    }
    gate_id = uuid4()
    unit.write(
        _INSERT_GATE,
        (
            gate_id,
            unit.execution.id,
            step.id,
            step.path,
            GateKind.ACCEPTANCE.value,
            doc_type.type_id,
            step.scope_type,
            step.scope_id,
            stored.document_id,
            stored.version,
            stored.content_sha256,
            Jsonb([]),
            Jsonb(list(policy.roles)),
            Jsonb(list(policy.users)),
            policy.quorum,
            policy.four_eyes,
            Jsonb(rest),
            due_at,
            unit.now,
        ),
    )
    data = {
        "gate_id": str(gate_id),
        "document_id": str(stored.document_id),
        "doc_type": doc_type.type_id,
        "roles": list(policy.roles),
        "due_at": due_at.isoformat() if due_at else None,
    }
    unit.event(EventType.ACCEPTANCE_NEEDED, data, step)


def open_clarification(unit: Unit, step: StepRow, doc_type: DocumentType, questions: Sequence[JSON]) -> None:
    """Ask people; operators and the people of the document's acceptance roles may answer."""
    policy = doc_type.acceptance or AcceptancePolicy()
    gate_id = uuid4()
    unit.write(
        _INSERT_GATE,
        (
            gate_id,
            unit.execution.id,
            step.id,
            step.path,
            GateKind.CLARIFICATION.value,
            doc_type.type_id,
            step.scope_type,
            step.scope_id,
            None,
            None,
            "",
            Jsonb(list(questions)),
            Jsonb(list(policy.roles)),
            Jsonb(list(policy.users)),
            1,
            False,
            Jsonb({}),
            None,
            unit.now,
        ),
    )
    data = {"gate_id": str(gate_id), "questions": list(questions)}
    unit.event(EventType.CLARIFICATION_NEEDED, data, step)


def close_gate(unit: Unit, gate_id: UUID, *, answers: Mapping[str, Any] | None = None) -> None:
    """Close an open gate as decided."""
    stored = Jsonb(dict(answers)) if answers is not None else None
    unit.write(_CLOSE_GATE, (GateStatus.DECIDED.value, stored, unit.now, gate_id))


def cancel_gates(unit: Unit) -> None:
    """Close every open gate of a cancelled execution."""
    unit.write(_CANCEL_GATES, (unit.now, unit.execution.id))
