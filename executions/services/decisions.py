"""What people say at gates. One service for the API, the admin, the terminal and time-outs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction

from documents.canonical import text_problem
from executions import wakeups
from executions.engine.state import ExecutionStatus
from executions.exceptions import (
    AlreadyDecided,
    Conflict,
    FieldError,
    GateAmbiguous,
    GateNotFound,
    Invalid,
    InvalidState,
    NotPermitted,
    StaleDocument,
)
from executions.llm.clarification import check_answers, cleaned_answers
from executions.models import AuditAct, Decision, DecisionChannel, DecisionKind, Execution, Gate, GateKind, GateStatus
from executions.services import audit
from executions.services.access import may_decide, refusal, visible_execution, voice
from executions.services.drafts import drop_draft
from executions.services.preconditions import Precondition, check
from executions.transitions import lifecycle
from executions.transitions.iteration import carry_out_structure
from executions.transitions.unit import Unit, lock
from workflows.definition import DEFAULT_MAX_REWORK_ROUNDS

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_COMMENT = 10_000
MAX_COMMENTS = 200
_ACTS = {
    DecisionKind.ACCEPT: AuditAct.GATE_ACCEPT,
    DecisionKind.REQUEST_CHANGES: AuditAct.GATE_REQUEST_CHANGES,
    DecisionKind.REJECT: AuditAct.GATE_REJECT,
}
_POINTER = re.compile(r"(/([^~/]|~[01])*)*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person says of a document, and, where they name it, of which one.

    ``comments`` are ``{"path": JSON Pointer, "text": ...}``. A named document or hash must be the gate's.
    """

    decision: DecisionKind
    comment: str = ""
    comments: Sequence[Mapping[str, Any]] = ()
    document_id: UUID | None = None
    content_sha256: str | None = None


def record_decision(
    *,
    actor: User | None,
    gate: Gate,
    verdict: Verdict,
    channel: DecisionChannel,
    at: datetime,
    precondition: Precondition | None = None,
) -> Decision:
    """Write one person's decision on a document and move the execution on, in one transaction.

    Without ``actor`` it is the policy's own, at the end of the time that it gives: it says so, or it is refused.

    :raises InvalidState: nothing waits there (any more). :raises AlreadyDecided: somebody was faster.
    :raises StaleDocument: the gate is about another version. :raises NotPermitted: not this person.
    """
    check_verdict(verdict)
    act, about = _ACTS[verdict.decision], audit.About(gate=gate)
    with audit.refusals(act=act, actor=actor, about=about, channel=channel, at=at), transaction.atomic():
        unit, gate = lock_open_gate(gate, GateKind.ACCEPTANCE, actor, precondition)
        if actor is None:
            _check_time_out(gate, verdict, channel, at)
        check_document(gate, verdict)
        if verdict.decision == DecisionKind.REQUEST_CHANGES:
            _check_rounds(unit, gate)
        decision = write_decision(gate, actor, verdict, channel, at)
        apply_decision(unit, gate, decision)
        _audit(act, decision, gate, actor, unit)
        if actor is not None:
            drop_draft(actor, gate)
        unit.flush()
        wakeups.tx_defer(gate.execution_id)
    return decision


def answer_questions(
    *,
    actor: User,
    gate: Gate,
    answers: Any,
    channel: DecisionChannel,
    at: datetime,
    precondition: Precondition | None = None,
) -> Decision:
    """Write the answers to a gate's questions and let its step go on.

    :raises Invalid: an answer is missing, unknown or of the wrong type; each is named, nothing is lost.
    """
    act, about = AuditAct.GATE_ANSWER, audit.About(gate=gate)
    with audit.refusals(act=act, actor=actor, about=about, channel=channel, at=at), transaction.atomic():
        unit, gate = lock_open_gate(gate, GateKind.CLARIFICATION, actor, precondition)
        if not isinstance(answers, Mapping):
            raise Invalid([FieldError(path="/answers", code="WRONG_TYPE", detail="must be an object of answers by id")])
        findings = check_answers(gate.questions, answers)
        if findings:
            raise Invalid([FieldError(path=each.path, code=each.code, detail=each.detail) for each in findings])
        cleaned = cleaned_answers(gate.questions, answers)
        decision = Decision.objects.create(
            gate=gate,
            user=actor,
            on_behalf_of_id=_on_behalf_of(actor, gate),
            by=actor.get_username(),
            decision=DecisionKind.ANSWER,
            answers=cleaned,
            channel=channel,
            decided_at=at,
        )
        step = unit.steps[gate.path]
        lifecycle.answered(unit, step, gate_id=gate.pk, answers=cleaned, by=decision.by)
        _audit(act, decision, gate, actor, unit)
        drop_draft(actor, gate)
        unit.settle_status()
        unit.flush()
        wakeups.tx_defer(gate.execution_id)
    return decision


