"""Webhooks over the API: bodies, answers, who may, and what is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from executions.models import IdempotencyKey, Project, Webhook, WebhookDelivery
from executions.services.webhooks import send_test
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.webhooks.post import answered, relay_now, subscribe, try_once
from executions.webhooks.sealing import unseal

pytestmark = pytest.mark.django_db

URL = "/api/v1/webhooks"
BODY = {"project_id": "apollo", "url": "https://example.org/hook"}
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _project() -> None:
    start(single())


def made(client: APIClient, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, BODY | body)
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def delivered(client: APIClient) -> tuple[dict[str, Any], WebhookDelivery]:
    """Return a webhook and its one delivery, which has failed once."""
    webhook = made(client)
    start(single())
    relay_now()
    try_once(Webhook.objects.get(), answered(503, "HTTP_STATUS", "Down."))
    return webhook, WebhookDelivery.objects.get()


def test_a_webhook_is_made_and_its_secret_shown_this_once(olga: APIClient) -> None:
    answer = olga.post(URL, BODY | {"event_types": ["step_completed", "execution_started"], "description": "Chat"})
    assert answer.status_code == 201
    shown = answer.json()
    assert answer["Location"] == f"http://testserver{URL}/{shown['webhook_id']}"
    secret = shown.pop("secret")
    assert unseal(Webhook.objects.get().secret) == secret
    assert secret.startswith("whsec_")
    assert {key: shown[key] for key in ("project_id", "url", "event_types", "description", "created_by")} == {
        "project_id": "apollo",
        "url": "https://example.org/hook",
        "event_types": ["execution_started", "step_completed"],
        "description": "Chat",
        "created_by": "olga",
    }
    assert (shown["is_active"], shown["disabled_reason"], shown["failing_since"]) == (True, None, None)
    assert shown["links"]["deliveries"] == f"{URL}/{shown['webhook_id']}/deliveries"
    assert olga.get(answer["Location"]).json() == shown
    assert olga.get(URL).json()["results"] == [shown]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, {"/project_id", "/url"}),
        ({**BODY, "secret": "whsec_mine"}, {"/secret"}),
        ({**BODY, "is_active": False}, {"/is_active"}),
        ({**BODY, "url": 7}, {"/url"}),
        ({**BODY, "url": None}, {"/url"}),
        ({**BODY, "url": "http://example.org/"}, {"/url"}),
        ({**BODY, "url": "https://127.1/"}, {"/url"}),
        ({**BODY, "url": "https://169.254.169.254/"}, {"/url"}),
        ({**BODY, "url": "https://ex\u0000ample.org/"}, {"/url"}),
        ({**BODY, "url": "https://example.org/" + "x" * 3000}, {"/url"}),
        ({**BODY, "project_id": ["apollo"]}, {"/project_id"}),
        ({**BODY, "event_types": "all"}, {"/event_types"}),
        ({**BODY, "event_types": ["step_started", "nonsense", 7]}, {"/event_types/1/", "/event_types/2/"}),
        ({**BODY, "event_types": ["step_started"] * 101}, {"/event_types"}),
        ({**BODY, "description": "x" * 201}, {"/description"}),
        ({**BODY, "description": "a\u0000b"}, {"/description"}),
        ([], {""}),
    ],
)
def test_a_wrong_body_is_422_and_every_wrong_field_named(olga: APIClient, body: Any, paths: set[str]) -> None:
    answer = olga.post(URL, body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "VALIDATION_ERROR"
    found = {error["path"] for error in answer.json()["errors"]}
    assert {path.rstrip("/") for path in found} >= {path.rstrip("/") for path in paths}
    assert not Webhook.objects.exists()


def test_a_change_changes_what_it_names_and_nothing_else(olga: APIClient) -> None:
    webhook = made(olga, event_types=["step_started"], description="Chat")
    url = f"{URL}/{webhook['webhook_id']}"
    changed = olga.patch(url, {"url": "https://example.net/", "is_active": False}).json()
    assert (changed["url"], changed["event_types"], changed["description"]) == (
        "https://example.net/",
        ["step_started"],
        "Chat",
    )
    assert (changed["is_active"], changed["disabled_reason"]) == (False, "Switched off by olga.")
    assert olga.patch(url, {"is_active": True, "event_types": []}).json()["disabled_at"] is None
    assert olga.patch(url, {}).status_code == 200
    for wrong in ({"url": "ftp://x/"}, {"event_types": ["x"]}, {"is_active": "yes"}, {"project_id": "gemini"}):
        assert olga.patch(url, wrong).status_code == 422


def test_a_deleted_webhook_is_gone(olga: APIClient) -> None:
    webhook, delivery = delivered(olga)
    url = f"{URL}/{webhook['webhook_id']}"
    answer = olga.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (url, f"{url}/deliveries", f"{url}/deliveries/{delivery.pk}"):
        assert olga.get(gone).json()["code"] == "WEBHOOK_NOT_FOUND"
    assert olga.delete(url).status_code == 404


def test_a_rotated_secret_is_shown_this_once(olga: APIClient) -> None:
    webhook = made(olga)
    url = f"{URL}/{webhook['webhook_id']}"
    answer = olga.post(f"{url}/rotate-secret", {})
    assert answer.status_code == 200
    rotated = answer.json()
    assert rotated["secret"] != webhook["secret"]
    assert rotated["previous_secret_until"] is not None
    assert "secret" not in olga.get(url).json()


def test_a_test_is_sent_and_its_result_found(olga: APIClient) -> None:
    webhook = made(olga)
    answer = olga.post(f"{URL}/{webhook['webhook_id']}/test", {})
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["event_type"], shown["status"], shown["seq"], shown["attempts"]) == (
        "webhook.test",
        "pending",
        None,
        [],
    )
    try_once(Webhook.objects.get(), answered(200, body="thanks"))
    result = olga.get(answer["Location"]).json()
    assert (result["status"], result["attempts"][0]["response_body"]) == ("succeeded", "thanks")
    olga.patch(f"{URL}/{webhook['webhook_id']}", {"is_active": False})
    assert olga.post(f"{URL}/{webhook['webhook_id']}/test", {}).json()["code"] == "INVALID_STATE"


def test_the_log_shows_every_delivery_with_its_attempts(olga: APIClient) -> None:
    webhook, delivery = delivered(olga)
    url = f"{URL}/{webhook['webhook_id']}/deliveries"
    (row,) = olga.get(url).json()["results"]
    assert delivery.event is not None
    assert row["execution_id"] == str(delivery.event.execution_id)
    assert (row["delivery_id"], row["event_type"], row["seq"]) == (str(delivery.pk), "execution_started", 1)
    assert (row["status"], row["attempt_count"], row["finished_at"]) == ("pending", 1, None)
    last = {key: value for key, value in row["last_attempt"].items() if key != "started_at"}
    assert last == {
        "n": 1,
        "duration_ms": 7,
        "http_status": 503,
        "error_code": "HTTP_STATUS",
        "detail": "The receiver answered 503.",
        "response_body": "Down.",
    }
    assert olga.get(f"{url}/{delivery.pk}").json() == {**row, "attempts": [row["last_attempt"]]}
    assert olga.get(f"{url}?status=succeeded").json()["results"] == []
    assert len(olga.get(f"{url}?status=pending&event_type=execution_started").json()["results"]) == 1
    assert olga.get(f"{url}?status=lost").json()["code"] == "INVALID_STATUS"
    assert olga.get(f"{url}?limit=3").status_code == 400


def test_a_delivery_is_sent_again(olga: APIClient) -> None:
    webhook, delivery = delivered(olga)
    url = f"{URL}/{webhook['webhook_id']}/deliveries"
    again = olga.post(f"{url}/{delivery.pk}/redeliver", {})
    assert again.status_code == 200
    assert again.json()["status"] == "pending"
    assert again.json()["next_attempt_at"] < timezone.now().isoformat()
    assert olga.post(f"{url}/{NOBODY}/redeliver", {}).json()["code"] == "DELIVERY_NOT_FOUND"
    assert olga.post(f"{url}/x/redeliver", {}).json()["code"] == "DELIVERY_NOT_FOUND"
    assert olga.post(f"{url}/{delivery.pk}/redeliver", {"now": True}).status_code == 422
    olga.patch(f"{URL}/{webhook['webhook_id']}", {"is_active": False})
    assert olga.post(f"{url}/{delivery.pk}/redeliver", {}).status_code == 409


def test_a_delivery_of_another_webhook_is_none_of_this_one(olga: APIClient) -> None:
    _, delivery = delivered(olga)
    other = made(olga)
    url = f"{URL}/{other['webhook_id']}/deliveries/{delivery.pk}"
    assert olga.get(url).json()["code"] == "DELIVERY_NOT_FOUND"
    assert olga.post(f"{url}/redeliver", {}).json()["code"] == "DELIVERY_NOT_FOUND"


def calls(webhook_id: str, delivery_id: str) -> list[tuple[str, str, Any]]:
    one = f"{URL}/{webhook_id}"
    return [
        ("get", one, None),
        ("patch", one, {"is_active": False}),
        ("post", f"{one}/rotate-secret", {}),
        ("post", f"{one}/test", {}),
        ("get", f"{one}/deliveries", None),
        ("get", f"{one}/deliveries/{delivery_id}", None),
        ("post", f"{one}/deliveries/{delivery_id}/redeliver", {}),
        ("delete", one, None),
    ]


def test_viewers_may_nothing_and_strangers_see_nothing(
    olga: APIClient, ed: APIClient, vic: APIClient, stranger: APIClient, anonymous: APIClient
) -> None:
    webhook, delivery = delivered(olga)
    for method, url, body in calls(webhook["webhook_id"], str(delivery.pk)):
        assert getattr(anonymous, method)(url, body).status_code == 401
        for viewer in (vic, ed):
            answer = getattr(viewer, method)(url, body)
            assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED"), url
        answer = getattr(stranger, method)(url, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "WEBHOOK_NOT_FOUND"), url
    for viewer in (vic, ed):
        assert viewer.get(URL).status_code == 403
        assert viewer.post(URL, BODY).status_code == 403
    assert stranger.get(URL).json()["results"] == []
    assert stranger.post(URL, BODY).status_code == 403
    assert anonymous.get(URL).status_code == 401
    assert Webhook.objects.get().is_active


def test_operators_of_other_projects_are_told_what_they_are_told_of_any_id(olga: APIClient, caller: Any) -> None:
    webhook, delivery = delivered(olga)
    Project.objects.get().users.set([person("olga")])
    person("otto", "operator")
    otto = caller("otto")
    random_calls = calls(NOBODY, NOBODY)
    for (method, url, body), (_, other, _) in zip(
        calls(webhook["webhook_id"], str(delivery.pk)), random_calls, strict=True
    ):
        hidden, unknown = getattr(otto, method)(url, body), getattr(otto, method)(other, body)
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.json()["code"] == unknown.json()["code"]
        assert hidden.json()["detail"] == unknown.json()["detail"].replace(NOBODY, webhook["webhook_id"], 1)
    assert otto.get(URL).json()["results"] == []
    assert otto.get(f"{URL}?project_id=apollo").json()["results"] == []
    assert otto.post(URL, BODY).json()["code"] == "PROJECT_NOT_FOUND"
    assert caller("root").get(URL).json()["results"][0]["webhook_id"] == webhook["webhook_id"]


@pytest.mark.parametrize("bad", ["x", "%00", NOBODY.replace("-", ""), "..", "a" * 3000])
def test_what_is_no_id_is_answered_like_an_id_that_does_not_exist(olga: APIClient, bad: str) -> None:
    for method, url, body in calls(bad, bad):
        assert getattr(olga, method)(url, body).status_code == 404, url


def test_the_list_is_newest_first_and_narrowed_by_project(olga: APIClient) -> None:
    start(single(), project="gemini")
    names = [made(olga, project_id=name)["webhook_id"] for name in ("apollo", "gemini", "apollo")]
    assert [row["webhook_id"] for row in olga.get(URL).json()["results"]] == names[::-1]
    rows = olga.get(f"{URL}?project_id=gemini").json()["results"]
    assert [row["webhook_id"] for row in rows] == [names[1]]
    first = olga.get(f"{URL}?page_size=2").json()
    assert [row["webhook_id"] for row in olga.get(first["next"]).json()["results"]] == [names[0]]


def test_lists_take_the_same_number_of_statements_however_long_they_are(olga: APIClient) -> None:
    webhook, _ = subscribe()
    urls = (URL, f"{URL}/{webhook.pk}/deliveries")

    def counted() -> list[int]:
        found = []
        for url in urls:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                olga.get(url)
            found.append(len(queries))
        return found

    for _ in range(2):
        start(single())
    relay_now()
    before = counted()
    for _ in range(5):
        subscribe()
        send_test(actor=person("olga"), webhook_id=webhook.pk, at=timezone.now())
        start(single())
    relay_now()
    assert counted() == before
    assert max(before) <= 8


def test_secrets_are_in_no_list_no_page_of_the_log_and_no_row(olga: APIClient) -> None:
    webhook, delivery = delivered(olga)
    url = f"{URL}/{webhook['webhook_id']}"
    rotated = olga.post(f"{url}/rotate-secret", {}, headers={"Idempotency-Key": "once"}).json()
    shown = [
        olga.get(each).content.decode() for each in (URL, url, f"{url}/deliveries", f"{url}/deliveries/{delivery.pk}")
    ]
    shown.append(olga.patch(url, {"description": "x"}).content.decode())
    with connection.cursor() as cursor:
        for table in ("executions_webhook", "executions_webhookdelivery", "executions_webhookattempt"):
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")  # noqa: S608 - names of ours
            shown += [row[0] for row in cursor.fetchall()]
    (kept,) = IdempotencyKey.objects.values_list("body", flat=True)
    assert kept is not None
    shown.append(bytes(kept).decode("latin-1"))
    for secret in (webhook["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in "".join(shown)


def test_the_same_key_makes_one_webhook_and_shows_its_secret_again(olga: APIClient) -> None:
    first = olga.post(URL, BODY, headers={"Idempotency-Key": "one"})
    again = olga.post(URL, BODY, headers={"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert json.loads(first.content)["secret"] == json.loads(again.content)["secret"]
    assert again["Idempotency-Replayed"] == "true"
    assert Webhook.objects.count() == 1
