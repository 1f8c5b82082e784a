"""Webhooks: a project's events, sent to an address."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema

from executions.api import webhooks as shapes
from executions.api.operations import examples, parts

TAGS = ["Webhooks"]

WEBHOOK_ID = "3e1c9a5e-5f0a-4f6e-9b1f-0d6d3a0a7c11"
DELIVERY_ID = "a4b7d0c2-1f7e-4a53-8f0a-5b8d1c9e2f33"
WEBHOOK: dict[str, Any] = {
    "webhook_id": WEBHOOK_ID,
    "project_id": "apollo",
    "url": "https://hooks.example.org/combine",
    "event_types": ["acceptance_needed", "execution_completed", "execution_failed"],
    "description": "The team's chat",
    "is_active": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "secret_changed_at": "2026-01-31T12:00:00Z",
    "previous_secret_until": None,
    "created_by": "olga",
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "links": {
        "self": f"/api/v1/webhooks/{WEBHOOK_ID}",
        "deliveries": f"/api/v1/webhooks/{WEBHOOK_ID}/deliveries",
        "project": "/api/v1/projects/apollo",
    },
}
WITH_SECRET = {**WEBHOOK, "secret": "whsec_c2hvd24gb25jZSwgbmV2ZXIgYWdhaW4sIHNvIGtlZXAgaXQ="}
ROTATED = {**WITH_SECRET, "previous_secret_until": "2026-02-01T12:00:00Z"}
ATTEMPT: dict[str, Any] = {
    "n": 1,
    "started_at": "2026-01-31T12:05:11Z",
    "duration_ms": 84,
    "http_status": 503,
    "error_code": "HTTP_STATUS",
    "detail": "The receiver answered 503; only 2xx counts as accepted.",
    "response_body": "Down for maintenance.",
}
DELIVERY_ROW: dict[str, Any] = {
    "delivery_id": DELIVERY_ID,
    "webhook_id": WEBHOOK_ID,
    "event_type": "acceptance_needed",
    "execution_id": examples.EXECUTION_ID,
    "seq": 7,
    "status": "pending",
    "attempt_count": 1,
    "created_at": "2026-01-31T12:05:10Z",
    "next_attempt_at": "2026-01-31T12:05:16Z",
    "finished_at": None,
    "last_attempt": ATTEMPT,
}
DELIVERY_EXAMPLE = {**DELIVERY_ROW, "attempts": [ATTEMPT]}
SENT_AGAIN = {**DELIVERY_EXAMPLE, "next_attempt_at": "2026-01-31T12:30:00Z"}
A_TEST = {
    **DELIVERY_EXAMPLE,
    "event_type": "webhook.test",
    "execution_id": None,
    "seq": None,
    "attempt_count": 0,
    "last_attempt": None,
    "attempts": [],
}

_READS = parts.codes(s403=["PERMISSION_DENIED"])

LIST = extend_schema(
    operation_id="listWebhooks",
    tags=TAGS,
    summary="List webhooks",
    description="The webhooks of the projects that the caller may see, newest first. Needs the role `operator`.",
    responses={200: parts.answer(shapes.WebhookSerializer(many=True), "A page of webhooks.", WEBHOOK)},
    extensions=_READS,
)
CREATE = extend_schema(
    operation_id="createWebhook",
    tags=TAGS,
    summary="Have a project's events sent to an address",
    description="Events from now on. The answer holds the secret that messages are signed with, this once. A project"
    " may have 20 webhooks. Needs the role `operator`.",
    request=shapes.WebhookBody,
    responses={201: parts.answer(shapes.WebhookWithSecretSerializer, "The webhook, with its secret.", WITH_SECRET)},
    examples=parts.body(
        some_events={
            "project_id": "apollo",
            "url": "https://hooks.example.org/combine",
            "event_types": ["acceptance_needed", "execution_completed", "execution_failed"],
            "description": "The team's chat",
        },
        all_events={"project_id": "apollo", "url": "https://hooks.example.org/combine"},
    ),
    extensions=parts.codes(s404=["PROJECT_NOT_FOUND"], s409=["CONFLICT"]),
)
GET = extend_schema(
    operation_id="getWebhook",
    tags=TAGS,
    summary="Look at a webhook",
    description="Without its secret. Needs the role `operator`.",
    responses={200: parts.answer(shapes.WebhookSerializer, "The webhook.", WEBHOOK)},
    extensions=_READS,
)
CHANGE = extend_schema(
    operation_id="changeWebhook",
    tags=TAGS,
    summary="Change a webhook",
    description="Its address, its events, its description; or switch it off and on. What is still to be sent when it is"
    " switched off is not sent any more, and neither is what happens until it is switched on. Needs the role"
    " `operator`.",
    request=shapes.WebhookChangeBody,
    responses={200: parts.answer(shapes.WebhookSerializer, "The webhook as it is now.", WEBHOOK)},
    examples=parts.body(events={"event_types": ["execution_failed"]}, switch_on={"is_active": True}),
)
DELETE = extend_schema(
    operation_id="deleteWebhook",
    tags=TAGS,
    summary="Delete a webhook",
    description="With the log of its deliveries. Needs the role `operator`.",
    responses={204: OpenApiResponse(description="It is gone.")},
)
ROTATE = extend_schema(
    operation_id="rotateWebhookSecret",
    tags=TAGS,
    summary="Give a webhook another secret",
    description="The answer holds it, this once. For 24 hours messages are signed with both, the old one and the new"
    " one. Needs the role `operator`.",
    request=shapes.EmptyBody,
    responses={200: parts.answer(shapes.WebhookWithSecretSerializer, "The webhook, with its new secret.", ROTATED)},
)
TEST = extend_schema(
    operation_id="testWebhook",
    tags=TAGS,
    summary="Send a test",
    description="One message of type `webhook.test`, at once and once. `Location` is where its result will be. Needs"
    " the role `operator`.",
    request=shapes.EmptyBody,
    responses={201: parts.answer(shapes.DeliveryDetailSerializer, "The delivery, before it is sent.", A_TEST)},
    extensions=parts.codes(s409=["INVALID_STATE"]),
)
DELIVERIES = extend_schema(
    operation_id="listWebhookDeliveries",
    tags=TAGS,
    summary="Read the log of a webhook",
    description="What was sent, or is to be, newest first. Rows are kept for 30 days after their end. Needs the role"
    " `operator`.",
    responses={200: parts.answer(shapes.DeliverySerializer(many=True), "A page of deliveries.", DELIVERY_ROW)},
    extensions=_READS,
)
DELIVERY = extend_schema(
    operation_id="getWebhookDelivery",
    tags=TAGS,
    summary="Look at a delivery",
    description="With every attempt. Needs the role `operator`.",
    responses={200: parts.answer(shapes.DeliveryDetailSerializer, "The delivery.", DELIVERY_EXAMPLE)},
    extensions=_READS,
)
REDELIVER = extend_schema(
    operation_id="redeliverWebhookDelivery",
    tags=TAGS,
    summary="Send a delivery again",
    description="Now, under the same `webhook-id`, and with all its attempts before it; whatever came of it the last"
    " time. Needs the role `operator`.",
    request=shapes.EmptyBody,
    responses={200: parts.answer(shapes.DeliveryDetailSerializer, "The delivery as it is now.", SENT_AGAIN)},
    extensions=parts.codes(s409=["INVALID_STATE"]),
)
