"""One delivery after the other: claim what is due, record what came of it, try again later or not at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from documents import database
from documents.canonical import storable_text
from executions.models.webhooks import TEST_EVENT, DeliveryStatus, Webhook, WebhookAttempt, WebhookDelivery
from executions.webhooks.messages import Happening

logger = logging.getLogger(__name__)

# How long after the attempt before it each attempt is made: those of Standard Webhooks, three days in all.
DELAYS: tuple[timedelta, ...] = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# A webhook that has accepted nothing for so long is switched off when the next delivery is given up.
GIVE_UP_AFTER = timedelta(days=5)
# Longer than an attempt can take: whoever holds it is dead then.
LEASE_SECONDS = 60
MAX_KEPT_BODY = 1024

GONE = 410

# The event's data go along whole; what of them is told is up to the message.
_CLAIM = """
WITH due AS (
    SELECT d.id FROM executions_webhookdelivery d JOIN executions_webhook w ON w.id = d.webhook_id
     WHERE d.webhook_id = %(webhook)s AND w.is_active AND d.status = 'pending'
       AND d.next_attempt_at <= statement_timestamp()
       AND (d.lease_until IS NULL OR d.lease_until <= statement_timestamp())
     ORDER BY d.next_attempt_at, d.event_id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE executions_webhookdelivery d
       SET attempt_count = d.attempt_count + 1, tries = d.tries + 1,
           lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
      FROM due WHERE d.id = due.id
    RETURNING d.id, d.webhook_id, d.event_id, d.event_type, d.attempt_count, d.created_at
), lost AS (
    UPDATE executions_webhookattempt a
       SET duration_ms = 0, error_code = 'LOST', detail = 'The worker ended before the answer was stored.'
      FROM claimed c WHERE a.delivery_id = c.id AND a.duration_ms IS NULL
), attempts AS (
    INSERT INTO executions_webhookattempt (delivery_id, n, started_at, error_code, detail, response_body)
    SELECT id, attempt_count, statement_timestamp(), '', '', '' FROM claimed
)
SELECT c.id, c.attempt_count, c.event_type, COALESCE(e.timestamp, c.created_at), w.id, w.project_id, w.url, w.secret,
       CASE WHEN w.previous_secret_until > statement_timestamp() THEN w.previous_secret ELSE '' END,
       e.execution_id, e.seq, COALESCE(e.step_id, ''), COALESCE(e.path, ''), e.data
  FROM claimed c JOIN executions_webhook w ON w.id = c.webhook_id LEFT JOIN executions_event e ON e.id = c.event_id
 ORDER BY c.event_id
"""

_CLOCK = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A claimed delivery: what to send where. ``sealed`` are the secrets to sign with, as they are stored."""

    delivery_id: UUID
    attempt: int
    url: str
    sealed: Sequence[str]
    happening: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt. Without ``error_code`` the receiver has accepted it."""

    http_status: int | None
    error_code: str
    detail: str
    response_body: str
    duration_ms: int

    @property
    def is_accepted(self) -> bool:
        return not self.error_code


def claim(webhook_id: UUID, limit: int) -> list[Parcel]:
    """Claim up to ``limit`` deliveries of a webhook that are due; each attempt has its row before it is made."""
    found = database.rows(_CLAIM, {"webhook": webhook_id, "limit": limit, "lease": LEASE_SECONDS})
    return [
        Parcel(
            delivery_id=delivery_id,
            attempt=attempt,
            url=url,
            sealed=[sealed for sealed in (secret, previous) if sealed],
            happening=Happening(
                event_type=event_type, at=at, project_id=project_id, webhook_id=owner, execution_id=execution_id,
                seq=seq, step_id=step_id, path=path, facts=facts,
            ),
        )
        for (
            delivery_id, attempt, event_type, at, owner, project_id, url, secret, previous,
            execution_id, seq, step_id, path, facts,
        ) in found
    ]  # fmt: skip


def record(parcel: Parcel, answer: Answer) -> None:
    """Store an attempt's end, and what follows from it for the delivery and its webhook."""
    with transaction.atomic():
        # Always the webhook before its deliveries, so that nobody waits in a circle.
        webhook = Webhook.objects.select_for_update(no_key=True).filter(pk=parcel.happening.webhook_id).first()
        if webhook is None:
            return
        _end_attempt(parcel, answer)
        delivery = (
            WebhookDelivery.objects.select_for_update()
            .filter(pk=parcel.delivery_id, attempt_count=parcel.attempt)
            .exclude(status__in=(DeliveryStatus.SUCCEEDED, DeliveryStatus.FAILED))
            .first()
        )
        if delivery is None:  # it took too long, and another attempt is being made
            return
        now = clock()
        if answer.is_accepted:
            _finish(delivery, DeliveryStatus.SUCCEEDED, now)
            _note_success(webhook)
        elif delivery.status == DeliveryStatus.PENDING:
            _note_failure(webhook, delivery, answer, now)


