"""Webhooks sent by real workers."""

from __future__ import annotations

import signal

from django.conf import settings
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Reference

from executions.models import Event, Webhook, WebhookDelivery
from executions.services.webhooks import create_webhook, send_test
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import chain
from executions.tests.webhooks.receiver import Receiver, Reply
from tests.acceptance.site import Place, Site


def events_reach_a_receiver_though_workers_are_killed(place: Place) -> None:
    """Every event of two runs arrives, signed, though the worker dies when the first is done, and a try fails."""
    environment = {"COMBINE_WEBHOOKS_ALLOW_PRIVATE": "1", "COMBINE_SECRET_KEY": settings.SECRET_KEY}
    with Site(place) as site, Receiver(Reply(status=500)) as receiver:
        site.start(chain(1))
        webhook, secret = create_webhook(
            actor=person("olga"), project_id="p1", url="https://example.org/", at=timezone.now()
        )
        Webhook.objects.update(url=receiver.url)  # the setting is the workers', not this process's
        first = site.worker(environment=environment)
        site.wait_until(lambda: Event.objects.filter(event_type="execution_completed").exists(), "the run is over")
        first.send(signal.SIGKILL)
        first.wait()
        site.worker(environment=environment)
        expected = Event.objects.filter(pk__gt=webhook.after_event_id).count()
        assert expected >= 4

        def are_all_told() -> bool:
            return WebhookDelivery.objects.filter(status="succeeded").count() == expected

        # A delivery that was under way when the worker died is sent again when its lease has ended.
        WebhookDelivery.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now())
        site.wait_until(are_all_told, "every event was told")
        told = {Reference(secret).verify(each.body, each.headers)["data"]["seq"] for each in receiver.received}
        assert told == {event.seq for event in Event.objects.filter(pk__gt=webhook.after_event_id)}
        assert WebhookDelivery.objects.filter(attempt_count__gte=2).exists()

        before = len(receiver.received)
        send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
        receiver.wait_for(before + 1)
        site.check()
