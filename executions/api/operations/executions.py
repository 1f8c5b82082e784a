"""Executions, to look at."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from executions.api.operations import examples, parts
from executions.api.serializers import (
    EventSerializer,
    ExecutionSerializer,
    ExecutionSummarySerializer,
    StepSerializer,
)

TAGS = ["Executions"]

LIST = extend_schema(
    operation_id="listExecutions",
    tags=TAGS,
    summary="List executions",
    description="The executions that the caller may see, newest first.",
    responses={
        200: parts.answer(ExecutionSummarySerializer(many=True), "A page of executions.", examples.SUMMARY),
    },
)
GET = extend_schema(
    operation_id="getExecution",
    tags=TAGS,
    summary="Look at an execution",
    description="Where it stands, and what it waits for.",
    parameters=[parts.IF_NONE_MATCH],
    responses={200: parts.answer(ExecutionSerializer, "The execution.", examples.EXECUTION, "Waits for a decision")},
)
EVENTS = extend_schema(
    operation_id="listExecutionEvents",
    tags=TAGS,
    summary="Read the history of an execution",
    description="Its events, oldest first. `seq` is 1, 2, 3 ... without gaps; `after` is the last that the reader has.",
    responses={200: parts.answer(EventSerializer(many=True), "A page of events.", examples.EVENT)},
)
STEPS = extend_schema(
    operation_id="listExecutionSteps",
    tags=TAGS,
    summary="List the steps of an execution",
    description="Every step in file order, iterations followed by what is inside them, each with its attempts and their"
    " calls of the model. `after` is the `path` of the last step that the reader has.",
    responses={200: parts.answer(StepSerializer(many=True), "A page of steps.", examples.STEP)},
    extensions=parts.codes(s403=["PERMISSION_DENIED"]),
)
_STREAM = {
    # As text it is one; tools that take it apart see an object for each event.
    "oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/StreamEvent"}],
    "description": "Server-sent events. First `connected`, without an id: its `data` is the execution as it is. Then"
    " every event of the history, with its `seq` as the id, and what happens from now on. `step_output` shows what a"
    " model is writing (`data` has `attempt` and `text`, which is what is new); it has no id and is never repeated, and"
    " `step_retrying` tells readers to forget it. After an event that ends"
    " the execution the stream ends. Whoever comes again with the id of the last event has neither gap nor repetition.",
}
STREAM = extend_schema(
    operation_id="streamExecution",
    tags=TAGS,
    summary="Follow an execution",
    description="Its history, and then what happens, as server-sent events. The same frames come over a WebSocket at"
    " `/ws/executions/{execution_id}?after=<seq>`.",
    parameters=[
        OpenApiParameter(
            "Last-Event-ID",
            str,
            OpenApiParameter.HEADER,
            description="The id of the last event that the reader has. What is no number is ignored.",
        )
    ],
    responses={
        (200, "text/event-stream"): OpenApiResponse(
            _STREAM, "The stream.", [OpenApiExample("Stream", examples.STREAM, response_only=True)]
        ),
        204: OpenApiResponse(None, "The reader has the last event of an execution that is over: do not come again."),
    },
    extensions=parts.codes(s403=["PERMISSION_DENIED"]),
)
