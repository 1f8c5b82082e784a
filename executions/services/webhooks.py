"""Making and changing webhooks, and sending again. For operators who see the project, through every door.

Not for all who see it: whoever may name an address has the project's events leave the house.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from documents import database
from documents.canonical import text_problem
from executions.exceptions import (
    Conflict,
    FieldError,
    Invalid,
    InvalidState,
    ProjectNotFound,
    WebhookDeliveryNotFound,
    WebhookNotFound,
)
from executions.models import Event, Project
from executions.models.webhooks import TEST_EVENT, WEBHOOK_EVENT_TYPES, DeliveryStatus, Webhook, WebhookDelivery
from executions.services.access import require_operator
from executions.services.executions import PROJECT_ID
from executions.webhooks import wakeups
from executions.webhooks.addresses import url_problem
from executions.webhooks.deliveries import cancel_pending, switch_off
from executions.webhooks.sealing import seal
from executions.webhooks.signing import make_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MAX_PER_PROJECT = 20
MAX_DESCRIPTION = 200
# How long the secret before a rotation signs as well, so that receivers can change theirs in peace.
PREVIOUS_SECRET_FOR = timedelta(hours=24)

_DELETE_DELIVERIES = "DELETE FROM executions_webhookdelivery WHERE webhook_id = %s RETURNING id"
_DELETE_ATTEMPTS = "DELETE FROM executions_webhookattempt WHERE delivery_id = ANY(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChange:
    """What is to be different; ``None`` leaves it as it is."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    description: str | None = None
    is_active: bool | None = None


def create_webhook(
    *, actor: User, project_id: Any, url: str, event_types: Sequence[str] = (), description: str = "", at: datetime
) -> tuple[Webhook, str]:
    """Have a project's events sent to ``url`` from now on; return the webhook and its secret, in plain this once.

    :raises Invalid: a field is wrong. :raises ProjectNotFound: there is none, or the actor may not see it.
    :raises Conflict: the project has as many as it may have.
    """
    require_operator(actor, "make a webhook")
    change = WebhookChange(url=url, event_types=event_types, description=description)
    errors = _errors(change)
    if not isinstance(project_id, str) or not PROJECT_ID.fullmatch(project_id):
        detail = "must be a text of 1 to 64 letters, digits, dots, dashes or underscores"
        errors.insert(0, FieldError(path="/project_id", code="INVALID_ID", detail=detail))
    if errors:
        raise Invalid(errors)
    secret = make_secret()
    with transaction.atomic():
        # Locked, so that two at a time do not both become the last.
        visible = Project.objects.visible_to(actor).filter(pk=project_id)
        project = Project.objects.select_for_update(no_key=True).filter(pk__in=visible).first()
        if project is None:
            raise ProjectNotFound(project_id)
        if Webhook.objects.filter(project=project).count() >= MAX_PER_PROJECT:
            raise Conflict(f"The project has {MAX_PER_PROJECT} webhooks, as many as it may have; delete one first.")
        webhook = Webhook.objects.create(
            project=project,
            url=url,
            event_types=_in_order(event_types),
            description=description,
            after_event_id=_newest_event(),
            secret=seal(secret),
            secret_changed_at=at,
            created_by=actor,
            created_at=at,
            updated_at=at,
        )
    _log("A webhook was made", "webhook_created", webhook, actor)
    return webhook, secret


def change_webhook(*, actor: User, webhook_id: UUID, change: WebhookChange, at: datetime) -> Webhook:
    """Change what is given. What happens while a webhook is switched off is not sent later.

    :raises Invalid: a field is wrong. :raises WebhookNotFound: also where the actor may not see it.
    """
    with transaction.atomic():
        webhook = _locked(actor, webhook_id, "change a webhook")
        if errors := _errors(change):
            raise Invalid(errors)
        if change.url is not None:
            webhook.url = change.url
        if change.event_types is not None:
            webhook.event_types = _in_order(change.event_types)
        if change.description is not None:
            webhook.description = change.description
        webhook.updated_at = at
        webhook.save(update_fields=["url", "event_types", "description", "updated_at"])
        if change.is_active is not None and change.is_active != webhook.is_active:
            if change.is_active:
                _switch_on(webhook, at)
            else:
                switch_off(webhook, reason=f"Switched off by {actor.get_username()}.", at=at)
    _log("A webhook was changed", "webhook_changed", webhook, actor)
    return webhook


def delete_webhook(*, actor: User, webhook_id: UUID) -> None:
    """Remove a webhook with the log of its deliveries. :raises WebhookNotFound: also where it may not be seen."""
    with transaction.atomic():
        webhook = _locked(actor, webhook_id, "delete a webhook", for_deletion=True)
        # Deliveries first: whoever claims one has its attempt stored before this goes on, or finds none to claim.
        removed = [row[0] for row in database.rows(_DELETE_DELIVERIES, (webhook_id,))]
        database.execute(_DELETE_ATTEMPTS, (removed,))
        _log("A webhook was deleted", "webhook_deleted", webhook, actor)
        webhook.delete()


