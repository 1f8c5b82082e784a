"""Recording what an attempt brought: a document, questions, findings, or an error.

Each function is called with the unit locked and only while the attempt's token is still the step's; what a
superseded attempt brings is dropped by the caller (its cost is in the ledger).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from documents.canonical import storable_text
from documents.models import DocumentStatus
from documents.services import NewDocument, StoredVersion
from executions.engine.backoff import PROVIDER_RETRY_LIMIT, provider_backoff
from executions.engine.state import AttemptStatus, ErrorCode, RetryReason, StepStatus
from executions.llm.errors import RateLimited
from executions.llm.values import Finding
from executions.models import EventType
from executions.transitions.gates import open_acceptance, open_clarification
from executions.transitions.rows import JSON, StepRow
from executions.transitions.unit import Unit
from executions.values import Asked, Claim, CutShort, Failed, Invalid, Outcome, Produced, ProviderFailed

MAX_CRASHES = 3
MAX_CREATED_BY = 150


def record(unit: Unit, step: StepRow, claim: Claim, outcome: Outcome, stored: StoredVersion | None) -> None:
    """Write the outcome of the step's current attempt and release its token.

    ``stored`` is the version that :func:`new_document` was stored as, where the outcome is a document.
    """
    step.token = None
    unit.touch(step)
    match outcome:
        case Produced():
            assert stored is not None
            _record_document(unit, step, claim, stored)
        case Asked():
            _finish(unit, claim.token, AttemptStatus.SUCCEEDED, "asked")
            step.question_rounds += 1
            step.carry = {key: step.carry[key] for key in ("feedback", "retry_note") if key in step.carry}
            unit.move_step(step, StepStatus.WAITING_CLARIFICATION)
            open_clarification(unit, step, claim.doc_type, outcome.questions)
        case Invalid():
            _record_invalid(unit, step, claim, list(outcome.findings))
        case CutShort():
            _record_cut_short(unit, step, claim, outcome)
        case Failed():
            detail = storable_text(outcome.detail)
            _finish(unit, claim.token, AttemptStatus.FAILED, outcome.code.value, detail)
            unit.fail_step(step, outcome.code, detail)
        case ProviderFailed():
            _record_provider_failure(unit, step, claim, outcome)


def new_document(unit: Unit, step: StepRow, claim: Claim, outcome: Produced) -> NewDocument:
    """Return the version that a produced document is to be stored as."""
    return NewDocument(
        project_id=unit.execution.project_id,
        scope_type=step.scope_type,
        scope_id=step.scope_id,
        document_type=claim.doc_type.type_id,
        status=DocumentStatus.FINAL if claim.doc_type.acceptance is None else DocumentStatus.IN_REVIEW,
        title=outcome.title,
        summary=outcome.summary,
        content=outcome.content,
        created_at=unit.now,
        created_by=storable_text(outcome.model, MAX_CREATED_BY),
        created_by_step=step.path,
        execution_id=unit.execution.id,
        is_offline=outcome.is_offline,
        edits=outcome.edits,
    )


def _record_document(unit: Unit, step: StepRow, claim: Claim, stored: StoredVersion) -> None:
    _finish(unit, claim.token, AttemptStatus.SUCCEEDED, "document")
    policy = claim.doc_type.acceptance
    step.document_id, step.carry = stored.document_id, {}
    step.failures = step.provider_failures = step.crashes = 0
    data = {
        "document_id": str(stored.document_id),
        "doc_type": claim.doc_type.type_id,
        "version": stored.version,
        "content_sha256": stored.content_sha256,
    }
    unit.event(EventType.DOCUMENT_CREATED, data, step)
    if policy is None:
        complete(unit, step)
    else:
        unit.move_step(step, StepStatus.WAITING_ACCEPTANCE)
        open_acceptance(unit, step, claim.doc_type, policy, stored)


def complete(unit: Unit, step: StepRow) -> None:
    """End a step well: its document may be used from now on."""
    unit.move_step(step, StepStatus.COMPLETED)
    unit.event(EventType.STEP_COMPLETED, {"document_id": str(step.document_id)}, step)


def _record_invalid(unit: Unit, step: StepRow, claim: Claim, findings: list[Finding]) -> None:
    rows = [finding.to_json() for finding in findings]
    _finish(unit, claim.token, AttemptStatus.FAILED, ErrorCode.OUTPUT_INVALID.value, findings=rows)
    step.failures += 1
    if step.failures >= claim.step.max_attempts:
        listed = "; ".join(f"{finding.path or '/'}: {finding.detail}" for finding in findings[:5])
        detail = f"After {step.failures} attempts the output is still not a valid {claim.doc_type.type_id}: {listed}"
        unit.fail_step(step, ErrorCode.OUTPUT_INVALID, detail)
        return
    step.carry = {**step.carry, "correction": {"call_id": str(claim.call_id), "findings": rows}}
    step.carry.pop("resume_call", None)
    _retry(unit, step, RetryReason.OUTPUT_INVALID, rows)


def _record_cut_short(unit: Unit, step: StepRow, claim: Claim, outcome: CutShort) -> None:
    detail = f"The answer was cut off at max_tokens ({claim.request.max_tokens})."
    finding = Finding(code=ErrorCode.OUTPUT_TRUNCATED.value, path="", detail=detail)
    _finish(unit, claim.token, AttemptStatus.FAILED, ErrorCode.OUTPUT_TRUNCATED.value, detail, [finding.to_json()])
    step.failures += 1
    has_room = outcome.room > claim.request.max_tokens and "max_tokens" not in step.carry
    if not has_room or step.failures >= claim.step.max_attempts:
        unit.fail_step(step, ErrorCode.OUTPUT_TRUNCATED, f"{detail} There is no more room to give it.")
        return
    step.carry = {**step.carry, "max_tokens": outcome.room}
    step.carry.pop("resume_call", None)
    _retry(unit, step, RetryReason.OUTPUT_INVALID, [finding.to_json()])


def _retry(unit: Unit, step: StepRow, reason: RetryReason, findings: list[JSON]) -> None:
    """Have the step tried again at once; a content attempt more."""
    if not unit.is_draining:
        step.attempt += 1
        data = {"attempt": step.attempt, "reason": reason.value, "findings": findings}
        unit.event(EventType.STEP_RETRYING, data, step)


def _record_provider_failure(unit: Unit, step: StepRow, claim: Claim, outcome: ProviderFailed) -> None:
    error = outcome.error
    detail = storable_text(str(error))
    _finish(unit, claim.token, AttemptStatus.FAILED, type(error).__name__, detail)
    step.provider_failures += 1
    limit = PROVIDER_RETRY_LIMIT if error.retry_limit is None else error.retry_limit
    if not error.retryable or step.provider_failures > limit:
        tries = f" (after {step.provider_failures} tries)" if error.retryable else ""
        unit.fail_step(step, ErrorCode(error.code), f"{detail}{tries}")
        return
    wait = provider_backoff(
        step.provider_failures,
        retry_after=error.retry_after if isinstance(error, RateLimited) else None,
        jitter=outcome.jitter,
    )
    step.due_at = unit.now + timedelta(seconds=wait)
    if not unit.is_draining:
        when = f"{detail}; it is tried again at {step.due_at:%H:%M:%S} UTC"
        findings = [{"code": type(error).__name__, "path": "", "detail": when}]
        data = {"attempt": step.attempt, "reason": RetryReason.PROVIDER_ERROR.value, "findings": findings}
        unit.event(EventType.STEP_RETRYING, data, step)


def lose(unit: Unit, step: StepRow, *, resume_call: UUID | None, was_alone: bool) -> None:
    """Take a step from an attempt whose worker died.

    A crash never fails a step by itself, but a step that has lost its worker :data:`MAX_CRASHES` times, the
    last time alone, is what kills it. One that was still waiting to run alone died of another.
    """
    assert step.token is not None
    _finish(unit, step.token, AttemptStatus.SUPERSEDED, "worker_lost")
    step.token = None
    if was_alone or step.crashes < MAX_CRASHES - 1:
        step.crashes += 1
    unit.touch(step)
    if resume_call is not None:
        step.carry = {**step.carry, "resume_call": str(resume_call)}
    if step.crashes >= MAX_CRASHES:
        detail = f"The worker died {step.crashes} times while it worked on this step, the last time on nothing else."
        unit.fail_step(step, ErrorCode.STEP_CRASHED, detail)
    elif not unit.is_draining:
        data = {"attempt": step.attempt, "reason": RetryReason.WORKER_LOST.value, "findings": []}
        unit.event(EventType.STEP_RETRYING, data, step)


def release(unit: Unit, step: StepRow, *, resume_call: UUID | None) -> None:
    """Give a step back, because its worker is stopping in order; it counts against nothing."""
    assert step.token is not None
    _finish(unit, step.token, AttemptStatus.SUPERSEDED, "released")
    step.token = None
    if resume_call is not None:
        step.carry = {**step.carry, "resume_call": str(resume_call)}
    unit.touch(step)
    if not unit.is_draining:
        data = {"attempt": step.attempt, "reason": RetryReason.WORKER_LOST.value, "findings": []}
        unit.event(EventType.STEP_RETRYING, data, step)


def _finish(
    unit: Unit,
    token: UUID,
    status: AttemptStatus,
    outcome: str,
    detail: str = "",
    findings: Sequence[JSON] = (),
) -> None:
    unit.finish_attempt(
        {"id": token, "status": status.value, "outcome": outcome, "detail": detail, "findings": list(findings)}
    )
