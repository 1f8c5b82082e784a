"""The log on the staff pages: for operators, without secrets, with one act."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from executions.models import Project, Webhook, WebhookDelivery
from executions.tests.admin.desk import at_desk
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.webhooks.post import answered, change, jobs, relay_now, subscribe, try_once

pytestmark = pytest.mark.django_db

WEBHOOKS = "/admin/executions/webhook/"
DELIVERIES = "/admin/executions/webhookdelivery/"
_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:")


@pytest.fixture
def webhook() -> Webhook:
    """A webhook, and a delivery that was answered with a little HTML."""
    start(single())
    made, _ = subscribe()
    start(single())
    relay_now()
    try_once(made, answered(500, "HTTP_STATUS", "<script>alert(1)</script>\u202e"))
    return made


def pages() -> list[str]:
    return [
        WEBHOOKS,
        DELIVERIES,
        reverse("admin:executions_webhook_change", args=(Webhook.objects.get().pk,)),
        reverse("admin:executions_webhookdelivery_change", args=(WebhookDelivery.objects.get().pk,)),
    ]


def test_an_operator_sees_subscriptions_and_the_log_with_its_attempts(webhook: Webhook) -> None:
    client = at_desk("olga")
    shown = [client.get(url) for url in pages()]
    assert [page.status_code for page in shown] == [200] * 4
    texts = [page.content.decode() for page in shown]
    assert "https://example.org/hook" in texts[0]
    assert "execution_started" in texts[1]
    assert "never shown" in texts[2]
    assert "HTTP_STATUS: The receiver answered 500." in texts[3]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[U+202E]" in texts[3]
    assert "&quot;type&quot;: &quot;execution_started&quot;" in texts[3]
    for text in texts:
        assert _INLINE.findall(text) == []


def test_secrets_are_on_no_page(webhook: Webhook) -> None:
    made, secret = subscribe()
    client = at_desk("root")
    page = client.get(reverse("admin:executions_webhook_change", args=(made.pk,))).content.decode()
    for hidden in (secret, secret.removeprefix("whsec_"), made.secret):
        assert hidden not in page + client.get(WEBHOOKS).content.decode()
    assert client.get(f"{WEBHOOKS}?secret__startswith=g").status_code in (302, 400)
    assert client.get(f"{DELIVERIES}?webhook__secret__startswith=g").status_code in (302, 400)


@pytest.mark.parametrize("name", ["vic", "ed", "nobody"])
def test_others_than_operators_see_nothing_of_it(name: str, webhook: Webhook) -> None:
    client = at_desk(name)
    for url in pages():
        assert client.get(url).status_code in (403, 404), url
    assert b"webhook" not in client.get("/admin/").content.lower()


def test_operators_of_other_projects_see_nothing_of_it(webhook: Webhook) -> None:
    Project.objects.get().users.add(person("ed"))
    client = at_desk("olga")
    for url in pages()[2:]:
        assert client.get(url).status_code == 404, url
    for url in pages()[:2]:
        response = client.get(url)
        assert response.context["cl"].result_count == 0
        assert b">apollo<" not in response.content


def test_nothing_is_added_changed_or_deleted_by_hand(webhook: Webhook) -> None:
    client = at_desk("root")
    for url in pages()[:2]:
        assert client.get(f"{url}add/").status_code == 403
    for url in pages()[2:]:
        client.post(url, {"url": "https://example.net/", "status": "succeeded", "is_active": ""})
        assert client.post(url.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403
    assert Webhook.objects.get().url == "https://example.org/hook"
    assert WebhookDelivery.objects.get().status == "pending"


def send_again(client: Client, delivery: WebhookDelivery) -> str:
    body = {"action": "send_again", "_selected_action": [delivery.pk]}
    return client.post(DELIVERIES, body, follow=True).content.decode()


def test_deliveries_are_sent_again_from_the_log(webhook: Webhook) -> None:
    delivery = WebhookDelivery.objects.get()
    assert "1 will be sent again at once." in send_again(at_desk("olga"), delivery)
    delivery.refresh_from_db()
    assert delivery.tries == 0
    assert jobs() == [(str(webhook.pk), "todo")]
    change(webhook, is_active=False)
    assert "switch it on" in send_again(at_desk("olga"), delivery)


def test_whoever_may_not_see_it_cannot_send_it_again(webhook: Webhook) -> None:
    delivery = WebhookDelivery.objects.get()
    before = (delivery.tries, delivery.next_attempt_at)
    send_again(at_desk("vic"), delivery)
    Project.objects.get().users.add(person("ed"))
    send_again(at_desk("olga"), delivery)
    delivery.refresh_from_db()
    assert (delivery.tries, delivery.next_attempt_at) == before


def test_the_log_is_narrowed_to_one_webhook_and_odd_queries_are_no_crash(webhook: Webhook) -> None:
    client = at_desk("root")
    other, _ = subscribe()
    assert client.get(f"{DELIVERIES}?webhook__id__exact={webhook.pk}").context["cl"].result_count == 1
    assert client.get(f"{DELIVERIES}?webhook__id__exact={other.pk}").context["cl"].result_count == 0
    for query in (
        "q=%00",
        "webhook__id__exact=x",
        "project=%00",
        "q=%22",
        "status__exact=x",
        "p=x",
        "is_active__exact=2",
    ):
        for url in (WEBHOOKS, DELIVERIES):
            assert client.get(f"{url}?{query}").status_code in (200, 302, 400), query
