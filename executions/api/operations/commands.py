"""What is done to executions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema

from executions.api.bodies import AcceptanceBody, CancelBody, ClarificationBody, RetryBody, StartBody
from executions.api.operations import examples, parts
from executions.api.serializers import ExecutionSerializer


def _execution(example: Any, name: str) -> OpenApiResponse:
    return parts.answer(ExecutionSerializer, "The execution as it is now.", example, name)


START = extend_schema(
    operation_id="startExecution",
    tags=["Executions"],
    summary="Start a workflow",
    description="Answers at once; workers do the rest. The project is made by its first start. Needs the role"
    " `operator`.",
    parameters=[parts.ETAG],
    request=StartBody,
    responses={201: _execution(examples.STARTED, "Started")},
    examples=parts.body(
        start={"project_id": "apollo", "initial_context": examples.BRIEF, "budget_usd": "5.00"},
        as_short_as_can_be={"project_id": "apollo"},
    ),
    extensions=parts.codes(s404=["WORKFLOW_NOT_FOUND", "REVISION_NOT_FOUND", "PROJECT_NOT_FOUND"]),
)
CANCEL = extend_schema(
    operation_id="cancelExecution",
    tags=["Executions"],
    summary="Cancel an execution",
    description="For good: what is in flight is broken off, and nothing is stored afterwards. Again it changes nothing."
    " Needs the role `operator`.",
    parameters=[parts.if_match("execution"), parts.ETAG],
    request=CancelBody,
    responses={200: _execution(examples.CANCELLED, "Cancelled")},
    examples=parts.body(cancel={"reason": "The brief was the wrong one."}),
    extensions=parts.codes(s409=["INVALID_STATE"]),
)
RETRY = extend_schema(
    operation_id="retryExecution",
    tags=["Executions"],
    summary="Bring a failed execution back",
    description="Finished steps are not run, or paid for, again; a rejected document is reworked. Needs the role"
    " `operator`.",
    parameters=[parts.if_match("execution"), parts.ETAG],
    request=RetryBody,
    responses={200: _execution(examples.GOES_ON, "Goes on")},
    examples=parts.body(retry={"reason": "There is more money now.", "budget_usd": "20"}),
    extensions=parts.codes(s409=["INVALID_STATE"]),
)
_AT_A_GATE = parts.codes(
    s404=["EXECUTION_NOT_FOUND", "GATE_NOT_FOUND"], s409=["INVALID_STATE", "CONFLICT", "GATE_AMBIGUOUS"]
)
ACCEPTANCE = extend_schema(
    operation_id="decideAcceptance",
    tags=["Gates"],
    summary="Accept a document, send it back, or reject it",
    description="`accept` goes on, `request_changes` has the step done again with the comments, `reject` fails the"
    " execution. Whoever was slower is told who decided what (409). Needs one of the gate's roles.",
    parameters=[parts.if_match("gate"), parts.ETAG],
    request=AcceptanceBody,
    responses={200: _execution(examples.GOES_ON, "Goes on")},
    examples=parts.body(
        accept={"decision": "accept", "document_id": examples.DOCUMENT_ID},
        request_changes={
            "decision": "request_changes",
            "comments": [{"path": "/epics/1", "text": "Split lending from reminders."}],
        },
        reject={"accepted": False, "comment": "This is another product."},
    ),
    extensions=_AT_A_GATE,
)
CLARIFICATION = extend_schema(
    operation_id="answerClarification",
    tags=["Gates"],
    summary="Answer the questions of a step",
    description="All answers are checked before anything moves; every wrong, missing or unknown one is named (422)."
    " Operators may answer, and who may decide on the document.",
    parameters=[parts.if_match("gate"), parts.ETAG],
    request=ClarificationBody,
    responses={200: _execution(examples.GOES_ON, "Goes on")},
    examples=parts.body(answers={"answers": {"AUDIENCE": "volunteers", "OFFLINE_DESK": False, "BUSIEST_HOUR": 40}}),
    extensions=_AT_A_GATE,
)
