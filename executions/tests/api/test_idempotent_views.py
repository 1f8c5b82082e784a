"""What :class:`IdempotentPosts` does for any view: faults, refusals, large answers, and what follows a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from executions.api.idempotency import IdempotentPosts
from executions.exceptions import InvalidState
from executions.models import IdempotencyKey, Project
from executions.services import idempotency
from executions.tests.engine_cast import person

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


class Acts(IdempotentPosts):
    """A view that does what a test says, and writes a row each time that it gets so far."""

    permission_classes = ()
    acts: list[Callable[[], Response]] = []

    def post(self, request: Request) -> Response:
        number = Project.objects.count()
        Project.objects.create(pk=f"made-{number}", created_at="2026-01-01T00:00:00Z")
        return self.acts.pop(0)()


@pytest.fixture
def do(db: None) -> Iterator[Callable[..., HttpResponse]]:
    """Post to a view of which each call takes the next of some acts."""

    def call(*acts: Callable[[], Response], key: str = KEY) -> Any:
        Acts.acts.extend(acts)
        request = APIRequestFactory().post("/acts", {}, headers={"Idempotency-Key": key})
        force_authenticate(request, person("olga"))
        return Acts.as_view()(request)

    yield call
    Acts.acts.clear()


def fail(error: Exception) -> Callable[[], Response]:
    def act() -> Response:
        raise error

    return act


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (fail(RuntimeError("a defect")), 500),
        (lambda: Response({}, status=503), 503),
        (fail(Throttled(wait=3)), 429),
        (fail(AuthenticationFailed()), 401),
    ],
    ids=["raised", "returned", "throttled", "unauthenticated"],
)
def test_after_a_fault_the_key_is_free_and_what_was_begun_is_undone(
    do: Callable[..., HttpResponse], first: Callable[[], Response], status: int
) -> None:
    assert do(first).status_code == status
    assert not Project.objects.exists()
    assert not IdempotencyKey.objects.exists()
    second = do(lambda: Response({"n": 2}, status=201))
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second
    assert Project.objects.count() == 1


def test_a_refusal_that_is_kept_undoes_what_was_begun(do: Callable[..., HttpResponse]) -> None:
    assert do(fail(InvalidState("Not now."))).status_code == 409
    assert do().status_code == 409
    assert not Project.objects.exists()
    assert IdempotencyKey.objects.count() == 1


def test_an_answer_too_large_to_keep_is_said_to_be_so_and_nothing_is_done_again(
    do: Callable[..., HttpResponse],
) -> None:
    text = "x" * idempotency.MAX_KEPT_BYTES
    assert do(lambda: Response({"text": text}, status=201, headers={"Location": "/made/1"})).status_code == 201
    again: Any = do()
    assert again.status_code == 409
    assert again.data["code"] == "IDEMPOTENCY_ANSWER_NOT_KEPT"
    assert "answered 201" in again.data["detail"]
    assert "/made/1" in again.data["detail"]
    assert Project.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_follows_a_commit_follows_once(do: Callable[..., HttpResponse]) -> None:
    told: list[bool] = []

    def act() -> Response:
        with transaction.atomic():
            transaction.on_commit(lambda: told.append(connection.in_atomic_block))
        return Response({})

    do(act)
    do()
    assert told == [False]


def test_a_refused_command_tells_nobody(
    do: Callable[..., HttpResponse], django_capture_on_commit_callbacks: Any
) -> None:
    told: list[str] = []

    def act() -> Response:
        transaction.on_commit(lambda: told.append("begun"))
        raise InvalidState("Not now.")

    with django_capture_on_commit_callbacks(execute=True):
        transaction.on_commit(lambda: told.append("done"))
        assert do(act).status_code == 409
    assert told == ["done"]
