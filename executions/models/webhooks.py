"""Webhooks: who wants to be told of a project's events, what they are to be told, and what came of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from executions.models.execution import Event, EventType
from executions.models.project import Project

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What a person sends to see whether a receiver works. It is no event of an execution.
TEST_EVENT = "webhook.test"
WEBHOOK_EVENT_TYPES: tuple[str, ...] = (*EventType.values, TEST_EVENT)


class DeliveryStatus(models.TextChoices):
    """``failed``: nothing more is tried. ``cancelled``: the webhook was switched off before it could be sent."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def visible_to(self, user: User) -> WebhookQuerySet:
        """Keep the webhooks of the projects that ``user`` may see."""
        return self if user.is_superuser else self.filter(project__in=Project.objects.visible_to(user))


class Webhook(models.Model):
    """A subscription: events of one project, sent to one address.

    ``event_types`` empty means all. Events up to ``after_event_id`` (a row of :class:`Event`) are none of its: they
    were there before it was made, or switched on again. Secrets are encrypted (see ``executions.webhooks.sealing``);
    the previous one signs as well until ``previous_secret_until``. ``failing_since``: when the first try failed after
    the last one that was accepted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhooks", db_index=False)
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True, default="")
    event_types = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=300, blank=True, default="")
    disabled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    after_event_id = models.BigIntegerField()
    secret = models.TextField()
    secret_changed_at = models.DateTimeField()
    previous_secret = models.TextField(blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("project", "-created_at", "-id"), name="webhook_project_idx"),
            models.Index(fields=("project",), condition=Q(is_active=True), name="webhook_active_idx"),
        )

    def __str__(self) -> str:
        return f"{self.project_id} {str(self.id)[:8]}"


class WebhookDelivery(models.Model):
    """One event on its way to one webhook, or a test (without event). Its id is the message's ``webhook-id``.

    The row is the truth, jobs only have workers look: it is due from ``next_attempt_at``, and while it is being sent
    nobody else takes it before ``lease_until``. ``tries`` counts the attempts of this round (a redelivery begins
    another), ``attempt_count`` all; the latter is also what a result is fenced by.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    # Events are never removed, so nothing has to be checked for each of many rows.
    event = models.ForeignKey(
        Event, null=True, blank=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    event_type = models.CharField(max_length=32)
    status = models.CharField(max_length=12, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    attempt_count = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("webhook", "event"), name="webhookdelivery_event_once"),
            models.CheckConstraint(condition=Q(status__in=DeliveryStatus.values), name="webhookdelivery_status_known"),
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False, finished_at__isnull=True)
                | (~Q(status="pending") & Q(next_attempt_at__isnull=True, finished_at__isnull=False)),
                name="webhookdelivery_due_or_over",
            ),
        )
        indexes = (
            models.Index(fields=("webhook", "-created_at", "-id"), name="webhookdelivery_newest_idx"),
            models.Index(
                fields=("webhook", "next_attempt_at"), condition=Q(status="pending"), name="webhookdelivery_due_idx"
            ),
            models.Index(fields=("finished_at",), condition=~Q(status="pending"), name="webhookdelivery_over_idx"),
        )

    def __str__(self) -> str:
        return f"{self.event_type} {self.status}"


class WebhookAttempt(models.Model):
    """One try to send a delivery. Written before the request is sent; without ``duration_ms`` it is under way."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    n = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    http_status = models.PositiveIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    response_body = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "webhook attempt"
        ordering = ("delivery", "n")
        constraints = (models.UniqueConstraint(fields=("delivery", "n"), name="webhookattempt_number_once"),)

    def __str__(self) -> str:
        return f"try {self.n}"


class WebhookRelay(models.Model):
    """How far the events have been looked through for webhooks: one row (see ``executions.webhooks.relay``)."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    safe_id = models.BigIntegerField()
    pending_id = models.BigIntegerField()
    pending_xid = models.BigIntegerField()
    pending_at = models.DateTimeField()

    class Meta:
        verbose_name = "webhook relay"

    def __str__(self) -> str:
        return f"events up to {self.safe_id}"
