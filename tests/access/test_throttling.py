"""How often the API may be called."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.test import Client
from knox.models import AuthToken
from pytest_django import Settings
from rest_framework.test import APIClient

from combine.api.tests.test_problems import is_problem
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import single, stored
from tests.access.conftest import SetRates
from tests.access.test_rates import pass_time

URL = "/api/v1/executions"
UNKNOWN = UUID("3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11")


def with_token(name: str) -> APIClient:
    """Return a client with a new token of somebody."""
    _, token = AuthToken.objects.create(person(name))
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def with_session(name: str) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(name))
    return client


def statuses(client: Client, number: int, url: str = URL, **extra: Any) -> list[int]:
    return [client.get(url, **extra).status_code for _ in range(number)]


def test_an_account_has_one_rate_whatever_it_calls_with(set_rates: SetRates) -> None:
    set_rates(user="4/min")
    clients: list[Client] = [with_token("olga"), with_token("olga"), with_session("olga")]
    assert [client.get(URL).status_code for client in clients] == [200, 200, 200]
    answers = [client.get(URL) for client in clients]
    assert [answer.status_code for answer in answers] == [200, 429, 429]

    problem = is_problem(answers[2], 429, "RATE_LIMITED")
    assert problem["detail"] == "The limit of 4 per minute for requests is used up; try again in 15 s."
    assert answers[2]["Retry-After"] == "15"
    assert answers[2]["RateLimit-Policy"] == '"default";q=4;w=60'
    assert answers[2]["RateLimit"] == '"default";r=0;t=60'
    assert statuses(with_token("ed"), 1) == [200]


def test_after_the_time_that_was_told_a_call_is_taken_again(set_rates: SetRates) -> None:
    set_rates(user="2/min")
    client = with_token("olga")
    assert statuses(client, 3) == [200, 200, 429]
    pass_time(seconds=int(client.get(URL)["Retry-After"]))
    assert statuses(client, 2) == [200, 429]


def test_one_token_cannot_use_up_what_its_owners_others_share(set_rates: SetRates) -> None:
    set_rates(user="5/min", token="3/min")
    greedy, modest = with_token("olga"), with_token("olga")
    first = greedy.get(URL)
    assert first["RateLimit-Policy"] == '"default";q=5;w=60, "token";q=3;w=60'
    assert first["RateLimit"] == '"default";r=4;t=12, "token";r=2;t=20'
    assert statuses(greedy, 10) == [200, 200, *[429] * 8]
    assert statuses(modest, 3) == [200, 200, 429]
    assert "with one token" in greedy.get(URL).json()["detail"]
    assert "for requests is" in modest.get(URL).json()["detail"]


def test_starts_have_a_rate_of_their_own(set_rates: SetRates) -> None:
    set_rates(user="100/min", start="2/min")
    stored(single())
    client = with_token("olga")
    url = "/api/v1/workflows/test/start"
    answers = [client.post(url, {"project_id": "apollo"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[0]["RateLimit-Policy"] == '"default";q=100;w=60, "start";q=2;w=60'
    assert "starts" in answers[2].json()["detail"]
    # What only looks, or starts nothing, is not meant.
    assert client.get("/api/v1/workflows/test").status_code == 200
    assert client.get(url).status_code == 405


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (URL, 401),
        (f"{URL}/{UNKNOWN}", 401),
        ("/api/v1/workflows/test/start", 401),
        ("/api/v1/nothing", 404),
        ("/api", 404),
    ],
)
def test_who_does_not_log_in_is_counted_by_address(set_rates: SetRates, path: str, status: int) -> None:
    set_rates(anon="3/min")
    answers = [Client().get(path, REMOTE_ADDR="10.0.0.1") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [status, status, status, 429]
    assert answers[0]["RateLimit"] == '"default";r=2;t=20'
    is_problem(answers[3], 429, "RATE_LIMITED")
    assert statuses(Client(), 1, path, REMOTE_ADDR="10.0.0.2") == [status]
    # Who is logged in is not held up by a stranger behind the same address.
    assert with_session("olga").get(URL, REMOTE_ADDR="10.0.0.1").status_code == 200


@pytest.mark.parametrize(("proxies", "last"), [(0, 429), (1, 401)])
def test_an_address_that_was_forwarded_counts_only_from_our_own_proxies(
    set_rates: SetRates, settings: Settings, proxies: int, last: int
) -> None:
    set_rates(anon="2/min")
    settings.COMBINE_PROXIES = proxies
    found = [
        Client().get(URL, REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": f"1.1.1.{number}"}).status_code
        for number in range(3)
    ]
    assert found == [401, 401, last]


def test_every_answer_says_where_the_caller_stands(set_rates: SetRates) -> None:
    set_rates(user="100/min", token="50/min")
    client = with_token("olga")
    for method, path in [
        ("GET", URL),
        ("GET", f"{URL}/{UNKNOWN}"),
        ("GET", f"{URL}?x=1"),
        ("GET", "/api/v1/nothing"),
        ("DELETE", URL),
        ("OPTIONS", URL),
        ("HEAD", URL),
        ("POST", f"{URL}/{UNKNOWN}/cancel"),
    ]:
        answer = client.generic(method, path)
        assert re.fullmatch(r'"default";q=100;w=60, "token";q=50;w=60', answer["RateLimit-Policy"])
        assert re.fullmatch(r'"default";r=\d+;t=\d+, "token";r=\d+;t=\d+', answer["RateLimit"])


def test_probes_and_pages_are_not_throttled(set_rates: SetRates) -> None:
    set_rates(anon="1/min")
    for path in ("/livez", "/readyz", "/admin/login/"):
        assert statuses(Client(), 3, path) == [200, 200, 200]
        assert "RateLimit" not in Client().get(path)


def test_without_rates_nothing_is_counted_or_said(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/api/v1/nothing")
    assert "RateLimit" not in answer
    assert "RateLimit-Policy" not in answer


def test_wrong_tokens_are_counted_by_address_and_the_right_one_works_on(set_rates: SetRates) -> None:
    set_rates(anon="100/min", login="3/hour")
    right = with_token("olga")
    guesses = [
        APIClient(headers={"Authorization": f"Bearer cmb_{number:064}"}).get(URL).status_code for number in range(5)
    ]
    assert guesses == [401, 401, 401, 429, 429]
    answer = APIClient(headers={"Authorization": f"Bearer cmb_{9:064}"}).get(URL)
    assert "wrong tokens" in is_problem(answer, 429, "RATE_LIMITED")["detail"]
    assert answer["Retry-After"] == "1200"
    assert statuses(right, 2) == [200, 200]
    # What is no token at all is no guess, only a request without one.
    assert statuses(APIClient(headers={"Authorization": "Basic b2xnYTpwdw=="}), 3) == [401, 401, 401]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_503(set_rates: SetRates) -> None:
    set_rates(anon="100/min")
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    answer = Client().get(URL)
    is_problem(answer, 503, "UNAVAILABLE")
    assert answer["Retry-After"] == "2"
    connection.close()  # as Django does between requests
    assert Client().get(URL).status_code == 401


def test_a_session_key_that_cannot_be_looked_up_is_no_500(set_rates: SetRates) -> None:
    set_rates(anon="100/min", user="100/min")
    answer = Client(headers={"Cookie": 'sessionid="abcdefgh\\000ijk"'}).get(URL)
    assert answer.status_code in (400, 401)
