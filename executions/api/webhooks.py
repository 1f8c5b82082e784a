"""Webhooks in the API: what clients may send, what they are shown, and what lists can be narrowed by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions.api.fields import AnyJSON, Choice, Flag, StrictSerializer, Text
from executions.api.filters import ChoiceFilter, StatusFilter, StrictFilterSet, TextFilter
from executions.api.serializers import TextOrNull, links_of
from executions.models import DeliveryStatus, Webhook, WebhookAttempt, WebhookDelivery
from executions.models.webhooks import WEBHOOK_EVENT_TYPES
from executions.services.webhooks import MAX_DESCRIPTION
from executions.webhooks.addresses import MAX_URL

_PROJECT_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# What is taken in any case. Of IP addresses it depends on where they lead.
URL_PATTERN = (
    rf"^https://({_LABEL}\.)+[A-Za-z]{{2,63}}(:[1-9][0-9]{{1,3}})?(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*"
    r"(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$"
)


@extend_schema_field({"type": "string", "maxLength": MAX_URL, "pattern": URL_PATTERN})
class UrlText(Text):
    """Where to send to; the service says what is wrong with one."""


class WebhookChangeBody(StrictSerializer):
    """What is to be changed; what is not given stays."""

    url = UrlText(
        required=False,
        help_text="Begins with `https://`, and leads to a public address. It may be changed at any time; what is still"
        " to be sent goes to the new one.",
    )
    event_types = serializers.ListField(
        child=Choice(WEBHOOK_EVENT_TYPES, enum_name="WebhookEventType"),
        required=False,
        max_length=100,
        help_text="Which events to tell; empty: all.",
    )
    description = Text(required=False, allow_blank=True, max_length=MAX_DESCRIPTION)
    is_active = Flag(required=False, help_text="What happens while it is false is not sent later.")


class WebhookBody(StrictSerializer):
    """Where a project's events are to be sent."""

    project_id = AnyJSON(_PROJECT_ID)
    url = UrlText(help_text="Begins with `https://`, and leads to a public address.")
    event_types = serializers.ListField(
        child=Choice(WEBHOOK_EVENT_TYPES, enum_name="WebhookEventType"),
        required=False,
        max_length=100,
        default=list,
        help_text="Which events to tell; empty: all.",
    )
    description = Text(required=False, allow_blank=True, max_length=MAX_DESCRIPTION, default="")


class EmptyBody(StrictSerializer):
    """Nothing: the path says it all."""


@extend_schema_field(links_of("self", "deliveries", "project"), component_name="WebhookLinks")
class WebhookLinksField(serializers.Field[Any, Any, dict[str, str], Any]):
    """Where to go on from a webhook: paths on this server."""

    def to_representation(self, value: Any) -> dict[str, str]:
        return {
            "self": reverse("webhook", args=[str(value.pk)]),
            "deliveries": reverse("webhook-deliveries", args=[str(value.pk)]),
            "project": reverse("project", args=[value.project_id]),
        }


class WebhookSerializer(serializers.Serializer[Webhook]):
    """A subscription: the events of one project, sent to one address. Its secret is not shown again."""

    webhook_id = serializers.UUIDField(source="id")
    project_id = serializers.CharField()
    url = serializers.CharField()
    event_types = serializers.ListField(
        child=Choice(WEBHOOK_EVENT_TYPES, enum_name="WebhookEventType"), help_text="Empty: all."
    )
    description = TextOrNull()
    is_active = serializers.BooleanField()
    disabled_reason = TextOrNull(help_text="Who or what has switched it off.")
    disabled_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="When the first attempt failed after the last one that was accepted."
    )
    secret_changed_at = serializers.DateTimeField()
    previous_secret_until = serializers.SerializerMethodField(
        help_text="Until when messages are signed with the secret before this one as well; null: they are not."
    )
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    links = WebhookLinksField(source="*")

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_previous_secret_until(self, webhook: Webhook) -> str | None:
        until = webhook.previous_secret_until
        if until is None or until <= timezone.now():
            return None
        shown: str = serializers.DateTimeField().to_representation(until)
        return shown


class WebhookWithSecretSerializer(WebhookSerializer):
    """A webhook and its secret, which is shown this once."""

    secret = serializers.SerializerMethodField(help_text="What messages are signed with: `whsec_` and base64.")

    def get_secret(self, webhook: Webhook) -> str:
        secret: str = self.context["secret"]
        return secret


class WebhookAttemptSerializer(serializers.Serializer[WebhookAttempt]):
    """One try to send a delivery."""

    n = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField(allow_null=True, help_text="Null: it is under way.")
    http_status = serializers.IntegerField(allow_null=True, help_text="Null: there was no answer.")
    error_code = TextOrNull(help_text="Null: it was accepted, or is under way. Such as `HTTP_STATUS` or `TIMEOUT`.")
    detail = TextOrNull()
    response_body = TextOrNull(help_text="The beginning of what the receiver answered, 1 KB at most.")


class DeliverySerializer(serializers.Serializer[WebhookDelivery]):
    """One event on its way to a webhook, or a test."""

    delivery_id = serializers.UUIDField(source="id", help_text="What the message's header `webhook-id` says.")
    webhook_id = serializers.UUIDField()
    event_type = Choice(WEBHOOK_EVENT_TYPES, enum_name="WebhookEventType")
    execution_id = serializers.UUIDField(source="event.execution_id", default=None, allow_null=True)
    seq = serializers.IntegerField(source="event.seq", default=None, allow_null=True)
    status = Choice(DeliveryStatus.values, enum_name="DeliveryStatus")
    attempt_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="When it is sent (again), at the earliest.")
    finished_at = serializers.DateTimeField(allow_null=True)
    last_attempt = serializers.SerializerMethodField()

    @extend_schema_field(WebhookAttemptSerializer(allow_null=True))
    def get_last_attempt(self, delivery: WebhookDelivery) -> dict[str, Any] | None:
        attempt: WebhookAttempt | None = self.context["last_attempts"].get(delivery.pk)
        return None if attempt is None else dict(WebhookAttemptSerializer(attempt).data)


class DeliveryDetailSerializer(DeliverySerializer):
    """One event on its way to a webhook, with every attempt to send it."""

    attempts = WebhookAttemptSerializer(many=True)


class WebhookFilter(StrictFilterSet):
    project_id = TextFilter("Webhooks of this project.", "project_id")


class DeliveryFilter(StrictFilterSet):
    status = StatusFilter("Deliveries that are this.", "status", choices=DeliveryStatus.values)
    event_type = ChoiceFilter("Deliveries of events of this type.", "event_type", choices=WEBHOOK_EVENT_TYPES)


def webhooks_with_what_shows(rows: QuerySet[Webhook]) -> QuerySet[Webhook]:
    """Load what is shown of webhooks, and no secret."""
    return rows.select_related("created_by").defer("secret", "previous_secret")


def deliveries_with_what_shows(rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    return rows.select_related("event").defer("event__data")


def last_attempts(page: Sequence[WebhookDelivery]) -> dict[Any, WebhookAttempt]:
    """Return the last attempt of each delivery, in one statement."""
    newest_first = WebhookAttempt.objects.filter(delivery__in=page).order_by("delivery_id", "-n")
    return {attempt.delivery_id: attempt for attempt in newest_first.distinct("delivery_id")}
