"""Who may make and change webhooks, and what becomes of what was still to be sent."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from executions.exceptions import (
    CombineError,
    Conflict,
    Invalid,
    InvalidState,
    NotPermitted,
    ProjectNotFound,
    WebhookDeliveryNotFound,
    WebhookNotFound,
)
from executions.models import Project, Webhook, WebhookAttempt, WebhookDelivery
from executions.services.webhooks import (
    MAX_PER_PROJECT,
    create_webhook,
    delete_webhook,
    redeliver,
    rotate_secret,
    send_test,
)
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.webhooks.post import (
    answered,
    attempts,
    change,
    jobs,
    let_pass,
    relay_now,
    subscribe,
    told,
    try_once,
)
from executions.webhooks import deliveries
from executions.webhooks.sealing import unseal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _project() -> None:
    start(single())


def test_the_secret_is_given_once_and_not_stored_in_plain() -> None:
    webhook, secret = subscribe()
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(w)::text FROM executions_webhook w")
        stored = cursor.fetchone()[0]
    assert secret.removeprefix("whsec_") not in stored
    assert unseal(webhook.secret) == secret


@pytest.mark.parametrize("name", ["vic", "ed", "nobody"])
def test_only_operators_make_webhooks(name: str) -> None:
    with pytest.raises(NotPermitted):
        subscribe(by=name)


def test_a_project_that_is_not_there_or_not_to_be_seen_has_none() -> None:
    with pytest.raises(ProjectNotFound):
        subscribe("gemini")
    Project.objects.get().users.add(person("ed"))
    with pytest.raises(ProjectNotFound):
        subscribe()
    assert subscribe(by="root")[0].project_id == "apollo"


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        create_webhook(
            actor=person("olga"), project_id=7, url="http://example.org/", event_types=["step_started", "nonsense"],
            description="x" * 201, at=timezone.now(),
        )  # fmt: skip
    found = [(error.path, error.code) for error in refused.value.errors]
    assert found == [
        ("/project_id", "INVALID_ID"),
        ("/url", "INVALID_URL"),
        ("/event_types/1", "UNKNOWN_EVENT_TYPE"),
        ("/description", "INVALID_TEXT"),
    ]
    assert "step_started" in refused.value.errors[2].detail
    assert not Webhook.objects.exists()


def test_private_addresses_are_taken_with_the_setting_only(settings: Settings) -> None:
    with pytest.raises(Invalid, match="COMBINE_WEBHOOKS_ALLOW_PRIVATE"):
        subscribe("apollo", "https://10.1.2.3/")
    settings.COMBINE_WEBHOOKS_ALLOW_PRIVATE = True
    assert subscribe("apollo", "http://10.1.2.3/")[0].url == "http://10.1.2.3/"


def test_a_project_has_a_limited_number() -> None:
    for _ in range(MAX_PER_PROJECT):
        subscribe()
    with pytest.raises(Conflict, match="delete one"):
        subscribe()


def test_event_types_are_kept_in_the_order_of_a_run_and_once() -> None:
    webhook, _ = subscribe("apollo", "https://example.org/", "step_completed", "execution_started", "step_completed")
    assert webhook.event_types == ["execution_started", "step_completed"]


def test_others_are_told_that_there_is_none_and_viewers_that_they_may_not() -> None:
    webhook, _ = subscribe()
    relay_now()
    at = timezone.now()
    acts = [
        lambda who, pk: rotate_secret(actor=who, webhook_id=pk, at=at),
        lambda who, pk: send_test(actor=who, webhook_id=pk, at=at),
        lambda who, pk: redeliver(actor=who, webhook_id=pk, delivery_id=uuid4()),
        lambda who, pk: delete_webhook(actor=who, webhook_id=pk),
    ]
    Project.objects.get().users.set([person("vic"), person("olga")])
    for act in acts:
        for who, pk, error in [
            (person("vic"), webhook.pk, NotPermitted),
            (person("ed"), webhook.pk, WebhookNotFound),
            (person("nobody"), webhook.pk, WebhookNotFound),
            (person("otto", "operator"), webhook.pk, WebhookNotFound),
            (person("olga"), uuid4(), WebhookNotFound),
        ]:
            with pytest.raises(error):
                act(who, pk)  # type: ignore[no-untyped-call]
    assert Webhook.objects.get() == webhook


def test_what_happens_while_a_webhook_is_switched_off_is_not_sent_later() -> None:
    webhook, _ = subscribe()
    start(single())
    relay_now()
    webhook = change(webhook, is_active=False)
    assert webhook.disabled_reason == "Switched off by olga."
    assert list(WebhookDelivery.objects.values_list("status", flat=True)) == ["cancelled"]
    start(single())
    relay_now()
    webhook = change(webhook, is_active=True)
    assert (webhook.disabled_reason, webhook.disabled_at) == ("", None)
    relay_now()
    assert len(told(webhook)) == 1
    start(single())
    relay_now()
    assert told(webhook) == ["execution_started", "execution_started"]
    assert WebhookDelivery.objects.filter(status="pending").count() == 1


def test_a_change_of_the_address_holds_for_what_is_still_to_be_sent() -> None:
    webhook, _ = subscribe()
    start(single())
    relay_now()
    change(webhook, url="https://example.net/other", event_types=[], description="ours")
    (parcel,) = deliveries.claim(webhook.pk, 10)
    assert parcel.url == "https://example.net/other"
    with pytest.raises(Invalid):
        change(webhook, url="https://127.0.0.1/")
    assert Webhook.objects.get().url == "https://example.net/other"


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    webhook, first = subscribe()
    _, second = rotate_secret(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
    send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
    parcel = try_once(webhook, answered())
    assert [unseal(sealed) for sealed in parcel.sealed] == [second, first]
    let_pass(timedelta(hours=24, minutes=1))
    send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
    parcel = try_once(webhook, answered())
    assert [unseal(sealed) for sealed in parcel.sealed] == [second]


def test_a_webhook_is_deleted_with_its_log() -> None:
    webhook, _ = subscribe()
    other, _ = subscribe()
    start(single())
    relay_now()
    try_once(webhook, answered(500, "HTTP_STATUS"))
    try_once(other, answered())
    delete_webhook(actor=person("olga"), webhook_id=webhook.pk)
    assert Webhook.objects.get() == other
    assert WebhookDelivery.objects.get().webhook_id == other.pk
    assert WebhookAttempt.objects.count() == 1


def test_a_test_is_sent_at_once_and_once_whatever_types_were_asked_for() -> None:
    webhook, _ = subscribe("apollo", "https://example.org/", "execution_completed")
    delivery = send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
    assert jobs() == [(str(webhook.pk), "todo")]
    parcel = try_once(webhook, answered(500, "HTTP_STATUS"))
    assert parcel.happening.event_type == "webhook.test"
    delivery.refresh_from_db()
    webhook.refresh_from_db()
    assert (delivery.status, delivery.next_attempt_at, webhook.failing_since) == ("failed", None, None)


def test_a_delivery_is_sent_again_with_all_its_attempts_and_the_same_id() -> None:
    webhook, _ = subscribe()
    start(single())
    relay_now()
    first = try_once(webhook, answered())
    delivery = redeliver(actor=person("olga"), webhook_id=webhook.pk, delivery_id=first.delivery_id)
    assert (delivery.status, delivery.tries, delivery.attempt_count) == ("pending", 0, 1)
    with pytest.raises(WebhookDeliveryNotFound):
        redeliver(actor=person("olga"), webhook_id=webhook.pk, delivery_id=uuid4())
    second = try_once(webhook, answered(500, "HTTP_STATUS"))
    assert second.delivery_id == first.delivery_id
    assert second.happening == first.happening
    assert attempts(first.delivery_id) == [(1, 204, ""), (2, 500, "HTTP_STATUS")]
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == ("pending", 1)


def test_nothing_is_sent_for_a_webhook_that_is_switched_off_or_twice_at_once() -> None:
    webhook, _ = subscribe()
    start(single())
    relay_now()
    (parcel,) = deliveries.claim(webhook.pk, 10)
    with pytest.raises(InvalidState, match="at this moment"):
        redeliver(actor=person("olga"), webhook_id=webhook.pk, delivery_id=parcel.delivery_id)
    change(webhook, is_active=False)
    with pytest.raises(InvalidState, match="switch it on"):
        redeliver(actor=person("olga"), webhook_id=webhook.pk, delivery_id=parcel.delivery_id)
    with pytest.raises(InvalidState, match="switch it on"):
        send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())


def test_no_secret_reaches_the_log_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    webhook, first = subscribe()
    _, second = rotate_secret(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
    try:
        change(webhook, url="http://x")
    except CombineError as error:
        refused = error.detail
    delete_webhook(actor=person("olga"), webhook_id=webhook.pk)
    said = [record.__dict__ for record in caplog.records]
    assert {"webhook_created", "webhook_secret_rotated", "webhook_deleted"} <= {each.get("action") for each in said}
    for secret in (first, second):
        assert secret.removeprefix("whsec_") not in f"{said} {refused} {webhook!r}"
