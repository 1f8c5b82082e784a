"""Who may have a stream, from where, and for how long."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import AuthToken
from websockets.exceptions import ConnectionClosed

from executions.models import Execution, Project
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.streams.clients import JSON, EventSource, Socket
from executions.tests.streams.histories import tell
from executions.tests.streams.web import WebProcess, bearer, cookie, session


def refusal(web: WebProcess, execution_id: object, headers: dict[str, str], **options: Any) -> JSON:
    """Return how a stream is refused."""
    with EventSource(web.host, execution_id, headers, **options) as source:
        assert source.headers["Content-Type"] == "application/problem+json"
        assert source.headers["X-Content-Type-Options"] == "nosniff"
        assert source.headers["Content-Security-Policy"]
        problem = source.problem()
        assert (problem["status"], problem["request_id"]) == (source.status, source.headers["X-Request-ID"])
        if source.status == 401:
            assert source.headers["WWW-Authenticate"] == "Bearer"
        return problem


def code_of(web: WebProcess, execution_id: object, headers: dict[str, str], **options: Any) -> int | None:
    """Return with which code a socket is closed at once."""
    with Socket(web.host, execution_id, headers, **options) as socket:
        assert list(socket.frames()) == []
        return socket.code


def is_opened(web: WebProcess, execution: Execution, headers: dict[str, str], **options: Any) -> bool:
    with Socket(web.host, execution.pk, headers, **options) as socket:
        return bool(next(socket.frames())["event_type"] == "connected")


def test_whoever_shows_nothing_valid_is_refused(web: WebProcess) -> None:
    execution = start(single())
    expired, gone = bearer(person("olga")), bearer(person("ed"))
    AuthToken.objects.filter(user=person("olga")).update(expiry=timezone.now() - timedelta(minutes=1))
    User.objects.filter(username="ed").update(is_active=False)

    for headers in ({}, {"Authorization": "Bearer cmb_nonsense"}, {"Authorization": "Basic b2xnYTo="}, expired, gone):
        assert refusal(web, execution.pk, headers)["code"] == "NOT_AUTHENTICATED"
        assert code_of(web, execution.pk, headers) == 4401
    assert refusal(web, execution.pk, {}, query="?token=cmb_nonsense")["code"] == "NOT_AUTHENTICATED"


def test_a_foreign_execution_is_answered_for_as_one_that_does_not_exist(web: WebProcess) -> None:
    execution = start(single(), by="olga", project="secret")
    Project.objects.get(pk="secret").users.add(person("olga"))
    vic, nobody, unknown = bearer(person("vic")), bearer(person("nobody")), str(uuid4())

    def seen(execution_id: object, headers: dict[str, str]) -> str:
        problem = refusal(web, execution_id, headers)
        return str(problem | {"request_id": ""}).replace(str(execution_id), "ID")

    assert seen(execution.pk, vic) == seen(unknown, vic) == seen(execution.pk, nobody)
    assert "EXECUTION_NOT_FOUND" in seen(execution.pk, vic)
    assert refusal(web, "no-id-at-all", vic)["code"] == "EXECUTION_NOT_FOUND"
    assert [code_of(web, each, vic) for each in (execution.pk, unknown, "no-id-at-all")] == [4404] * 3
    assert code_of(web, "", vic, path="/ws/elsewhere") == 4404
    assert refusal(web, execution.pk, bearer(person("olga")), query="?before=1")["code"] == "VALIDATION_ERROR"


def test_a_foreign_host_is_refused(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    assert refusal(web, execution.pk, {**olga, "Host": "evil.example"})["status"] == 400
    assert refusal(web, execution.pk, {**olga, "X-Forwarded-Host": "ok", "Host": "evil.example:80"})["status"] == 400


def test_a_session_is_good_from_pages_of_this_site_and_a_token_from_anywhere(web: WebProcess) -> None:
    execution, olga = start(single()), person("olga")
    with_cookie, with_token = cookie(session(olga)), bearer(olga)
    ours, evil = {"Origin": f"http://{web.host}"}, {"Origin": "https://evil.example"}

    for origin in ({}, ours):
        with EventSource(web.host, execution.pk, {**with_cookie, **origin}) as source:
            assert next(source.frames()).event == "connected"
    assert refusal(web, execution.pk, {**with_cookie, **evil})["code"] == "PERMISSION_DENIED"
    assert is_opened(web, execution, {**with_cookie}, origin=ours["Origin"])
    assert is_opened(web, execution, {**with_cookie}, origin="http://localhost:3000")
    for origin_text in (evil["Origin"], "null", "http://localhost.evil.example", None):
        assert code_of(web, execution.pk, with_cookie, origin=origin_text) == 4403
    for origin in ({}, evil):
        with EventSource(web.host, execution.pk, {**with_token, **origin}) as source:
            assert next(source.frames()).event == "connected"
        assert is_opened(web, execution, with_token, origin=origin.get("Origin"))


def test_a_client_that_sends_too_much_is_closed(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))

    with Socket(web.host, execution.pk, olga) as socket:
        assert [frame["event_type"] for frame in socket.take(2)] == ["connected", "execution_started"]
        socket.connection.send("x" * 60_000)
        tell(execution, 1)
        assert socket.take(1)[0]["seq"] == 2
        socket.connection.send("x" * 70_000)
        assert list(socket.frames()) == []
        assert socket.code == 1009
    with Socket(web.host, execution.pk, olga) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100):
                socket.connection.send("hello")
                time.sleep(0.005)
        list(socket.frames())
        assert socket.code == 1008


def test_a_snapshot_may_be_larger_than_what_clients_may_send(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    tell(execution, 1, size=200_000)

    with Socket(web.host, execution.pk, olga) as socket:
        assert len(socket.take(3)[2]["data"]["findings"][0]) == 200_000


@pytest.mark.parametrize("change", ["token", "session", "closed", "members", "role"])
def test_who_loses_the_right_to_a_stream_loses_it_at_once(web: WebProcess, change: str) -> None:
    execution, vic = start(single()), person("vic")
    mine = cookie(session(vic)) if change == "session" else bearer(vic)
    origin = {"origin": f"http://{web.host}"} if change == "session" else {}

    with (
        EventSource(web.host, execution.pk, mine) as source,
        Socket(web.host, execution.pk, mine, **origin) as socket,
        EventSource(web.host, execution.pk, bearer(person("olga"))) as other,
    ):
        frames, messages, others = source.events(), socket.frames(), other.events()
        assert (next(frames).id, next(messages)["seq"], next(messages)["seq"], next(others).id) == ("1", None, 1, "1")
        began = time.monotonic()
        _take_away(vic, execution, change)
        assert list(frames) == []
        assert list(messages) == []
        assert time.monotonic() - began < 2
        assert socket.code == (4401 if change in ("token", "session", "closed") else 4404)
        tell(execution, 1)
        assert next(others).id == "2"
    refused = refusal(web, execution.pk, mine)
    assert refused["status"] == (401 if change in ("token", "session", "closed") else 404)


def _take_away(user: User, execution: Execution, change: str) -> None:
    if change == "token":
        for token in AuthToken.objects.filter(user=user):
            token.delete()
    elif change == "session":
        user.set_password("another")  # every session is about the old one
        user.save()
    elif change == "closed":
        user.is_active = False
        user.save()
    elif change == "members":
        execution.project.users.add(person("olga"))
    else:
        user.groups.clear()
