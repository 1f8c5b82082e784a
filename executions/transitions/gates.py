"""Opening and closing gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from documents import database
from documents.services import StoredVersion
from executions.engine.state import GateKind, GateStatus, StepStatus
from executions.models import EventType, Gate
from executions.transitions.rows import JSON, StepRow
from executions.transitions.unit import Unit
from workflows.definition import AcceptancePolicy, DocumentType, ProductionStep
from workflows.durations import parse_duration

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_INSERT_GATE = """
INSERT INTO executions_gate (id, execution_id, step_id, path, kind, status, document_type, scope_type, scope_id,
    document_id, document_version, content_sha256, questions, roles, users, quorum, four_eyes, policy, due_at,
    opened_at)
VALUES (%s, %s, %s, %s, %s, 'open', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_CLOSE_GATE = """
UPDATE executions_gate g SET status = %s, answers = %s, closed_at = %s, cost_usd = (
    SELECT CASE WHEN count(*) = count(c.cost_usd) THEN sum(c.cost_usd) END FROM executions_llmcall c
     WHERE c.execution_id = g.execution_id AND c.step_id = g.step_id)
 WHERE id = %s AND status = 'open'
"""

_EXPIRE_GATE = "UPDATE executions_gate SET status = 'expired', closed_at = %s WHERE id = %s AND status = 'open'"

_ESCALATE_GATE = "UPDATE executions_gate SET escalated_to = %s, escalated_at = %s WHERE id = %s AND status = 'open'"

# While a run is failed nobody can decide in it, so that time is not counted; what is due when is found out anew.
_GIVE_BACK_TIME = """
UPDATE executions_gate SET due_at = due_at + %s, act_at = NULL WHERE execution_id = %s AND status = 'open'
"""

_VERSION = "SELECT id, version, content_sha256 FROM documents_document WHERE id = %s"

_NOTE_EDITOR = "UPDATE executions_gate SET edited_by_id = %s, escalated_to = %s, escalated_at = %s WHERE id = %s"

# Who wrote the version is known to the gate that ran out.
_KEEP_EDITOR = """
UPDATE executions_gate SET edited_by_id = (
    SELECT edited_by_id FROM executions_gate
     WHERE document_id = %s AND step_id = %s AND edited_by_id IS NOT NULL LIMIT 1)
 WHERE id = %s
"""

_CANCEL_GATES = """
UPDATE executions_gate SET status = 'cancelled', closed_at = %s WHERE execution_id = %s AND status = 'open'
"""


def open_acceptance(
    unit: Unit, step: StepRow, doc_type: DocumentType, policy: AcceptancePolicy, stored: StoredVersion
) -> UUID:
    """Have people look at a version; the policy of this moment goes into the gate, whose id is returned."""
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
    return gate_id


def open_on_edited(unit: Unit, step: StepRow, gate: Gate, stored: StoredVersion, editor: User) -> UUID:
    """Have people look at the version that ``editor`` made of the one at ``gate``; who could decide still can."""
    doc_type = unit.layout.definition.document_types[gate.document_type]
    assert doc_type.acceptance is not None
    gate_id = open_acceptance(unit, step, doc_type, doc_type.acceptance, stored)
    escalated = None if gate.escalated_to is None else Jsonb(gate.escalated_to)
    unit.write(_NOTE_EDITOR, (editor.pk, escalated, gate.escalated_at, gate_id))
    return gate_id


def ask_again(unit: Unit, step: StepRow) -> None:
    """Open a gate anew on the version that nobody decided on in time. The model is not asked again."""
    produced = unit.layout.nodes[step.step_id].step
    assert isinstance(produced, ProductionStep)
    doc_type = unit.layout.definition.document_types[produced.produces]
    assert doc_type.acceptance is not None
    document_id, version, digest = database.rows(_VERSION, (step.document_id,))[0]
    stored = StoredVersion(document_id=document_id, version=version, content_sha256=digest)
    unit.move_step(step, StepStatus.RUNNING)
    unit.move_step(step, StepStatus.WAITING_ACCEPTANCE)
    gate_id = open_acceptance(unit, step, doc_type, doc_type.acceptance, stored)
    unit.write(_KEEP_EDITOR, (step.document_id, step.id, gate_id))


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


def expire_gate(unit: Unit, gate_id: UUID) -> None:
    """Close an open gate at which nobody decided in time."""
    unit.write(_EXPIRE_GATE, (unit.now, gate_id))


def escalate_gate(unit: Unit, gate_id: UUID, roles: Sequence[str]) -> None:
    """Let the members of further groups decide at an open gate."""
    unit.write(_ESCALATE_GATE, (Jsonb(list(roles)), unit.now, gate_id))


def give_back_time(unit: Unit, lost: timedelta) -> None:
    """Put off what is due at the execution's open gates by the time in which nobody could decide."""
    unit.write(_GIVE_BACK_TIME, (lost, unit.execution.id))


def cancel_gates(unit: Unit) -> None:
    """Close every open gate of a cancelled execution."""
    unit.write(_CANCEL_GATES, (unit.now, unit.execution.id))
