"""From a run to a receiver on a real socket: through the relay, the queue and the courier."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from procrastinate.contrib.django import procrastinate_app
from procrastinate.periodic import PeriodicRegistry
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook as Reference

from executions.models import Event, WebhookDelivery
from executions.services.webhooks import redeliver, rotate_secret, send_test
from executions.tests.engine_cast import history, person, start
from executions.tests.engine_definitions import chain, single
from executions.tests.pretend_worker import Scripted, document, drive
from executions.tests.webhooks.post import (
    attempts,
    courier,
    jobs,
    let_pass,
    relay_now,
    subscribe,
)
from executions.tests.webhooks.receiver import Received, Receiver, Reply
from executions.webhooks import wakeups
from executions.webhooks.courier import REQUESTS_AT_ONCE, Courier
from executions.webhooks.sending import Sender

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _private(settings: Settings) -> Iterator[None]:
    settings.COMBINE_WEBHOOKS_ALLOW_PRIVATE = True
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("DELETE FROM procrastinate_jobs")  # what tests before this one have left
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")


def verified(received: Received, secret: str) -> dict[str, object]:
    """Return a message after the reference library has found its signature good."""
    message: dict[str, object] = Reference(secret).verify(received.body, received.headers)
    return message


def test_a_run_is_told_event_by_event_with_signatures_that_hold() -> None:
    start(single())
    with Receiver() as receiver, courier() as deliver:
        webhook, secret = subscribe("apollo", receiver.url)
        execution = start(chain(3))
        drive(execution, Scripted(s1=document(title="TOP SECRET", text="nobody else's business")))
        relay_now()
        deliver(webhook)
        messages = [verified(each, secret) for each in receiver.received]
    seen = {message["data"]["seq"]: message for message in messages}  # type: ignore[index]
    events = list(Event.objects.filter(execution=execution).order_by("seq"))
    assert sorted(seen) == [event.seq for event in events]
    for event in events:
        message = seen[event.seq]
        assert message["type"] == event.event_type
        assert message["timestamp"] == event.timestamp.isoformat().replace("+00:00", "Z")
        data = message["data"]
        assert isinstance(data, dict)
        assert (data["execution_id"], data["project_id"]) == (str(execution.pk), "apollo")
        assert (data["step_id"], data["path"]) == (event.step_id or None, event.path or None)
    ids = {received.headers["webhook-id"] for received in receiver.received}
    assert ids == {str(pk) for pk in WebhookDelivery.objects.values_list("pk", flat=True)}
    assert len(ids) == len(events) == len(history(execution))
    assert b"SECRET" not in b"".join(received.body for received in receiver.received)
    assert max(len(received.body) for received in receiver.received) < 1000
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"succeeded"}


def test_what_fails_is_sent_again_under_the_same_id_until_it_is_accepted() -> None:
    start(single())
    with Receiver(Reply(status=500, body=b"not now"), Reply(status=302)) as receiver, courier() as deliver:
        webhook, secret = subscribe("apollo", receiver.url)
        start(single())
        relay_now()
        deliver(webhook)
        assert len(receiver.received) == 1
        let_pass(timedelta(seconds=5))
        deliver(webhook)
        assert len(receiver.received) == 2
        let_pass(timedelta(minutes=5))
        deliver(webhook)
        let_pass(timedelta(days=1))
        deliver(webhook)
        assert len(receiver.received) == 3
    bodies = {received.body for received in receiver.received}
    ids = {received.headers["webhook-id"] for received in receiver.received}
    assert (len(bodies), len(ids)) == (1, 1)
    for received in receiver.received:
        verified(received, secret)
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == "succeeded"
    assert attempts(delivery) == [(1, 500, "HTTP_STATUS"), (2, 302, "REDIRECT"), (3, 204, "")]
    first = delivery.attempts.get(n=1)
    assert first.response_body == "not now"
    assert first.detail == "The receiver answered 500; only 2xx counts as accepted."
    assert first.duration_ms is not None


def test_gone_ends_it_for_all() -> None:
    start(single())
    with Receiver(default=Reply(status=410)) as receiver, courier() as deliver:
        webhook, _ = subscribe("apollo", receiver.url)
        drive(start(chain(2)))
        relay_now()
        deliver(webhook)
        told = len(receiver.received)
        assert 1 <= told <= REQUESTS_AT_ONCE
        start(single())
        assert relay_now() == 0
        deliver(webhook)
        assert len(receiver.received) == told
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.disabled_reason[:27]) == (False, "The receiver answered 410 (")
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"failed", "cancelled"}


def test_both_secrets_hold_while_one_follows_the_other() -> None:
    start(single())
    with Receiver() as receiver, courier() as deliver:
        webhook, old = subscribe("apollo", receiver.url)
        _, new = rotate_secret(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
        send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
        deliver(webhook)
    (received,) = receiver.received
    assert verified(received, old) == verified(received, new)
    assert json.loads(received.body)["type"] == "webhook.test"
    assert len(received.headers["webhook-signature"].split(" ")) == 2


def test_a_webhook_whose_secret_cannot_be_read_says_so(settings: Settings) -> None:
    start(single())
    with Receiver() as receiver, courier() as deliver:
        webhook, _ = subscribe("apollo", receiver.url)
        send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
        settings.SECRET_KEY = "another key " * 10
        deliver(webhook)
        assert receiver.received == []
    attempt = WebhookDelivery.objects.get().attempts.get()
    assert attempt.error_code == "SECRET_UNREADABLE"
    assert "rotate it" in attempt.detail


def test_a_receiver_has_few_requests_at_a_time_and_one_that_hangs_holds_up_nobody_else() -> None:
    start(single())
    is_over = threading.Event()
    hang = Reply(act=lambda _: is_over.wait(60))
    with Receiver(default=hang) as slow, Receiver() as quick, ThreadPoolExecutor(1) as threads:
        stuck, _ = subscribe("apollo", slow.url)
        healthy, _ = subscribe("apollo", quick.url)
        drive(start(chain(3)))
        relay_now()
        made = Courier(sender=Sender(allow_private=True), threads=threads)

        async def work() -> None:
            hanging = asyncio.create_task(made.deliver(stuck.pk))
            await asyncio.to_thread(slow.wait_for, REQUESTS_AT_ONCE)
            await made.deliver(healthy.pk)
            assert quick.most_at_once <= REQUESTS_AT_ONCE
            hanging.cancel()  # the worker is told to stop
            await asyncio.gather(hanging, return_exceptions=True)

        asyncio.run(work())
        is_over.set()
        threads.submit(connections.close_all).result()
        made.close()
    assert slow.most_at_once == REQUESTS_AT_ONCE
    assert set(healthy.deliveries.values_list("status", flat=True)) == {"succeeded"}
    held = stuck.deliveries.filter(attempt_count=1)
    assert held.count() == REQUESTS_AT_ONCE
    for delivery in held:
        assert (delivery.tries, delivery.lease_until, delivery.status) == (0, None, "pending")
        assert attempts(delivery) == [(1, None, "INTERRUPTED")]


def test_a_courier_that_is_to_stop_begins_nothing() -> None:
    start(single())
    with Receiver() as receiver, courier(is_stopping=lambda: True) as deliver:
        webhook, _ = subscribe("apollo", receiver.url)
        start(single())
        relay_now()
        deliver(webhook)
        assert receiver.received == []


def test_a_delivery_is_sent_again_on_demand() -> None:
    start(single())
    with Receiver() as receiver, courier() as deliver:
        webhook, _ = subscribe("apollo", receiver.url)
        start(single())
        relay_now()
        deliver(webhook)
        delivery = WebhookDelivery.objects.get()
        redeliver(actor=person("olga"), webhook_id=webhook.pk, delivery_id=delivery.pk)
        deliver(webhook)
        first, second = receiver.received
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_the_queue_has_a_worker_deliver_and_keeps_no_job() -> None:
    start(single())
    with Receiver() as receiver, ThreadPoolExecutor(1) as threads:
        first, _ = subscribe("apollo", receiver.url)
        second, _ = subscribe("apollo", receiver.url)
        drive(start(single()))
        relay_now()
        assert len(jobs()) == 2
        asyncio.run(_work_off(threads))
        threads.submit(connections.close_all).result()
    assert jobs() == []
    for webhook in (first, second):
        assert set(webhook.deliveries.values_list("status", flat=True)) == {"succeeded"}
    assert len(receiver.received) == WebhookDelivery.objects.count()


async def _work_off(threads: ThreadPoolExecutor) -> None:
    made = Courier(sender=Sender(allow_private=True), threads=threads)
    queue_app = procrastinate_app.current_app
    app = queue_app.with_connector(queue_app.connector.get_worker_connector())  # type: ignore[attr-defined]
    app.periodic_registry = PeriodicRegistry()  # these would use a connection in a thread that is not ours to close
    async with app.open_async():
        await app.run_worker_async(
            queues=[wakeups.QUEUE],
            wait=False,
            concurrency=5,
            install_signal_handlers=False,
            listen_notify=False,
            delete_jobs="always",
            task_middleware=[],
            additional_context={"courier": made},
        )


def test_the_watch_relays_by_itself_and_survives_what_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    start(single())
    webhook, _ = subscribe("apollo", "http://127.0.0.1:9/")
    start(single())
    with ThreadPoolExecutor(1) as threads:
        made = Courier(sender=Sender(allow_private=True), threads=threads)

        async def watch_until(is_true: Callable[[], bool]) -> None:
            watching = asyncio.create_task(made.watch(dead_after=10.0, every=0.05))
            async with asyncio.timeout(20):
                while not await asyncio.get_running_loop().run_in_executor(threads, is_true):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE executions_webhookrelay RENAME COLUMN safe_id TO lost_id")
        try:
            with caplog.at_level(logging.ERROR):
                asyncio.run(watch_until(lambda: bool(caplog.records)))
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE executions_webhookrelay RENAME COLUMN lost_id TO safe_id")
        assert {record.__dict__["action"] for record in caplog.records} == {"relay_failed"}
        asyncio.run(watch_until(WebhookDelivery.objects.exists))
        threads.submit(connections.close_all).result()
    assert WebhookDelivery.objects.filter(webhook=webhook).count() == 1
    assert len(jobs()) == 1


def test_secrets_appear_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    start(single())
    with Receiver(Reply(status=500), Reply()) as receiver, courier() as deliver:
        webhook, secret = subscribe("apollo", receiver.url + "?token=canary")
        start(single())
        relay_now()
        deliver(webhook)
        let_pass(timedelta(seconds=5))
        deliver(webhook)
        assert len(receiver.received) == 2
    said = "\n".join(str(record.__dict__) for record in caplog.records if record.name.startswith("executions"))
    assert said.count("webhook_called") == 2
    for hidden in (secret.removeprefix("whsec_"), webhook.secret, "canary"):
        assert hidden not in said
