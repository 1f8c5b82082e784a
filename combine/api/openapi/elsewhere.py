"""What the document has beyond the views of the REST framework: probes, frames of streams, messages to receivers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api.operations import examples

JSON = dict[str, Any]
Endpoint = tuple[str, str, str, Any]

_ALIVE: JSON = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": ["ok"]}},
}
_WORKERS: JSON = {
    "type": ["object", "null"],
    "required": ["alive", "heartbeat_age_seconds"],
    "properties": {
        "alive": {"type": "integer", "description": "Workers that were heard of in the last ten seconds."},
        "heartbeat_age_seconds": {"type": ["number", "null"], "description": "Since any worker was heard of."},
    },
}
_READY: JSON = {
    "type": "object",
    "required": ["status", "checks"],
    "properties": {
        "status": {"type": "string", "enum": ["ready", "unavailable"]},
        "checks": {
            "type": "object",
            "required": ["database", "migrations", "workers"],
            "properties": {
                "database": {"type": "string", "enum": ["ok", "unavailable"]},
                "migrations": {"type": "string", "enum": ["ok", "pending", "unknown"]},
                "workers": _WORKERS,
            },
        },
    },
}
_IS_READY: JSON = {
    "status": "ready",
    "checks": {"database": "ok", "migrations": "ok", "workers": {"alive": 2, "heartbeat_age_seconds": 0.8}},
}
_IS_NOT: JSON = {
    "status": "unavailable",
    "checks": {"database": "unavailable", "migrations": "unknown", "workers": None},
}

_FRAME_KEYS: JSON = {
    "execution_id": {"type": "string", "format": "uuid"},
    "seq": {"type": "null"},
    "step_id": {"type": ["string", "null"]},
    "path": {"type": ["string", "null"]},
    "timestamp": {"type": "string", "format": "date-time"},
}


def _ref(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def _frame(event_type: str, description: str, data: JSON) -> JSON:
    keys = {"event_type": {"type": "string", "const": event_type}, **_FRAME_KEYS, "data": data}
    return {"type": "object", "description": description, "required": [*keys], "properties": keys}


COMPONENTS: JSON = {
    "Liveness": _ALIVE,
    "Readiness": _READY,
    "StreamEvent": {
        "type": "object",
        "description": "One server-sent event of a stream.",
        "required": ["event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The `seq`, where it is of the history."},
            "event": {"type": "string", "description": "An `EventType`, or `connected`, or `step_output`."},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": _ref("StreamFrame"),
            },
            "retry": {"type": ["integer", "string"]},
        },
    },
    "StreamFrame": {
        "description": "The data of one frame of a stream, also as a WebSocket message.",
        "anyOf": [_ref(name) for name in ("Event", "ConnectedFrame", "StepOutputFrame")],
    },
    "ConnectedFrame": _frame("connected", "Opens every stream: the execution as it is.", _ref("Execution")),
    "StepOutputFrame": _frame(
        "step_output",
        "What a model is writing. Never repeated; `step_retrying` tells readers to forget it.",
        {
            "type": "object",
            "required": ["attempt", "text"],
            "properties": {
                "attempt": {"type": "integer"},
                "text": {"type": "string", "description": "What is new."},
            },
        },
    ),
    "WebhookMessage": {
        "type": "object",
        "description": "What a webhook's receiver is told: that something has happened, and where to look.",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": _ref("WebhookEventType"),
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "description": "Ids, and what names things: no content of documents, no words of people. A test has"
                " the first two keys only.",
                "required": ["webhook_id", "project_id"],
                "properties": {
                    "webhook_id": {"type": "string", "format": "uuid"},
                    "project_id": {"type": "string"},
                    "execution_id": {"type": "string", "format": "uuid"},
                    "seq": {"type": "integer"},
                    "step_id": {"type": ["string", "null"]},
                    "path": {"type": ["string", "null"]},
                },
                "additionalProperties": True,
            },
        },
    },
}
_MESSAGE: JSON = {
    "type": "acceptance_needed",
    "timestamp": "2026-01-31T12:05:10Z",
    "data": {
        "webhook_id": "3e1c9a5e-5f0a-4f6e-9b1f-0d6d3a0a7c11",
        "project_id": "apollo",
        "execution_id": examples.EXECUTION_ID,
        "seq": 7,
        "step_id": "epic_backlog",
        "path": "epic_backlog",
        "gate_id": examples.GATE_ID,
        "document_id": examples.DOCUMENT_ID,
        "doc_type": "epic_backlog",
        "due_at": None,
    },
}


def _signed(name: str, description: str, example: str) -> JSON:
    text = {"type": "string", "examples": [example]}
    return {"name": name, "in": "header", "required": True, "description": description, "schema": text}


# What we send, seen from the receiver's side.
WEBHOOKS: JSON = {
    "event": {
        "post": {
            "operationId": "receiveWebhookMessage",
            "tags": ["Webhooks"],
            "summary": "Be told of an event",
            "description": "As Standard Webhooks 1.0 has it. Sent again, later and later, until it is answered with"
            " 2xx; the same `webhook-id` is the same message.",
            "parameters": [
                _signed("webhook-id", "The delivery.", "a4b7d0c2-1f7e-4a53-8f0a-5b8d1c9e2f33"),
                _signed("webhook-timestamp", "When this attempt was sent, in seconds since 1970.", "1769861110"),
                _signed(
                    "webhook-signature",
                    "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; while a secret is being changed, two.",
                    "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                ),
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": _ref("WebhookMessage"),
                        "examples": {"AcceptanceNeeded": {"value": _MESSAGE}},
                    }
                },
            },
            "responses": {
                "2XX": {"description": "It was taken."},
                "410": {"description": "Send no more: the webhook is switched off."},
            },
        }
    }
}


class _Probe(APIView):
    """Stands in for a view of Django's own kind: it is described, and never called."""

    authentication_classes = ()
    permission_classes = ()


class _Live(_Probe):
    @extend_schema(
        operation_id="getLiveness",
        tags=["Service"],
        summary="Ask whether this process answers",
        description="Without looking at anything.",
        responses={200: OpenApiResponse(_ref("Liveness"), "It does.", [OpenApiExample("Answer", {"status": "ok"})])},
    )
    def get(self, request: Request) -> Response:
        raise NotImplementedError


class _Ready(_Probe):
    @extend_schema(
        operation_id="getReadiness",
        tags=["Service"],
        summary="Ask whether this process can work",
        description="The database is there, and no migration is missing. No worker alive is shown, and is no reason for"
        " 503: what is started then waits.",
        responses={
            200: OpenApiResponse(_ref("Readiness"), "It can.", [OpenApiExample("Ready", _IS_READY)]),
            503: OpenApiResponse(_ref("Readiness"), "It cannot.", [OpenApiExample("No database", _IS_NOT)]),
        },
    )
    def get(self, request: Request) -> Response:
        raise NotImplementedError


def add_endpoints(endpoints: list[Endpoint], **_: Any) -> list[Endpoint]:
    """drf-spectacular's hook before it begins."""
    return [
        *endpoints,
        ("/livez", "/livez", "GET", _Live.as_view()),
        ("/readyz", "/readyz", "GET", _Ready.as_view()),
    ]


def add_components(result: JSON, **_: Any) -> JSON:
    """drf-spectacular's hook at the end."""
    result["components"]["schemas"] |= COMPONENTS
    result["webhooks"] = WEBHOOKS
    return result