def the_gate(*, actor: User, execution_id: UUID, kind: GateKind, gate_id: UUID | None) -> Gate:
    """Return the gate that a call means: the one named, or the one open gate that the actor may decide.

    :raises GateNotFound: the named gate is not of this execution. :raises GateAmbiguous: several are open.
    :raises InvalidState: none is open.
    """
    execution = visible_execution(actor, execution_id)
    gates = Gate.objects.filter(execution=execution, kind=kind).select_related("execution")
    if gate_id is not None:
        gate = gates.filter(pk=gate_id).first()
        if gate is None:
            raise GateNotFound(str(gate_id))
        return gate
    open_gates = list(gates.filter(status=GateStatus.OPEN).order_by("opened_at", "id"))
    allowed = [gate for gate in open_gates if may_decide(actor, gate)]
    if len(allowed) > 1:
        raise GateAmbiguous([(str(gate.pk), gate.path) for gate in allowed])
    if allowed:
        return allowed[0]
    if open_gates:
        act = AuditAct.GATE_ANSWER if kind == GateKind.CLARIFICATION else AuditAct.GATE_DECIDE
        with audit.refusals(act=act, actor=actor, about=audit.About(gate=open_gates[0])):
            raise NotPermitted(refusal(actor, open_gates[0]) or "You may not decide here.")
    _raise_nothing_waits(execution, kind)
    raise AssertionError("unreachable")


def _audit(act: AuditAct, decision: Decision, gate: Gate, actor: User | None, unit: Unit) -> None:
    after: dict[str, Any] = {"decision_id": decision.pk}
    if decision.comments:
        after["comments"] = decision.comments
    if decision.answers is not None:
        after["answers"] = decision.answers
    if decision.on_behalf_of_id is not None:
        after["on_behalf_of_id"] = decision.on_behalf_of_id
    audit.record(
        act=act,
        actor=actor,
        about=audit.About(gate=gate),
        at=decision.decided_at,
        channel=decision.channel,
        after=after,
        detail=decision.comment,
        unit=unit,
    )


def _raise_nothing_waits(execution: Execution, kind: GateKind) -> None:
    last = Decision.objects.filter(gate__execution=execution, gate__kind=kind).order_by("-decided_at", "-id").first()
    words = {GateKind.ACCEPTANCE: "acceptance", GateKind.CLARIFICATION: "clarification"}
    detail = f"The run is {execution.status}; nothing waits for {words[kind]}."
    if last is not None:
        when = f"{last.decided_at:%Y-%m-%d %H:%M:%S} UTC"
        detail += f" The last decision there was {last.decision} by {last.by} at {when}."
    raise InvalidState(detail)


def lock_open_gate(
    gate: Gate, kind: GateKind, actor: User | None, precondition: Precondition | None
) -> tuple[Unit, Gate]:
    """Lock the execution, then the gate; check that it is as expected, open, and that the actor may decide."""
    unit = lock(gate.execution_id)
    gate = Gate.objects.select_for_update(of=("self",)).select_related("execution").get(pk=gate.pk)
    if gate.kind != kind:
        raise InvalidState(f"The gate {gate.pk} is a {gate.kind} gate, not one of {kind}.")
    reason = None if actor is None else refusal(actor, gate)
    if reason is not None:
        raise NotPermitted(reason)
    check(precondition)
    if gate.status != GateStatus.OPEN:
        _raise_closed(gate)
    if unit.is_over:
        status = unit.execution.status.value
        hint = " Retry it first." if unit.execution.status is ExecutionStatus.FAILED else ""
        raise InvalidState(f"The run is {status}, so nothing can be decided in it.{hint}")
    return unit, gate


def _raise_closed(gate: Gate) -> None:
    last = gate.decisions.order_by("-decided_at", "-id").first()
    if last is not None and gate.status == GateStatus.DECIDED:
        raise AlreadyDecided(by=last.by, decision=last.decision, at=last.decided_at)
    raise InvalidState(f"The gate {gate.pk} is {gate.status}; nothing can be decided there.")


def check_document(gate: Gate, verdict: Verdict) -> None:
    is_other = verdict.document_id is not None and verdict.document_id != gate.document_id
    is_changed = verdict.content_sha256 is not None and verdict.content_sha256 != gate.content_sha256
    if is_other or is_changed:
        raise StaleDocument(current_document_id=str(gate.document_id), current_version=gate.document_version)


def _check_rounds(unit: Unit, gate: Gate) -> None:
    limit = gate.policy.get("max_rework_rounds")
    allowed = DEFAULT_MAX_REWORK_ROUNDS if limit is None else limit
    if unit.steps[gate.path].rework_rounds >= allowed:
        raise InvalidState(f"This document was sent back {allowed} times, as often as is allowed: accept or reject it.")


def _check_time_out(gate: Gate, verdict: Verdict, channel: DecisionChannel, at: datetime) -> None:
    """:raises InvalidState: unless the policy accepts when its time is over, and it is over."""
    is_said = gate.policy.get("on_timeout") == verdict.decision == DecisionKind.ACCEPT
    if channel != DecisionChannel.POLICY or not is_said or gate.due_at is None or gate.due_at > at:
        raise InvalidState(f"The policy of the gate {gate.pk} does not decide there by itself, or not yet.")


