"""From events to deliveries: every event from the webhook's beginning on, each once, whoever relays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from executions.models import Event, Webhook, WebhookDelivery, WebhookRelay
from executions.services.executions import cancel_execution
from executions.tests.engine_cast import history, person, start
from executions.tests.engine_definitions import chain, single, stored
from executions.tests.pretend_worker import drive
from executions.tests.webhooks.post import answered, change, jobs, let_pass, relay_now, subscribe, told, try_once
from executions.webhooks import deliveries
from executions.webhooks.relay import SETTLED_AFTER_SECONDS, forget_old


@pytest.mark.django_db
class TestWhatIsTold:
    def test_a_webhook_is_told_everything_from_its_beginning_on_and_nothing_before(self) -> None:
        execution = start(chain(2))
        webhook, _ = subscribe()
        assert relay_now() == 0
        drive(execution)
        assert relay_now() == execution.events.count() - 1
        assert told(webhook) == history(execution)[1:]
        assert relay_now() == 0

    def test_only_the_types_that_were_asked_for(self) -> None:
        execution = start(chain(2))
        webhook, _ = subscribe("apollo", "https://example.org/", "document_created", "execution_completed")
        drive(execution)
        relay_now()
        assert [each.split()[0] for each in told(webhook)] == ["document_created"] * 2 + ["execution_completed"]

    def test_only_the_events_of_its_own_project(self) -> None:
        start(single(), project="apollo")
        start(single(), project="gemini")
        webhook, _ = subscribe("gemini")
        drive(start(single(), project="apollo"))
        other = start(single(), project="gemini")
        relay_now()
        assert told(webhook) == history(other)

    def test_each_of_several_webhooks_has_its_own_deliveries(self) -> None:
        start(single())
        first, _ = subscribe()
        start(single())
        second, _ = subscribe()
        start(single())
        assert relay_now() == 3
        assert (len(told(first)), len(told(second))) == (2, 1)

    def test_the_message_has_the_events_number_and_what_it_names(self) -> None:
        start(single())
        webhook, _ = subscribe("apollo", "https://example.org/", "document_created")
        execution = start(single())
        drive(execution)
        relay_now()
        parcel = try_once(webhook, answered())
        event = Event.objects.get(execution=execution, event_type="document_created")
        happening = parcel.happening
        assert (happening.execution_id, happening.seq, happening.path) == (execution.pk, event.seq, "note")
        assert happening.facts is not None
        assert happening.facts["document_id"] == event.data["document_id"]

    def test_one_job_for_each_webhook_however_much_is_due(self) -> None:
        start(single())
        first, _ = subscribe()
        second, _ = subscribe()
        drive(start(chain(2)))
        relay_now()
        relay_now()
        assert sorted(jobs()) == sorted([(str(first.pk), "todo"), (str(second.pk), "todo")])

    def test_what_is_due_later_has_its_job_when_it_is(self) -> None:
        start(single())
        webhook, _ = subscribe()
        start(single())
        relay_now()
        _lose_jobs()
        try_once(webhook, answered(500, "HTTP_STATUS"))
        relay_now()
        assert jobs() == []
        let_pass(deliveries.DELAYS[1])
        relay_now()
        assert jobs() == [(str(webhook.pk), "todo")]

    def test_a_lost_job_is_sent_again_and_one_of_a_dead_worker_is_no_hindrance(self) -> None:
        start(single())
        webhook, _ = subscribe()
        start(single())
        relay_now()
        _lose_jobs()
        relay_now()
        assert jobs() == [(str(webhook.pk), "todo")]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE queue_name = 'webhooks'")
        relay_now()
        assert jobs() == [(str(webhook.pk), "todo")]

    def test_a_job_that_a_living_worker_holds_is_enough(self) -> None:
        start(single())
        webhook, _ = subscribe()
        start(single())
        relay_now()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
            cursor.execute(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE queue_name = 'webhooks'",
                cursor.fetchone(),
            )
        start(single())
        relay_now()
        assert jobs() == [(str(webhook.pk), "doing")]

    def test_where_nobody_wants_to_be_told_nothing_is_looked_through(self) -> None:
        start(single())
        webhook, _ = subscribe()
        change(webhook, is_active=False)
        start(single())
        assert relay_now() == 0
        assert not WebhookRelay.objects.exists()

    def test_what_is_long_past_is_forgotten_and_never_made_again(self) -> None:
        start(single())
        webhook, _ = subscribe()
        start(single())
        relay_now()
        try_once(webhook, answered())
        start(single())
        relay_now()
        assert forget_old(days=0) == 1
        assert WebhookDelivery.objects.get().status == "pending"
        assert forget_old(days=0) == 0


def _lose_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE queue_name = 'webhooks'")


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_an_event_that_is_committed_after_a_later_one_is_not_passed_over(self) -> None:
        revision = stored(single())
        start(revision)
        webhook, _ = subscribe()
        has_written, may_commit = threading.Event(), threading.Event()

        def write_slowly() -> None:
            try:
                with transaction.atomic():
                    start(revision)
                    has_written.set()
                    assert may_commit.wait(60)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(write_slowly)
            assert has_written.wait(60)
            start(revision)  # its ids are higher, and visible first
            for _ in range(3):
                relay_now()
            assert len(told(webhook)) == 1
            assert WebhookRelay.objects.get().safe_id < Event.objects.order_by("-pk").values_list("pk", flat=True)[0]
            may_commit.set()
            slow.result()
        relay_now()
        assert len(told(webhook)) == 2
        for _ in range(2):
            # Whoever else uses this server may hold a transaction open; after a while that is waited for no more.
            WebhookRelay.objects.update(pending_at=timezone.now() - timedelta(seconds=SETTLED_AFTER_SECONDS + 1))
            relay_now()
        newest = Event.objects.order_by("-pk").values_list("pk", flat=True)[0]
        assert WebhookRelay.objects.get().safe_id == newest
        WebhookDelivery.objects.all().delete()
        assert relay_now() == 0, "what lies behind the mark is not looked at again"

    def test_many_relays_at_once_make_every_delivery_once(self) -> None:
        revision = stored(single())
        start(revision)
        webhook, _ = subscribe()
        barrier = threading.Barrier(5)
        is_over = threading.Event()

        def relay_on() -> int:
            try:
                barrier.wait(60)
                made = 0
                while not is_over.is_set():
                    made += relay_now()
                return made
            finally:
                connections.close_all()

        def write_on() -> None:
            try:
                barrier.wait(60)
                for _ in range(15):
                    execution = start(revision)
                    cancel_execution(actor=person("olga"), execution_id=execution.pk)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(5) as threads:
            relays = [threads.submit(relay_on) for _ in range(3)]
            writers = [threads.submit(write_on) for _ in range(2)]
            for writer in writers:
                writer.result()
            is_over.set()
            made = sum(each.result() for each in relays) + relay_now()
        expected = Event.objects.filter(pk__gt=webhook.after_event_id).count()
        assert made == expected == WebhookDelivery.objects.count() == 60
        assert len(told(webhook)) == 60

    def test_a_webhook_that_is_being_deleted_is_waited_for(self) -> None:
        start(single())
        webhook, _ = subscribe()
        kept, _ = subscribe()
        start(single())
        is_locked = threading.Event()

        def delete() -> None:
            try:
                with transaction.atomic():
                    Webhook.objects.select_for_update().get(pk=webhook.pk).delete()
                    is_locked.set()
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_sleep(0.2)")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as threads:
            deleting = threads.submit(delete)
            assert is_locked.wait(60)
            assert relay_now() == 1
            deleting.result()
        assert len(told(kept)) == 1
