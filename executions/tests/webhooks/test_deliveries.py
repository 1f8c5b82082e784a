"""Tries and waits: when the next attempt is made, when none is, and what that means for the webhook."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from executions.models import Webhook, WebhookAttempt, WebhookDelivery
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import single
from executions.tests.webhooks.post import (
    answered,
    attempts,
    change,
    let_pass,
    relay_now,
    subscribe,
    try_once,
)
from executions.webhooks import deliveries

pytestmark = pytest.mark.django_db

# As the table in docs/webhooks.md has it.
SCHEDULE = [
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
]  # fmt: skip

BROKEN = answered(500, "HTTP_STATUS", "oops")


@pytest.fixture
def webhook() -> Webhook:
    """A webhook with one delivery to make."""
    start(single())
    made, _ = subscribe()
    happen()
    return made


def happen() -> None:
    start(single())
    relay_now()


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def exhaust(webhook: Webhook) -> None:
    """Have every attempt of what is due fail."""
    try_once(webhook, BROKEN)
    for wait in SCHEDULE:
        let_pass(wait)
        try_once(webhook, BROKEN)


def test_an_accepted_delivery_is_over(webhook: Webhook) -> None:
    try_once(webhook, answered(202, body="thanks"))
    delivery = the_delivery()
    assert (delivery.status, delivery.next_attempt_at, delivery.lease_until) == ("succeeded", None, None)
    attempt = WebhookAttempt.objects.get()
    assert (attempt.http_status, attempt.duration_ms, attempt.response_body) == (202, 7, "thanks")
    assert deliveries.claim(webhook.pk, 10) == []


def test_failed_attempts_are_repeated_after_growing_waits_and_then_no_more(webhook: Webhook) -> None:
    for number, wait in enumerate(SCHEDULE, start=1):
        before = deliveries.clock()
        try_once(webhook, BROKEN)
        after = deliveries.clock()
        delivery = the_delivery()
        assert delivery.attempt_count == number
        assert delivery.next_attempt_at is not None
        assert before + wait <= delivery.next_attempt_at <= after + wait
        let_pass(wait - timedelta(seconds=2))
        assert deliveries.claim(webhook.pk, 10) == [], "it is early"
        let_pass(timedelta(seconds=3))
    try_once(webhook, BROKEN)
    assert the_delivery().status == "failed"
    assert [code for _, _, code in attempts(the_delivery())] == ["HTTP_STATUS"] * 10
    let_pass(timedelta(days=10))
    assert deliveries.claim(webhook.pk, 10) == []


def test_what_is_being_sent_is_nobody_elses_until_its_lease_ends(webhook: Webhook) -> None:
    (lost,) = deliveries.claim(webhook.pk, 10)
    assert deliveries.claim(webhook.pk, 10) == []
    let_pass(timedelta(seconds=deliveries.LEASE_SECONDS + 1))
    (second,) = deliveries.claim(webhook.pk, 10)
    assert second.attempt == 2
    assert attempts(second.delivery_id) == [(1, None, "LOST"), (2, None, "")]
    deliveries.record(lost, BROKEN)  # the first one was only slow
    assert (the_delivery().status, the_delivery().attempt_count) == ("pending", 2)
    assert the_delivery().lease_until is not None
    deliveries.record(second, answered())
    assert the_delivery().status == "succeeded"
    assert attempts(second.delivery_id) == [(1, 500, "HTTP_STATUS"), (2, 204, "")]


def test_an_attempt_that_we_broke_off_ourselves_does_not_count(webhook: Webhook) -> None:
    (parcel,) = deliveries.claim(webhook.pk, 10)
    deliveries.release(parcel)
    delivery = the_delivery()
    assert (delivery.tries, delivery.attempt_count, delivery.lease_until) == (0, 1, None)
    assert attempts(delivery) == [(1, None, "INTERRUPTED")]
    assert deliveries.claim(webhook.pk, 10)[0].attempt == 2


def test_a_receiver_that_is_gone_switches_the_webhook_off(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    happen()
    first, second = deliveries.claim(webhook.pk, 10)
    happen()
    with caplog.at_level(logging.WARNING):
        deliveries.record(first, answered(410, "GONE"))
    webhook.refresh_from_db()
    assert not webhook.is_active
    assert "410" in webhook.disabled_reason
    assert webhook.disabled_at is not None
    assert [record.__dict__["action"] for record in caplog.records] == ["webhook_disabled"]
    found = WebhookDelivery.objects.order_by("event_id").values_list("status", flat=True)
    assert list(found) == ["failed", "cancelled", "cancelled"]
    deliveries.record(second, answered())  # it was under way, and has arrived
    assert WebhookDelivery.objects.get(pk=second.delivery_id).status == "succeeded"


def test_days_without_one_accepted_delivery_switch_the_webhook_off(webhook: Webhook) -> None:
    exhaust(webhook)
    webhook.refresh_from_db()
    assert webhook.is_active, "three days, one delivery"
    assert webhook.failing_since is not None
    happen()
    exhaust(webhook)
    webhook = Webhook.objects.get()
    assert not webhook.is_active
    assert webhook.disabled_reason == "Nothing was accepted for 5 days; the last answer: The receiver answered 500."
    assert change(webhook, is_active=True).failing_since is None


def test_one_accepted_delivery_begins_the_count_anew(webhook: Webhook) -> None:
    exhaust(webhook)
    happen()
    try_once(webhook, answered())
    webhook.refresh_from_db()
    assert webhook.failing_since is None
    happen()
    exhaust(webhook)
    webhook.refresh_from_db()
    assert webhook.is_active


def test_results_for_a_deleted_webhook_are_dropped(webhook: Webhook) -> None:
    (parcel,) = deliveries.claim(webhook.pk, 10)
    WebhookAttempt.objects.all().delete()
    WebhookDelivery.objects.all().delete()
    webhook.delete()
    deliveries.record(parcel, answered())
    deliveries.release(parcel)
    assert not WebhookAttempt.objects.exists()


def test_of_an_answer_a_kilobyte_of_storable_text_is_kept(webhook: Webhook) -> None:
    try_once(webhook, answered(500, "HTTP_STATUS", "a\x00b" + "x" * 5000))
    kept = WebhookAttempt.objects.get().response_body
    assert kept.startswith("a\ufffdbxxx")
    assert len(kept) == 1024


def test_deliveries_are_claimed_in_the_order_of_events_and_a_few_at_a_time(webhook: Webhook) -> None:
    for _ in range(4):
        happen()
    claimed = [*deliveries.claim(webhook.pk, 2), *deliveries.claim(webhook.pk, 10)]
    order = list(WebhookDelivery.objects.order_by("event_id").values_list("pk", flat=True))
    assert [parcel.delivery_id for parcel in claimed] == order