def rotate_secret(*, actor: User, webhook_id: UUID, at: datetime) -> tuple[Webhook, str]:
    """Give a webhook another secret and return it, in plain this once. The old one signs as well for a day."""
    secret = make_secret()
    with transaction.atomic():
        webhook = _locked(actor, webhook_id, "rotate a webhook's secret")
        webhook.previous_secret, webhook.previous_secret_until = webhook.secret, at + PREVIOUS_SECRET_FOR
        webhook.secret, webhook.secret_changed_at, webhook.updated_at = seal(secret), at, at
        webhook.save()
    _log("The secret of a webhook was rotated", "webhook_secret_rotated", webhook, actor)
    return webhook, secret


def send_test(*, actor: User, webhook_id: UUID, at: datetime) -> WebhookDelivery:
    """Send one message of type ``webhook.test``, once. :raises InvalidState: the webhook is switched off."""
    with transaction.atomic():
        webhook = _locked(actor, webhook_id, "test a webhook")
        _require_active(webhook)
        delivery = WebhookDelivery.objects.create(
            id=uuid4(), webhook=webhook, event_type=TEST_EVENT, next_attempt_at=at, created_at=at
        )
        _send_now(delivery)
    return delivery


def redeliver(*, actor: User, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Send a delivery again, now, with all its attempts before it; the message and its id are the same.

    :raises InvalidState: the webhook is switched off, or the delivery is being sent at this moment.
    """
    with transaction.atomic():
        webhook = _locked(actor, webhook_id, "send a webhook's delivery again")
        delivery = WebhookDelivery.objects.select_for_update().filter(pk=delivery_id, webhook=webhook).first()
        if delivery is None:
            raise WebhookDeliveryNotFound(str(delivery_id))
        _require_active(webhook)
        _send_now(delivery)
    _log("A webhook's delivery is sent again", "webhook_redelivered", webhook, actor)
    return delivery


def visible_webhook(actor: User, webhook_id: UUID, act: str) -> Webhook:
    """Return a webhook to an operator who sees its project.

    :raises WebhookNotFound: the actor may not see the project. :raises NotPermitted: they are no operator.
    """
    return _checked(actor, Webhook.objects.all(), webhook_id, act)


def _locked(actor: User, webhook_id: UUID, act: str, *, for_deletion: bool = False) -> Webhook:
    return _checked(actor, Webhook.objects.select_for_update(no_key=not for_deletion), webhook_id, act)


def _checked(actor: User, rows: Any, webhook_id: UUID, act: str) -> Webhook:
    visible = Webhook.objects.visible_to(actor).filter(pk=webhook_id)
    webhook: Webhook | None = rows.filter(pk__in=visible.values("pk")).first()
    if webhook is None:
        raise WebhookNotFound(str(webhook_id))
    require_operator(actor, act)
    return webhook


def _require_active(webhook: Webhook) -> None:
    if not webhook.is_active:
        raise InvalidState("The webhook is switched off, so nothing is sent; switch it on (is_active) first.")


def _send_now(delivery: WebhookDelivery) -> None:
    now = database.rows("SELECT clock_timestamp()")[0][0]
    if delivery.lease_until is not None and delivery.lease_until > now:
        raise InvalidState("The delivery is being sent at this moment; wait for its result.")
    delivery.status, delivery.next_attempt_at = DeliveryStatus.PENDING, now
    delivery.finished_at = delivery.lease_until = None
    delivery.tries = 0
    delivery.save()
    wakeups.tx_defer(delivery.webhook_id)


def _switch_on(webhook: Webhook, at: datetime) -> None:
    webhook.is_active, webhook.disabled_reason, webhook.disabled_at = True, "", None
    webhook.failing_since = None
    webhook.after_event_id = _newest_event()
    webhook.save()
    cancel_pending(webhook, at=at)  # left over where it was switched off while a result was being stored


def _newest_event() -> int:
    newest: int | None = Event.objects.aggregate(newest=Max("pk"))["newest"]
    return newest or 0


def _in_order(event_types: Sequence[str]) -> list[str]:
    return [each for each in WEBHOOK_EVENT_TYPES if each in event_types]


def _errors(change: WebhookChange) -> list[FieldError]:
    errors = []
    if change.url is not None:
        problem = url_problem(change.url, allow_private=settings.COMBINE_WEBHOOKS_ALLOW_PRIVATE)
        if problem is not None:
            errors.append(FieldError(path="/url", code="INVALID_URL", detail=problem))
    for index, each in enumerate(change.event_types or ()):
        if each not in WEBHOOK_EVENT_TYPES:
            detail = f"is no type of event; known are {', '.join(WEBHOOK_EVENT_TYPES)}"
            errors.append(FieldError(path=f"/event_types/{index}", code="UNKNOWN_EVENT_TYPE", detail=detail))
    problem = None if change.description is None else _description_problem(change.description)
    if problem is not None:
        errors.append(FieldError(path="/description", code="INVALID_TEXT", detail=problem))
    return errors


def _description_problem(text: str) -> str | None:
    if len(text) > MAX_DESCRIPTION:
        return f"is longer than {MAX_DESCRIPTION} characters"
    return text_problem(text)


def _log(message: str, action: str, webhook: Webhook, actor: User) -> None:
    facts = {"webhook_id": str(webhook.pk), "project_id": webhook.project_id, "by": actor.get_username()}
    logger.info(message, extra={"action": action, **facts})
