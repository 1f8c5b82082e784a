"""Short ways to say what happens to webhooks: made, relayed, sent; and time that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, connections
from django.utils import timezone

from executions.models import Webhook, WebhookAttempt, WebhookDelivery
from executions.services.webhooks import WebhookChange, change_webhook, create_webhook
from executions.tests.engine_cast import person
from executions.webhooks import deliveries
from executions.webhooks.courier import Courier
from executions.webhooks.deliveries import Answer, Parcel
from executions.webhooks.relay import relay
from executions.webhooks.sending import Sender

URL = "https://example.org/hook"


def subscribe(project: str = "apollo", url: str = URL, *event_types: str, by: str = "olga") -> tuple[Webhook, str]:
    """Make a webhook; return it with its secret."""
    return create_webhook(actor=person(by), project_id=project, url=url, event_types=event_types, at=timezone.now())


def change(webhook: Webhook, **what: Any) -> Webhook:
    return change_webhook(actor=person("olga"), webhook_id=webhook.pk, change=WebhookChange(**what), at=timezone.now())


def relay_now() -> int:
    return relay(dead_after=10.0)


def told(webhook: Webhook) -> list[str]:
    """Return the events of a webhook's deliveries, as ``type`` or ``type path``, in their order."""
    rows = WebhookDelivery.objects.filter(webhook=webhook, event__isnull=False).select_related("event")
    return [f"{row.event_type} {row.event.path}".strip() for row in rows.order_by("event_id") if row.event]


def answered(status: int | None = 204, code: str = "", body: str = "") -> Answer:
    """Return what came of an attempt."""
    detail = f"The receiver answered {status}." if code else ""
    return Answer(http_status=status, error_code=code, detail=detail, response_body=body, duration_ms=7)


def try_once(webhook: Webhook, answer: Answer) -> Parcel:
    """Have the one delivery that is due sent, and answered like this."""
    (parcel,) = deliveries.claim(webhook.pk, 10)
    deliveries.record(parcel, answer)
    return parcel


def let_pass(time: timedelta) -> None:
    """Move everything that webhooks wait for, or look back to, into the past."""
    columns = {
        "executions_webhookdelivery": ("next_attempt_at", "lease_until", "finished_at", "created_at"),
        "executions_webhook": ("failing_since", "previous_secret_until"),
    }
    with connection.cursor() as cursor:
        for table, names in columns.items():
            moved = ", ".join(f"{name} = {name} - %s::interval" for name in names)
            cursor.execute(f"UPDATE {table} SET {moved}", [str(time)] * len(names))  # noqa: S608 - names of ours


def jobs() -> list[tuple[str, str]]:
    """Return the queue's jobs for webhooks: which, and how they stand."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id::text, j.status::text FROM procrastinate_jobs j"
            " JOIN executions_webhook w ON w.id::text = j.args->>'webhook_id' WHERE j.queue_name = 'webhooks'"
        )
        return [(webhook_id, status) for webhook_id, status in cursor.fetchall()]


def attempts(delivery: WebhookDelivery | UUID) -> list[tuple[int, int | None, str]]:
    """Return number, status and error of a delivery's attempts."""
    rows = WebhookAttempt.objects.filter(delivery=delivery).order_by("n")
    return list(rows.values_list("n", "http_status", "error_code"))


@contextmanager
def courier(sender: Sender | None = None, **keys: Any) -> Iterator[Callable[[Webhook], None]]:
    """Yield a function that has a courier send what is due for a webhook. Needs committed rows."""
    threads = ThreadPoolExecutor(1)

    def deliver(webhook: Webhook) -> None:
        asyncio.run(made.deliver(webhook.pk))

    made = Courier(sender=sender or Sender(allow_private=True, timeout=5.0), threads=threads, **keys)
    try:
        yield deliver
    finally:
        threads.submit(connections.close_all).result()
        made.close()
