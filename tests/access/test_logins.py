"""Guessing passwords: at the log-in of the admin site, and at any other door that asks Django."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from combine import urls
from tests.access.conftest import SetRates
from tests.access.test_rates import pass_time

URL = "/admin/login/?next=/admin/"
urlpatterns = [path("login", LoginView.as_view(template_name="admin/login.html")), *urls.urlpatterns]


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_superuser("alice", password="right")


@pytest.fixture(autouse=True)
def _three_an_hour(set_rates: SetRates) -> None:
    set_rates(login="3/hour")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, Any, str]]]:
    """Collect what is logged of log-ins: action, account, address."""
    found: list[tuple[str, Any, str]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            facts = vars(record)
            found.append((facts["action"], facts["account"], facts["address"]))

    handler = Handler()
    logging.getLogger("combine.logins").addHandler(handler)
    yield found
    logging.getLogger("combine.logins").removeHandler(handler)


def log_in(name: str, password: str, address: str = "10.0.0.1", url: str = URL) -> HttpResponse:
    answer = Client().post(url, {"username": name, "password": password}, REMOTE_ADDR=address)
    assert isinstance(answer, HttpResponse)
    return answer


def statuses(number: int, name: str, password: str, address: str = "10.0.0.1", url: str = URL) -> list[int]:
    return [log_in(name, password, address, url).status_code for _ in range(number)]


def test_after_some_wrong_passwords_the_right_one_is_refused_too(alice: User) -> None:
    assert statuses(3, "alice", "wrong") == [200, 200, 200]
    answer = log_in("alice", "right")
    assert answer.status_code == 429
    assert answer["Retry-After"] == "1200"
    assert answer["Cache-Control"] == "no-store"
    assert "Wait 20 minutes" in answer.content.decode()
    assert "sessionid" not in answer.cookies


def test_the_default_rate_refuses_before_twenty_wrong_passwords(alice: User, set_rates: SetRates) -> None:
    set_rates(login="15/hour")
    assert statuses(20, "alice", "wrong") == [200] * 15 + [429] * 5


def test_an_account_that_does_not_exist_is_answered_alike(alice: User) -> None:
    def said(name: str) -> list[tuple[int, str]]:
        answers = [log_in(name, "wrong") for _ in range(5)]
        varying = rf"{name}|nonce=\S+|csrfmiddlewaretoken\S+ value=\S+"
        return [(each.status_code, re.sub(varying, "", each.content.decode())) for each in answers]

    assert said("alice") == said("bob")


def test_nobody_can_lock_somebody_else_out(alice: User) -> None:
    assert statuses(9, "alice", "wrong", "10.9.9.9")[-1] == 429
    assert log_in("alice", "right", "10.0.0.1").status_code == 302


def test_a_right_password_clears_what_was_wrong_before(alice: User) -> None:
    for _ in range(4):
        assert statuses(2, "alice", "wrong") == [200, 200]
        assert log_in("alice", "right").status_code == 302


def test_an_address_that_tries_many_names_is_refused(alice: User) -> None:
    found = [log_in(f"user{number}", "wrong").status_code for number in range(17)]
    assert found == [200] * 15 + [429] * 2
    assert log_in("alice", "right").status_code == 429
    assert log_in("alice", "right", "10.0.0.2").status_code == 302


def test_right_passwords_use_nothing_of_an_addresss_rate(alice: User) -> None:
    assert [log_in("alice", "right").status_code for _ in range(20)] == [302] * 20


def test_it_ends_by_itself(alice: User) -> None:
    assert statuses(4, "alice", "wrong")[-1] == 429
    pass_time(minutes=20)
    assert log_in("alice", "right").status_code == 302


@pytest.mark.parametrize("spelled", ["alice", "ali\u200dce", "\uff41lice"])
def test_a_name_is_counted_as_django_reads_it(alice: User, spelled: str) -> None:
    """NFKC: what the form takes for the same name has the same counter."""
    statuses(3, "alice", "wrong")
    is_same = spelled != "ali\u200dce"
    assert log_in(spelled, "wrong").status_code == (429 if is_same else 200)


@pytest.mark.urls(__name__)
def test_every_door_is_the_same_door(alice: User) -> None:
    assert statuses(2, "alice", "wrong", url="/login") == [200, 200]
    assert statuses(2, "alice", "wrong") == [200, 429]
    assert log_in("alice", "right", url="/login").status_code == 429

    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1")
    assert authenticate(request, username="alice", password="right") is None
    assert async_to_sync(aauthenticate)(request, username="alice", password="right") is None
    # Without a request nobody knows from where: then there is one counter for the name.
    assert authenticate(username="alice", password="right") == alice
    for _ in range(3):
        authenticate(username="alice", password="wrong")
    assert authenticate(username="alice", password="right") is None


def test_a_closed_account_is_no_exception(alice: User) -> None:
    User.objects.update(is_active=False)
    assert statuses(4, "alice", "right") == [200, 200, 200, 429]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_counted_before_any_password_is_looked_at(set_rates: SetRates) -> None:
    set_rates(login="3/hour")
    User.objects.create_superuser("alice", password="right")
    barrier = Barrier(8)

    def attempt(_: int) -> int:
        barrier.wait()
        status = log_in("alice", "wrong").status_code
        connections.close_all()
        return status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200] * 3 + [429] * 5


def test_failures_are_logged_without_what_was_typed_by_mistake(
    alice: User, logged: list[tuple[str, Any, str]], caplog: pytest.LogCaptureFixture
) -> None:
    log_in("alice", "hush-hush")
    log_in("my-secret-password", "x")
    statuses(3, "alice", "hush-hush")
    assert logged == [
        ("login_failed", "alice", "10.0.0.1"),
        ("login_failed", None, "10.0.0.1"),
        ("login_failed", "alice", "10.0.0.1"),
        ("login_failed", "alice", "10.0.0.1"),
        ("login_refused", "alice", "10.0.0.1"),
    ]
    everything = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("combine"))
    assert "hush" not in everything
    assert "secret" not in everything


def unlock(*arguments: str) -> str:
    output = StringIO()
    call_command("unlock_login", *arguments, stdout=output)
    return output.getvalue().strip()


def test_staff_can_unlock_an_account_or_an_address(alice: User) -> None:
    for arguments in (["alice"], ["--address", "10.0.0.1"], ["alice", "--address", "10.0.0.1"]):
        statuses(4, "alice", "wrong")
        assert log_in("alice", "right").status_code == 429
        assert unlock("bob") == unlock("alice", "--address", "10.0.0.9") == "Nothing was locked, or counted, for that."
        assert log_in("alice", "right").status_code == 429
        assert unlock(*arguments) == "Unlocked."
        assert log_in("alice", "right").status_code == 302


@pytest.mark.parametrize("arguments", [[], ["--address", "nowhere"]])
def test_unlocking_needs_to_know_whom(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="address"):
        unlock(*arguments)
