"""Idempotency-Key: a POST that is sent again is answered again, and carried out once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import URLPattern, URLResolver, get_resolver
from procrastinate.contrib.django import app
from rest_framework.test import APIClient

from executions.api.exceptions import InvalidIdempotencyKey
from executions.api.idempotency import IdempotentPosts, parse_key
from executions.jobs import remove_kept_answers
from executions.models import Decision, Execution, IdempotencyKey, Project
from executions.services.idempotency import Asked, hold_key, remove_expired
from executions.tests.api.conftest import Caller
from executions.tests.driving import Scripted, asking, document, drive
from executions.tests.engine_cast import events, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single, stored
from executions.wakeups import QUEUE

START = "/api/v1/workflows/test/start"
BROOM = remove_kept_answers.name
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def post(client: APIClient, url: str, body: Any = None, key: str = KEY, **headers: str) -> Any:
    return client.post(url, body, headers={"Idempotency-Key": key, **headers})


@pytest.fixture
def _workflow(db: None) -> None:
    stored(single())


def waiting() -> Execution:
    execution = start(reviewed())
    drive(execution)
    return execution


def failed() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=[document(wrong=n) for n in range(3)]))
    return execution


def asked() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=asking()))
    return execution


def expire() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE executions_idempotencykey SET expires_at = expires_at - interval '24 hours'")


@pytest.mark.usefixtures("_workflow")
def test_the_same_request_is_answered_again_and_carried_out_once(olga: APIClient) -> None:
    first = post(olga, START, {"project_id": "apollo", "initial_context": {"goal": "moon"}})
    second = post(olga, START, {"initial_context": {"goal": "moon"}, "project_id": "apollo"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    for name in ("Location", "ETag", "Content-Type", "Cache-Control"):
        assert second[name] == first[name], name
    assert second["X-Request-ID"] != first["X-Request-ID"]
    assert Execution.objects.count() == 1


@pytest.mark.parametrize(
    ("command", "prepare", "name", "body"),
    [
        ("cancel", lambda: start(single()), "olga", {"reason": "enough"}),
        ("retry", failed, "olga", {"reason": "again"}),
        ("acceptance", waiting, "ed", {"decision": "accept"}),
        ("clarification", asked, "olga", {"answers": {"WHO": "Everybody"}}),
    ],
    ids=["cancel", "retry", "acceptance", "clarification"],
)
def test_every_command_can_be_repeated(
    caller: Caller, command: str, prepare: Callable[[], Execution], name: str, body: Any
) -> None:
    execution = prepare()
    url = f"/api/v1/executions/{execution.pk}/{command}"
    first = post(caller(name), url, body)
    execution.refresh_from_db()
    seen = execution.last_seq
    second = post(caller(name), url, body)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second["Idempotency-Replayed"] == "true"
    assert first.content == second.content
    execution.refresh_from_db()
    assert execution.last_seq == seen
    assert Decision.objects.count() <= 1


def test_a_project_is_made_once_also_by_somebody_who_does_not_belong_to_it(olga: APIClient) -> None:
    body = {"project_id": "gemini", "members": {"users": [person("ed").username]}}
    first, second = post(olga, "/api/v1/projects", body), post(olga, "/api/v1/projects", body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotency-Replayed"] == "true"
    assert second["Location"] == first["Location"]
    assert olga.post("/api/v1/projects", body).status_code == 404


@pytest.mark.usefixtures("_workflow")
def test_another_body_under_the_same_key_is_refused(olga: APIClient) -> None:
    post(olga, START, {"project_id": "apollo"})
    answer = post(olga, START, {"project_id": "gemini"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "IDEMPOTENCY_MISMATCH"
    assert "new key" in answer.json()["detail"]
    assert Execution.objects.count() == 1


def test_another_condition_under_the_same_key_is_refused(olga: APIClient) -> None:
    execution = start(single())
    url = f"/api/v1/executions/{execution.pk}"
    stale = post(olga, f"{url}/cancel", {}, **{"If-Match": '"old"'})
    again = post(olga, f"{url}/cancel", {}, **{"If-Match": '"old"'})
    fresh = post(olga, f"{url}/cancel", {}, **{"If-Match": olga.get(url)["ETag"]})
    assert (stale.status_code, again.status_code, fresh.status_code) == (412, 412, 422)
    assert again["Idempotency-Replayed"] == "true"
    assert fresh.json()["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.usefixtures("_workflow")
def test_a_key_belongs_to_its_caller_and_its_path(olga: APIClient, caller: Caller) -> None:
    stored(single() | {"workflow_id": "other"})
    person("otto", "operator")
    body = {"project_id": "apollo"}
    answers = [
        post(olga, START, body),
        post(olga, START, body, key="other"),
        post(olga, "/api/v1/workflows/other/start", body),
        post(caller("otto"), START, body),
    ]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["execution_id"] for answer in answers}) == 4


@pytest.mark.usefixtures("_workflow")
def test_a_key_belongs_to_the_person_not_to_the_token(olga: APIClient) -> None:
    first = post(olga, START, {"project_id": "apollo"})
    other = APIClient()
    other.force_login(person("olga"))
    assert post(other, START, {"project_id": "apollo"}).json() == first.json()


@pytest.mark.usefixtures("_workflow")
def test_quoted_and_bare_are_one_key(olga: APIClient) -> None:
    first = post(olga, START, {"project_id": "apollo"}, key=KEY)
    second = post(olga, START, {"project_id": "apollo"}, key=f'"{KEY}"')
    assert second["Idempotency-Replayed"] == "true"
    assert first.content == second.content


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", "a"),
        ("x" * 255, "x" * 255),
        ("two words, and more", "two words, and more"),
        (" padded\t", "padded"),
        ('"a"', "a"),
        (f'"{"x" * 255}"', "x" * 255),
        (r'"say \"hi\" \\o/"', r'say "hi" \o/'),
        ('a"b', 'a"b'),
    ],
)
def test_keys_that_are_taken(text: str, key: str) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize(
    "text",
    ["", " ", '""', '"', '"a', '"a"b"', r'"a\b"', '"a"; p=1', "x" * 256, f'"{"x" * 256}"', "caf\xe9", "a\tb", "a\x7f"],
)
def test_keys_that_are_not(text: str) -> None:
    with pytest.raises(InvalidIdempotencyKey):
        parse_key(text)


@pytest.mark.usefixtures("_workflow")
def test_a_malformed_key_is_400_and_nothing_is_done(olga: APIClient) -> None:
    answer = post(olga, START, {"project_id": "apollo"}, key="x" * 256)
    assert answer.status_code == 400
    assert answer.json()["code"] == "INVALID_IDEMPOTENCY_KEY"
    assert "1 to 255" in answer.json()["detail"]
    assert not Execution.objects.exists()


def test_refusals_of_the_operation_are_kept(olga: APIClient) -> None:
    execution = start(single())
    url = f"/api/v1/executions/{execution.pk}/retry"
    first = post(olga, url, {})
    assert (first.status_code, first.json()["code"]) == (409, "INVALID_STATE")
    drive(execution, Scripted(note=[document(wrong=n) for n in range(3)]))

    again = post(olga, url, {})
    assert again.status_code == 409
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == "application/problem+json"
    assert again.content == first.content
    assert post(olga, url, {}, key="a new try").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"project_id": 5}, 422), ({"project_id": "a b"}, 422), ({"project_id": "apollo", "revision": "r9"}, 404)],
    ids=["shape", "value", "revision"],
)
@pytest.mark.usefixtures("_workflow")
def test_a_wrong_body_stays_wrong(olga: APIClient, body: Any, status: int) -> None:
    first, second = post(olga, START, body), post(olga, START, body)
    assert (first.status_code, second.status_code) == (status, status)
    assert second["Idempotency-Replayed"] == "true"
    # Corrected, it is another request, and the client is told so.
    assert post(olga, START, {"project_id": "apollo"}).json()["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.usefixtures("_workflow")
def test_what_is_refused_before_it_begins_uses_no_key(olga: APIClient, anonymous: APIClient) -> None:
    headers = {"Idempotency-Key": KEY}
    refused = [
        post(anonymous, START, {"project_id": "apollo"}),
        olga.generic("POST", START, "{", content_type="application/json", headers=headers),
        olga.generic("POST", START, "a=b", content_type="text/plain", headers=headers),
        post(olga, f"{START}?x=1", {"project_id": "apollo"}),
    ]
    assert [answer.status_code for answer in refused] == [401, 400, 415, 400]
    assert not IdempotencyKey.objects.exists()
    assert post(olga, START, {"project_id": "apollo"}).status_code == 201


@pytest.mark.usefixtures("_workflow")
def test_after_a_day_a_key_is_as_new_whether_it_was_removed_or_not(olga: APIClient) -> None:
    first = post(olga, START, {"project_id": "apollo"})
    expire()
    second = post(olga, START, {"project_id": "gemini"})
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second
    assert second.json()["execution_id"] != first.json()["execution_id"]
    again = post(olga, START, {"project_id": "gemini"})
    assert again.json() == second.json()
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.usefixtures("_workflow")
def test_what_has_expired_is_removed_a_lot_at_a_time(olga: APIClient) -> None:
    for key in ("a", "b", "c"):
        post(olga, START, {"project_id": "apollo"}, key=key)
    expire()
    post(olga, START, {"project_id": "apollo"}, key="new")
    assert [remove_expired(2), remove_expired(2), remove_expired(2)] == [2, 1, 0]
    assert post(olga, START, {"project_id": "apollo"}, key="new")["Idempotency-Replayed"] == "true"


def test_workers_remove_what_has_expired_every_ten_minutes() -> None:
    (task,) = (each for (name, _), each in app.periodic_registry.periodic_tasks.items() if name == BROOM)
    assert (task.cron, task.task.queue, task.task.queueing_lock) == ("*/10 * * * *", QUEUE, BROOM)


@pytest.mark.usefixtures("_workflow")
def test_an_answer_is_not_given_again_to_somebody_who_may_not_see_it_any_more(olga: APIClient) -> None:
    started = post(olga, START, {"project_id": "apollo"})
    cancel = f"/api/v1/executions/{started.json()['execution_id']}/cancel"
    post(olga, cancel, {})
    project = Project.objects.get()
    project.users.set([person("ed")])
    project.created_by = None
    project.save()

    again = post(olga, START, {"project_id": "apollo"})
    assert (again.status_code, again.json()["code"]) == (404, "PROJECT_NOT_FOUND")
    again = post(olga, cancel, {})
    unkeyed = olga.post(cancel, {})
    assert (again.status_code, again.json()["detail"]) == (404, unkeyed.json()["detail"])


@pytest.mark.usefixtures("_workflow")
def test_an_account_that_is_removed_takes_its_answers_along(olga: APIClient) -> None:
    assert post(olga, START, {"project_id": "a b"}).status_code == 422
    person("olga").delete()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.usefixtures("_workflow")
def test_what_is_stored_can_be_read_only_with_the_key_and_the_key_is_not_stored(olga: APIClient) -> None:
    answer = post(olga, START, {"project_id": "apollo"})
    row = IdempotencyKey.objects.get()
    stored_text = bytes(row.body or b"") + str(IdempotencyKey.objects.values().get()).encode()
    assert KEY.encode() not in stored_text
    assert answer.content[:40] not in stored_text
    asked = Asked(user_id=person("olga").pk, method="POST", path=START, key=KEY, fingerprint=row.fingerprint)
    with transaction.atomic():
        kept = hold_key(asked).kept
    assert kept is not None
    assert kept.body == answer.content


@pytest.mark.usefixtures("_workflow")
def test_with_a_new_secret_key_a_request_is_not_carried_out_again(olga: APIClient, settings: Any) -> None:
    old = settings.SECRET_KEY
    first = post(olga, START, {"project_id": "apollo"})
    settings.SECRET_KEY = "another"
    lost = post(olga, START, {"project_id": "apollo"})
    assert (lost.status_code, lost.json()["code"]) == (409, "IDEMPOTENCY_ANSWER_NOT_KEPT")
    assert first["Location"] in lost.json()["detail"]
    settings.SECRET_KEY_FALLBACKS = [old]
    assert post(olga, START, {"project_id": "apollo"}).content == first.content
    assert Execution.objects.count() == 1


def test_other_methods_take_no_notice(olga: APIClient) -> None:
    answers = [olga.get("/api/v1/executions", headers={"Idempotency-Key": '"'}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "Idempotency-Replayed" not in answers[1]


def views(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from views(each.url_patterns, path)
        elif isinstance(each, URLPattern):
            yield path, getattr(each.callback, "view_class", None) or getattr(each.callback, "cls", None)


def test_every_post_of_the_api_honours_the_key() -> None:
    posts = {
        path: view
        for path, view in views(get_resolver().url_patterns)
        if path.startswith("api/v1/") and view is not None and hasattr(view, "post")
    }
    assert "api/v1/workflows/<str:workflow_id>/start" in posts
    assert len(posts) >= 6
    assert [path for path, view in posts.items() if not issubclass(view, IdempotentPosts)] == []


def test_the_first_answer_of_a_cancel_is_kept_though_the_run_is_over(olga: APIClient) -> None:
    execution = waiting()
    url = f"/api/v1/executions/{execution.pk}"
    gate = open_gate(execution)
    assert post(olga, f"{url}/cancel", {"reason": "a"}).status_code == 200
    answer = post(olga, f"{url}/cancel", {"reason": "a"})
    assert answer["ETag"] == olga.get(url)["ETag"]
    assert events(execution, "execution_cancelled") == [{"by": "olga", "reason": "a"}]
    gate.refresh_from_db()
    assert gate.status == "cancelled"