def _on_behalf_of(actor: User | None, gate: Gate) -> int | None:
    """Return for whom ``actor`` decides as a deputy, where they have no say of their own.

    :raises Conflict: the vote that they could cast is there already.
    """
    if actor is None:
        return None
    votes = list(gate.decisions.all())
    speaker = voice(actor, gate, votes)
    if speaker is not None:
        return None if speaker.user_id == actor.pk else speaker.user_id
    if deputy := next((vote.by for vote in votes if vote.on_behalf_of_id == actor.pk), None):
        raise Conflict(f"{deputy} has voted here as your deputy; the gate waits for others.")
    if any(vote.user_id == actor.pk for vote in votes):
        raise Conflict("You have already voted at this gate; it waits for others.")
    raise Conflict("Whoever you are the deputy of has voted here already; the gate waits for others.")


def write_decision(
    gate: Gate, actor: User | None, verdict: Verdict, channel: DecisionChannel, at: datetime
) -> Decision:
    on_behalf_of = _on_behalf_of(actor, gate)
    try:
        with transaction.atomic():
            return Decision.objects.create(
                gate=gate,
                user=actor,
                on_behalf_of_id=on_behalf_of,
                by=audit.POLICY if actor is None else actor.get_username(),
                decision=verdict.decision,
                comment=verdict.comment,
                comments=[{"path": each.get("path", ""), "text": each["text"]} for each in verdict.comments],
                document_id=gate.document_id,
                document_version=gate.document_version,
                content_sha256=gate.content_sha256,
                channel=channel,
                decided_at=at,
            )
    except IntegrityError as error:
        raise Conflict("You have already voted at this gate; it waits for others.") from error


def apply_decision(unit: Unit, gate: Gate, decision: Decision) -> None:
    step = unit.steps[gate.path]
    lifecycle.decided_event(unit, step, gate.pk, decision.decision, decision.by, decision.comment)
    if decision.decision == DecisionKind.REJECT:
        lifecycle.rejected(
            unit,
            step,
            gate_id=gate.pk,
            by=decision.by,
            comment=decision.comment,
            comments=decision.comments,
        )
    elif decision.decision == DecisionKind.REQUEST_CHANGES:
        lifecycle.sent_back(unit, step, gate_id=gate.pk, comment=decision.comment, comments=decision.comments)
    elif decision.user_id is None or gate.decisions.filter(decision=DecisionKind.ACCEPT).count() >= gate.quorum:
        # The policy's own acceptance, at the end of its time, stands for every vote that is missing.
        lifecycle.accepted(unit, step, gate_id=gate.pk)
        carry_out_structure(unit)
    unit.settle_status()


def check_verdict(verdict: Verdict) -> None:
    errors = []
    if verdict.decision == DecisionKind.ANSWER:
        errors.append(FieldError(path="/decision", code="INVALID_CHOICE", detail="accept, request_changes or reject"))
    detail = _text_error(verdict.comment)
    if detail:
        errors.append(FieldError(path="/comment", code="INVALID_TEXT", detail=detail))
    if len(verdict.comments) > MAX_COMMENTS:
        errors.append(FieldError(path="/comments", code="TOO_MANY", detail=f"at most {MAX_COMMENTS} are taken"))
    for index, each in enumerate(verdict.comments[:MAX_COMMENTS]):
        errors += _comment_errors(index, each)
    needs_reason = verdict.decision == DecisionKind.REQUEST_CHANGES
    if not errors and needs_reason and not verdict.comment.strip() and not verdict.comments:
        detail = "say what to change: a comment, or comments on places of the document"
        errors.append(FieldError(path="/comment", code="REQUIRED", detail=detail))
    if errors:
        raise Invalid(errors)


def _comment_errors(index: int, each: Any) -> list[FieldError]:
    base = f"/comments/{index}"
    if not isinstance(each, Mapping) or set(each) - {"path", "text"}:
        return [FieldError(path=base, code="WRONG_TYPE", detail="must be an object with path and text")]
    path, text = each.get("path", ""), each.get("text")
    errors = []
    if not isinstance(path, str) or text_problem(path) or len(path) > 1_000 or not _POINTER.fullmatch(path):
        detail = "must be a JSON Pointer such as /goals/1, or empty for the whole document"
        errors.append(FieldError(path=f"{base}/path", code="INVALID_POINTER", detail=detail))
    if not isinstance(text, str) or not text.strip():
        errors.append(FieldError(path=f"{base}/text", code="REQUIRED", detail="must say what to change"))
    elif problem := _text_error(text):
        errors.append(FieldError(path=f"{base}/text", code="INVALID_TEXT", detail=problem))
    return errors


def _text_error(text: str) -> str | None:
    if len(text) > MAX_COMMENT:
        return f"is longer than {MAX_COMMENT} characters"
    return text_problem(text)
