"""Webhooks, and the log of what was sent. All of it is for operators: addresses may hold keys of their receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import webhooks as shapes
from executions.api.fields import parse_body, parse_uuid, shown
from executions.api.operations import webhooks as operations
from executions.api.serializers import present
from executions.api.views.callers import caller
from executions.api.views.commands import CommandView
from executions.exceptions import WebhookDeliveryNotFound, WebhookNotFound
from executions.models import Webhook, WebhookDelivery
from executions.services.access import require_operator, role_names
from executions.services.webhooks import (
    WebhookChange,
    change_webhook,
    create_webhook,
    delete_webhook,
    redeliver,
    rotate_secret,
    send_test,
    visible_webhook,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SEE = "see webhooks"


class WebhookList(CommandView, GenericAPIView[Webhook]):
    filterset_class = shapes.WebhookFilter
    orderings = {"created_at": ("created_at", "id")}
    default_ordering = "-created_at"

    @operations.LIST
    def get(self, request: Request) -> Response:
        user = caller(request)
        if role_names(user):  # without any, there is nothing to see anywhere
            require_operator(user, _SEE)
        rows = shapes.webhooks_with_what_shows(Webhook.objects.visible_to(user))
        page = self.paginate_queryset(self.filter_queryset(rows)) or []
        return self.get_paginated_response(present(shapes.WebhookSerializer, page))

    @operations.CREATE
    def post(self, request: Request) -> Response:
        user = caller(request)
        require_operator(user, "make a webhook")
        body = parse_body(request, shapes.WebhookBody)
        webhook, secret = create_webhook(actor=user, at=timezone.now(), **body)
        location = request.build_absolute_uri(reverse("webhook", args=[str(webhook.pk)]))
        answer = shapes.WebhookWithSecretSerializer(webhook, context={"secret": secret}).data
        return Response(answer, status=status.HTTP_201_CREATED, headers={"Location": location})


class WebhookDetail(APIView):
    @operations.GET
    def get(self, request: Request, webhook_id: str) -> Response:
        return Response(_webhook_body(caller(request), webhook_uuid(webhook_id)))

    @operations.CHANGE
    def patch(self, request: Request, webhook_id: str) -> Response:
        user, key = caller(request), webhook_uuid(webhook_id)
        visible_webhook(user, key, "change a webhook")
        change = WebhookChange(**parse_body(request, shapes.WebhookChangeBody))
        change_webhook(actor=user, webhook_id=key, change=change, at=timezone.now())
        return Response(_webhook_body(user, key))

    @operations.DELETE
    def delete(self, request: Request, webhook_id: str) -> Response:
        delete_webhook(actor=caller(request), webhook_id=webhook_uuid(webhook_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RotateSecret(CommandView):
    @operations.ROTATE
    def post(self, request: Request, webhook_id: str) -> Response:
        parse_body(request, shapes.EmptyBody)
        webhook, secret = rotate_secret(actor=caller(request), webhook_id=webhook_uuid(webhook_id), at=timezone.now())
        return Response(shapes.WebhookWithSecretSerializer(webhook, context={"secret": secret}).data)


class SendTest(CommandView):
    @operations.TEST
    def post(self, request: Request, webhook_id: str) -> Response:
        parse_body(request, shapes.EmptyBody)
        user = caller(request)
        delivery = send_test(actor=user, webhook_id=webhook_uuid(webhook_id), at=timezone.now())
        where = reverse("webhook-delivery", args=[str(delivery.webhook_id), str(delivery.pk)])
        return Response(
            _delivery_body(delivery.webhook_id, delivery.pk),
            status=status.HTTP_201_CREATED,
            headers={"Location": request.build_absolute_uri(where)},
        )


class DeliveryList(GenericAPIView[WebhookDelivery]):
    filterset_class = shapes.DeliveryFilter
    orderings = {"created_at": ("created_at", "id")}
    default_ordering = "-created_at"

    @operations.DELIVERIES
    def get(self, request: Request, webhook_id: str) -> Response:
        webhook = visible_webhook(caller(request), webhook_uuid(webhook_id), _SEE)
        rows = shapes.deliveries_with_what_shows(WebhookDelivery.objects.filter(webhook=webhook))
        page = self.paginate_queryset(self.filter_queryset(rows)) or []
        found = shapes.last_attempts(page)
        return self.get_paginated_response(present(shapes.DeliverySerializer, page, last_attempts=found))


class DeliveryDetail(APIView):
    @operations.DELIVERY
    def get(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        webhook = visible_webhook(caller(request), webhook_uuid(webhook_id), _SEE)
        return Response(_delivery_body(webhook.pk, delivery_uuid(delivery_id)))


class Redeliver(CommandView):
    @operations.REDELIVER
    def post(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        parse_body(request, shapes.EmptyBody)
        user, key = caller(request), webhook_uuid(webhook_id)
        visible_webhook(user, key, "send a webhook's delivery again")
        delivery = redeliver(actor=user, webhook_id=key, delivery_id=delivery_uuid(delivery_id))
        return Response(_delivery_body(key, delivery.pk))


def webhook_uuid(text: str) -> UUID:
    """:raises WebhookNotFound: it is no id."""
    if (found := parse_uuid(text)) is None:
        raise WebhookNotFound(shown(text))
    return found


def delivery_uuid(text: str) -> UUID:
    """:raises WebhookDeliveryNotFound: it is no id."""
    if (found := parse_uuid(text)) is None:
        raise WebhookDeliveryNotFound(shown(text))
    return found


def _webhook_body(user: User, webhook_id: UUID) -> dict[str, Any]:
    return dict(shapes.WebhookSerializer(visible_webhook(user, webhook_id, _SEE)).data)


def _delivery_body(webhook_id: UUID, delivery_id: UUID) -> dict[str, Any]:
    rows = shapes.deliveries_with_what_shows(WebhookDelivery.objects.filter(webhook=webhook_id))
    delivery = rows.prefetch_related("attempts").filter(pk=delivery_id).first()
    if delivery is None:
        raise WebhookDeliveryNotFound(str(delivery_id))
    attempts = list(delivery.attempts.all())
    last = {delivery.pk: attempts[-1]} if attempts else {}
    return dict(shapes.DeliveryDetailSerializer(delivery, context={"last_attempts": last}).data)