def release(parcel: Parcel) -> None:
    """Give a delivery back whose attempt we broke off ourselves; that one does not count."""
    with transaction.atomic():
        detail = "The worker was told to stop; another one tries again."
        broken_off = Answer(http_status=None, error_code="INTERRUPTED", detail=detail, response_body="", duration_ms=0)
        _end_attempt(parcel, broken_off)
        held = WebhookDelivery.objects.filter(
            pk=parcel.delivery_id, attempt_count=parcel.attempt, status=DeliveryStatus.PENDING
        )
        held.update(tries=F("tries") - 1, lease_until=None)


def switch_off(webhook: Webhook, *, reason: str, at: datetime) -> None:
    """Switch off a webhook whose row is locked. What was still to be sent is not sent any more."""
    webhook.is_active = False
    webhook.disabled_reason, webhook.disabled_at, webhook.updated_at = reason[:300], at, at
    webhook.save(update_fields=["is_active", "disabled_reason", "disabled_at", "updated_at"])
    cancel_pending(webhook, at=at)


def cancel_pending(webhook: Webhook, *, at: datetime) -> None:
    """Cancel what was still to be sent for a webhook whose row is locked."""
    pending = WebhookDelivery.objects.filter(webhook=webhook, status=DeliveryStatus.PENDING)
    pending.update(status=DeliveryStatus.CANCELLED, next_attempt_at=None, lease_until=None, finished_at=at)


def clock() -> datetime:
    """Return the database's time, which is the same for all workers."""
    now: datetime = database.rows(_CLOCK)[0][0]
    return now


def _end_attempt(parcel: Parcel, answer: Answer) -> None:
    attempt = WebhookAttempt.objects.filter(delivery_id=parcel.delivery_id, n=parcel.attempt)
    attempt.update(
        duration_ms=answer.duration_ms,
        http_status=answer.http_status,
        error_code=answer.error_code,
        detail=answer.detail,
        response_body=storable_text(answer.response_body, MAX_KEPT_BODY),
    )


def _finish(delivery: WebhookDelivery, status: DeliveryStatus, at: datetime) -> None:
    delivery.status = status
    delivery.next_attempt_at = delivery.lease_until = None
    delivery.finished_at = at
    delivery.save(update_fields=["status", "next_attempt_at", "lease_until", "finished_at"])


def _note_success(webhook: Webhook) -> None:
    if webhook.failing_since is not None:
        webhook.failing_since = None
        webhook.save(update_fields=["failing_since"])


def _note_failure(webhook: Webhook, delivery: WebhookDelivery, answer: Answer, now: datetime) -> None:
    """Plan the next attempt, if there is one. A test is tried once, and says nothing about the webhook's past."""
    is_test = delivery.event_type == TEST_EVENT
    is_gone = answer.http_status == GONE
    if not is_test and webhook.failing_since is None:
        webhook.failing_since = now
        webhook.save(update_fields=["failing_since"])
    if not (is_test or is_gone or delivery.tries >= len(DELAYS)):
        delivery.next_attempt_at, delivery.lease_until = now + DELAYS[delivery.tries], None
        delivery.save(update_fields=["next_attempt_at", "lease_until"])
        return
    _finish(delivery, DeliveryStatus.FAILED, now)
    if is_gone:
        _give_up(webhook, f"The receiver answered {GONE} (Gone): it wants no more.", now)
    elif webhook.failing_since is not None and now - webhook.failing_since >= GIVE_UP_AFTER:
        days = GIVE_UP_AFTER.days
        _give_up(webhook, f"Nothing was accepted for {days} days; the last answer: {answer.detail}", now)


def _give_up(webhook: Webhook, reason: str, now: datetime) -> None:
    if not webhook.is_active:
        return
    switch_off(webhook, reason=reason, at=now)
    logger.warning(
        "A webhook was switched off",
        extra={"action": "webhook_disabled", "webhook_id": str(webhook.pk), "project_id": webhook.project_id},
    )
