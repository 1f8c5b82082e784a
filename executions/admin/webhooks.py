"""Webhooks, and the log of what was sent. For operators: addresses may hold keys of their receivers."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from documents.rendering import raw_json, visible
from executions.admin.display import as_text, badge, link, moment, short_id
from executions.admin.filters import OwnProjectFilter, ProjectFilter
from executions.admin.people import has_role, person
from executions.admin.rows import VisibleAdmin
from executions.amounts import NOTHING
from executions.exceptions import CombineError
from executions.models import Project, Webhook, WebhookDelivery
from executions.services.access import is_operator
from executions.services.webhooks import redeliver
from executions.webhooks.messages import happening_of, message_of

M = TypeVar("M", bound=Model)


class OperatorAdmin(VisibleAdmin[M]):
    """Rows of webhooks, to operators who see the project that ``project_field`` leads to."""

    project_field = "project"

    def visible_rows(self, rows: QuerySet[M], user: User) -> QuerySet[M]:
        if user.is_superuser:
            return rows
        in_sight = Q(**{f"{self.project_field}__in": Project.objects.visible_to(user)})
        return rows.filter(in_sight) if is_operator(user) else rows.none()

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return has_role(request) and is_operator(person(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A list could be narrowed by any column of its rows, and so tell of one that is shown nowhere.
        return "secret" not in lookup and super().lookup_allowed(lookup, value, request)


@admin.register(Webhook)
class WebhookAdmin(OperatorAdmin[Webhook]):
    """To look at; they are made and changed through the API. The secret is shown nowhere."""

    list_display = ("id_short", "project_link", "url", "description", "is_active", "failing", "deliveries_link")
    list_filter = ("is_active", OwnProjectFilter)
    list_select_related = ("project", "created_by")
    search_fields = ("=id", "project__id", "url", "description")
    readonly_fields = (
        "id", "project_link", "url", "description", "types", "is_active", "disabled_reason", "disabled", "failing",
        "secret_shown", "created_by", "created", "updated", "deliveries_link",
    )  # fmt: skip
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        return super().get_queryset(request).defer("secret", "previous_secret")

    @admin.display(description="webhook", ordering="id")
    def id_short(self, webhook: Webhook) -> str:
        return short_id(webhook.pk)

    @admin.display(description="project", ordering="project")
    def project_link(self, webhook: Webhook) -> SafeString:
        return link("executions_project_change", webhook.project_id, webhook.project_id)

    @admin.display(description="events")
    def types(self, webhook: Webhook) -> str:
        return ", ".join(webhook.event_types) or "all"

    @admin.display(description="secret")
    def secret_shown(self, webhook: Webhook) -> str:
        until = webhook.previous_secret_until
        previous = "" if until is None else f"; the one before signs as well until {moment(until)}"
        return f"whsec_… (never shown), since {moment(webhook.secret_changed_at)}{previous}"

    @admin.display(description="failing since", ordering="failing_since")
    def failing(self, webhook: Webhook) -> str:
        return moment(webhook.failing_since)

    @admin.display(description="switched off")
    def disabled(self, webhook: Webhook) -> str:
        return moment(webhook.disabled_at)

    @admin.display(description="created")
    def created(self, webhook: Webhook) -> str:
        return moment(webhook.created_at)

    @admin.display(description="changed")
    def updated(self, webhook: Webhook) -> str:
        return moment(webhook.updated_at)

    @admin.display(description="log")
    def deliveries_link(self, webhook: Webhook) -> SafeString:
        where = reverse("admin:executions_webhookdelivery_changelist")
        return format_html('<a href="{}?webhook__id__exact={}">deliveries</a>', where, webhook.pk)


class DeliveryProjectFilter(ProjectFilter):
    field = "webhook__project"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(OperatorAdmin[WebhookDelivery]):
    """The log: what was sent, how often it was tried, and what the receiver said."""

    project_field = "webhook__project"
    list_display = ("id_short", "event_type", "state", "webhook_link", "execution_link", "attempt_count", "due", "made")
    list_filter = ("status", "event_type", DeliveryProjectFilter)
    list_select_related = ("webhook", "event__execution")
    search_fields = ("=id", "=webhook__id", "=event__execution__id")
    actions = ("send_again",)  # type: ignore[assignment] # the lists above it have none
    readonly_fields = (
        "id", "webhook_link", "event_type", "execution_link", "seq", "state", "made", "due", "finished",
        "message", "attempts_shown",
    )  # fmt: skip
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        rows = super().get_queryset(request)
        return rows.defer(
            "webhook__secret", "webhook__previous_secret", "event__execution__brief", "event__execution__model_ids"
        )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "webhook__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.action(description="Send the selected deliveries again", permissions=["view"])
    def send_again(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> None:
        sent, refused = 0, Counter[str]()
        for delivery in rows:
            try:
                redeliver(actor=person(request), webhook_id=delivery.webhook_id, delivery_id=delivery.pk)
                sent += 1
            except CombineError as error:
                refused[error.detail] += 1
        if sent:
            self.message_user(request, f"{sent} will be sent again at once.", messages.SUCCESS)
        for detail, count in refused.items():
            self.message_user(request, f"{count} not sent: {detail}", messages.ERROR)

    @admin.display(description="delivery", ordering="id")
    def id_short(self, delivery: WebhookDelivery) -> str:
        return short_id(delivery.pk)

    @admin.display(description="status", ordering="status")
    def state(self, delivery: WebhookDelivery) -> SafeString:
        return badge(delivery.status)

    @admin.display(description="webhook")
    def webhook_link(self, delivery: WebhookDelivery) -> SafeString:
        label = f"{delivery.webhook.project_id} {short_id(delivery.webhook_id)}"
        return link("executions_webhook_change", delivery.webhook_id, label)

    @admin.display(description="execution")
    def execution_link(self, delivery: WebhookDelivery) -> SafeString:
        event = delivery.event
        if event is None:
            return link("executions_execution_change", None, "")
        label = f"{event.execution.workflow_id} {short_id(event.execution_id)}"
        return link("executions_execution_change", event.execution_id, label)

    @admin.display(description="event number")
    def seq(self, delivery: WebhookDelivery) -> str:
        return NOTHING if delivery.event is None else str(delivery.event.seq)

    @admin.display(description="due", ordering="next_attempt_at")
    def due(self, delivery: WebhookDelivery) -> str:
        return moment(delivery.next_attempt_at)

    @admin.display(description="made", ordering="created_at")
    def made(self, delivery: WebhookDelivery) -> str:
        return moment(delivery.created_at)

    @admin.display(description="finished")
    def finished(self, delivery: WebhookDelivery) -> str:
        return moment(delivery.finished_at)

    @admin.display(description="message")
    def message(self, delivery: WebhookDelivery) -> SafeString:
        return as_text(raw_json(message_of(happening_of(delivery))))

    @admin.display(description="attempts")
    def attempts_shown(self, delivery: WebhookDelivery) -> SafeString:
        attempts = list(delivery.attempts.order_by("n"))
        for attempt in attempts:
            attempt.response_body = visible(attempt.response_body)
        return render_to_string("admin/executions/webhook/_attempts.html", {"attempts": attempts})
