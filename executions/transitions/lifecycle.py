"""Beginning, cancelling and retrying an execution, and what a decision does to its step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from documents.models import DocumentStatus
from documents.services import StoredVersion, set_status
from executions.engine.state import ErrorCode, ExecutionStatus, RetryReason, StepStatus
from executions.models import DecisionKind, EventType, Gate
from executions.transitions import gates
from executions.transitions.budgets import reached
from executions.transitions.iteration import first_steps
from executions.transitions.outcomes import complete
from executions.transitions.rows import JSON, StepRow
from executions.transitions.unit import Unit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SUPERSEDE_ATTEMPTS = """
UPDATE executions_attempt SET status = 'superseded', outcome = 'cancelled', finished_at = %s
 WHERE execution_id = %s AND status = 'running'
"""

_SET_BUDGET = "UPDATE executions_execution SET budget_usd = %s WHERE id = %s"


def begin(unit: Unit) -> None:
    """Give a new execution its first event and its root steps."""
    execution = unit.execution
    data = {
        "workflow_id": execution.workflow_id,
        "revision": unit.layout.definition.revision,
        "project_id": execution.project_id,
    }
    unit.event(EventType.EXECUTION_STARTED, data)
    unit.insert_steps(first_steps(unit.layout, execution.project_id))


def cancel(unit: Unit, *, by: str, reason: str) -> None:
    """End an execution for good. What is in flight is broken off by its worker and booked."""
    for step in unit.steps.values():
        step.token, step.due_at = None, None
        unit.touch(step)
        if step.status is not StepStatus.FAILED:
            unit.move_step(step, StepStatus.CANCELLED)
    unit.write(_SUPERSEDE_ATTEMPTS, (unit.now, unit.execution.id))
    gates.cancel_gates(unit)
    unit.move_execution(ExecutionStatus.CANCELLED)
    unit.event(EventType.EXECUTION_CANCELLED, {"by": by, "reason": reason})


def retry(unit: Unit, *, by: str, reason: str, budget_usd: Any = None) -> None:
    """Bring a failed execution back: failed steps get a fresh budget, finished ones stay finished.

    The time for which it was failed is given back to the gates that are open, since nobody could decide there.
    """
    execution = unit.execution
    if budget_usd is not None:
        execution.budget_usd = budget_usd
        execution.budget_warned = reached(execution.cost_usd, budget_usd)
        unit.write(_SET_BUDGET, (budget_usd, execution.id))
    execution.error_code = execution.error_detail = ""
    if execution.completed_at is not None:
        gates.give_back_time(unit, unit.now - execution.completed_at)
    unit.event(EventType.EXECUTION_RETRIED, {"by": by, "reason": reason})
    for step in unit.steps.values():
        if step.status is StepStatus.FAILED:
            is_unread = step.error_code == ErrorCode.GATE_EXPIRED.value
            unit.move_step(step, StepStatus.PENDING)
            _freshen(step)
            if is_unread:
                gates.ask_again(unit, step)
            elif reason:
                step.carry["retry_note"] = reason
        elif step.status is StepStatus.PENDING and reason and step.carry:
            unit.touch(step)
            step.carry["retry_note"] = reason
    unit.move_execution(ExecutionStatus.RUNNING)
    unit.settle_status()


def _freshen(step: StepRow) -> None:
    step.failures = step.provider_failures = step.crashes = 0
    step.error_code = step.error_detail = ""
    step.total_items = None
    step.carry = {key: value for key, value in step.carry.items() if key == "feedback"}


def answered(unit: Unit, step: StepRow, *, gate_id: UUID, answers: Mapping[str, Any], by: str) -> None:
    """Go on with a step whose questions were answered."""
    gates.close_gate(unit, gate_id, answers=answers)
    unit.event(EventType.CLARIFICATION_ANSWERED, {"gate_id": str(gate_id), "by": by}, step)
    unit.move_step(step, StepStatus.RUNNING)


def decided_event(unit: Unit, step: StepRow, gate_id: UUID, decision: str, by: str, comment: str) -> None:
    data = {
        "gate_id": str(gate_id),
        "document_id": str(step.document_id),
        "decision": decision,
        "by": by,
        "comment": comment,
    }
    unit.event(EventType.ACCEPTANCE_DECIDED, data, step)


def accepted(unit: Unit, step: StepRow, *, gate_id: UUID) -> None:
    """Complete a step whose document has all the acceptances it needs. The model is not asked again."""
    assert step.document_id is not None
    gates.close_gate(unit, gate_id)
    set_status(step.document_id, DocumentStatus.ACCEPTED)
    complete(unit, step)


def rejected(unit: Unit, step: StepRow, *, gate_id: UUID, by: str, comment: str, comments: Sequence[JSON]) -> None:
    """Fail the step; a retry of the execution reworks the document with the comment."""
    assert step.document_id is not None
    gates.close_gate(unit, gate_id)
    set_status(step.document_id, DocumentStatus.REJECTED)
    step.carry = {"feedback": _feedback(step, comment, comments)}
    unit.fail_step(step, ErrorCode.DOCUMENT_REJECTED, comment or f"{by} rejected the document.")


def expired(unit: Unit, step: StepRow, *, gate_id: UUID, detail: str) -> None:
    """Fail the step since nobody decided in time; a retry of the execution asks again, on the same version."""
    gates.expire_gate(unit, gate_id)
    unit.fail_step(step, ErrorCode.GATE_EXPIRED, detail)


def edited(unit: Unit, step: StepRow, *, gate: Gate, by: User, comment: str, stored: StoredVersion) -> UUID:
    """Have people look at the version that one of them wrote, instead of the one at the gate; return the new gate."""
    assert gate.document_id is not None
    decided_event(unit, step, gate.pk, DecisionKind.REQUEST_CHANGES.value, by.get_username(), comment)
    gates.close_gate(unit, gate.pk)
    set_status(gate.document_id, DocumentStatus.CHANGES_REQUESTED)
    step.document_id = stored.document_id
    unit.touch(step)
    data = {
        "document_id": str(stored.document_id),
        "doc_type": gate.document_type,
        "version": stored.version,
        "content_sha256": stored.content_sha256,
    }
    unit.event(EventType.DOCUMENT_CREATED, data, step)
    return gates.open_on_edited(unit, step, gate, stored, by)


def sent_back(unit: Unit, step: StepRow, *, gate_id: UUID, comment: str, comments: Sequence[JSON]) -> None:
    """Have the step run again with the reviewers' comments."""
    assert step.document_id is not None
    gates.close_gate(unit, gate_id)
    set_status(step.document_id, DocumentStatus.CHANGES_REQUESTED)
    step.carry = {"feedback": _feedback(step, comment, comments)}
    step.rework_rounds += 1
    step.failures = step.provider_failures = step.crashes = 0
    unit.move_step(step, StepStatus.RUNNING)
    step.attempt += 1
    data = {"attempt": step.attempt, "reason": RetryReason.REWORK.value, "findings": []}
    unit.event(EventType.STEP_RETRYING, data, step)


def _feedback(step: StepRow, comment: str, comments: Sequence[JSON]) -> JSON:
    return {
        "kind": "rework",
        "comment": comment,
        "comments": list(comments),
        "document_id": str(step.document_id),
    }
