"""What people and programs do to executions. Each is one call of a service; the answer is the execution."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.bodies import AcceptanceBody, CancelBody, ClarificationBody, RetryBody, StartBody
from executions.api.conditional import if_match
from executions.api.fields import parse_body
from executions.api.idempotency import IdempotentPosts
from executions.api.operations import commands as operations
from executions.api.views.callers import caller, execution_uuid, gate_uuid
from executions.api.views.executions import execution_body, execution_response
from executions.api.views.gates import gate_body
from executions.models import DecisionChannel, DecisionKind, Gate, GateKind
from executions.services.access import require_operator
from executions.services.decisions import Verdict, answer_questions, record_decision, the_gate
from executions.services.executions import NewExecution, cancel_execution, retry_execution, start_execution
from executions.services.preconditions import Precondition
from workflows.models import WorkflowRevision
from workflows.services import current_revision, find_revision


class CommandView(IdempotentPosts):
    """A POST that changes something: the place for whatever holds for all of them."""


class StartExecution(CommandView):
    @operations.START
    def post(self, request: Request, workflow_id: str) -> Response:
        user = caller(request)
        require_operator(user, "start a run")
        revision: WorkflowRevision = current_revision(workflow_id)
        body = parse_body(request, StartBody)
        if body["revision"] is not None:
            revision = find_revision(workflow_id, body["revision"])
        execution = start_execution(
            actor=user,
            revision=revision,
            new=NewExecution(
                project_id=body["project_id"], brief=body["initial_context"], budget_usd=body["budget_usd"]
            ),
            at=timezone.now(),
        )
        execution_id = str(execution.pk)
        location = reverse("execution", args=[execution_id])
        return execution_response(request, execution_id, code=status.HTTP_201_CREATED, location=location)


class CancelExecution(CommandView):
    @operations.CANCEL
    def post(self, request: Request, execution_id: str) -> Response:
        body = parse_body(request, CancelBody)
        cancel_execution(
            actor=caller(request),
            execution_id=execution_uuid(execution_id),
            reason=body["reason"],
            precondition=_execution_matches(request, execution_id),
        )
        return execution_response(request, execution_id)


class RetryExecution(CommandView):
    @operations.RETRY
    def post(self, request: Request, execution_id: str) -> Response:
        body = parse_body(request, RetryBody)
        retry_execution(
            actor=caller(request),
            execution_id=execution_uuid(execution_id),
            reason=body["reason"],
            budget_usd=body["budget_usd"],
            precondition=_execution_matches(request, execution_id),
        )
        return execution_response(request, execution_id)


class DecideAcceptance(CommandView):
    @operations.ACCEPTANCE
    def post(self, request: Request, execution_id: str) -> Response:
        body = parse_body(request, AcceptanceBody)
        gate = _gate(request, execution_uuid(execution_id), GateKind.ACCEPTANCE, body)
        verdict = Verdict(
            decision=DecisionKind(body["decision"]),
            comment=body["comment"],
            comments=body["comments"],
            document_id=body["document_id"],
        )
        record_decision(
            actor=caller(request),
            gate=gate,
            verdict=verdict,
            channel=DecisionChannel.API,
            at=timezone.now(),
            precondition=_gate_matches(request, gate),
        )
        return execution_response(request, execution_id)


class AnswerClarification(CommandView):
    @operations.CLARIFICATION
    def post(self, request: Request, execution_id: str) -> Response:
        body = parse_body(request, ClarificationBody)
        gate = _gate(request, execution_uuid(execution_id), GateKind.CLARIFICATION, body)
        answer_questions(
            actor=caller(request),
            gate=gate,
            answers=body["answers"],
            channel=DecisionChannel.API,
            at=timezone.now(),
            precondition=_gate_matches(request, gate),
        )
        return execution_response(request, execution_id)


def _gate(request: Request, execution_id: UUID, kind: GateKind, body: dict[str, Any]) -> Gate:
    """Return the gate that the body names, or else the one that it can only mean."""
    gate_id = None if body["gate_id"] is None else gate_uuid(body["gate_id"])
    return the_gate(actor=caller(request), execution_id=execution_id, kind=kind, gate_id=gate_id)


def _execution_matches(request: Request, execution_id: str) -> Precondition | None:
    """Return what If-Match says of the execution."""
    url = reverse("execution", args=[execution_id])
    return if_match(request, lambda: execution_body(caller(request), execution_id), url)


def _gate_matches(request: Request, gate: Gate) -> Precondition | None:
    """Return what If-Match says of the gate, not of its execution: that may go on elsewhere meanwhile."""
    gate_id = str(gate.pk)
    return if_match(request, lambda: gate_body(caller(request), gate_id), reverse("gate", args=[gate_id]))
