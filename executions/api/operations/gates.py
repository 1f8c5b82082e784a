"""Gates: the inbox."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema

from executions.api.operations import examples, parts
from executions.api.serializers import GateSerializer

TAGS = ["Gates"]

LIST = extend_schema(
    operation_id="listGates",
    tags=TAGS,
    summary="List gates",
    description="Where executions wait, or waited, for people, newest first. `mine=true` is the inbox: what the caller"
    " can decide or answer at this moment.",
    responses={200: parts.answer(GateSerializer(many=True), "A page of gates.", examples.GATE)},
)
GET = extend_schema(
    operation_id="getGate",
    tags=TAGS,
    summary="Look at a gate",
    description="One gate, with what was said at it. Its `ETag` can be named in `If-Match` by a decision.",
    parameters=[parts.IF_NONE_MATCH],
    responses={
        200: parts.answer(
            GateSerializer, "The gate.", {**examples.GATE, "status": "decided", "decisions": [examples.DECISION]}
        )
    },
)
