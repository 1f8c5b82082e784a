"""Idempotency-Key under real commits: twenty at once, a request that takes long, a process that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from knox.models import AuthToken
from rest_framework.test import APIClient

import executions
from executions.models import Execution, IdempotencyKey, Project
from executions.tests import invariants
from executions.tests.driving import drive
from executions.tests.engine_cast import events, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single, stored
from executions.transitions.unit import lock

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

URL = "/api/v1/workflows/test/start"
ROOT = Path(executions.__file__).parent.parent
MANY = 20

# Another process of the site, as far as it matters here: it takes one request, and dies at a fault point.
REQUEST = """
import json, os, sys
from django.conf import settings
name, token, key, url, body, faults = sys.argv[1:]
settings.DATABASES["default"]["NAME"] = name
os.environ["COMBINE_FAULTPOINTS"] = faults
import django
django.setup()
from rest_framework.test import APIClient
client = APIClient(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key})
print(client.post(url, json.loads(body)).content)
"""


@pytest.fixture(autouse=True)
def _promises() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    yield
    invariants.check()


@pytest.fixture
def token() -> str:
    return str(AuthToken.objects.create(person("olga"))[1])


def post(token: str, key: str, url: str, body: Any, **headers: str) -> Any:
    client = APIClient(headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key})
    return client.post(url, body, headers=headers)


def together(count: int, act: Any) -> list[Any]:
    """Have as many threads do something at the same moment, each on a connection of its own."""
    barrier = Barrier(count)

    def one(number: int) -> Any:
        connection.ensure_connection()
        barrier.wait(60)
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_twenty_starts_at_once_with_one_key_make_one_execution(token: str) -> None:
    stored(single())
    key = str(uuid4())
    answers = together(MANY, lambda _: post(token, key, URL, {"project_id": "apollo"}))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert Execution.objects.count() == 1
    firsts = [each for each in answers if each.status_code == 201 and "Idempotency-Replayed" not in each]
    assert len(firsts) == 1
    assert {each.content for each in answers if each.status_code == 201} == {firsts[0].content}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "IDEMPOTENCY_IN_FLIGHT"
            assert answer["Retry-After"] == "1"
    assert post(token, key, URL, {"project_id": "apollo"}).content == firsts[0].content


def test_starts_with_keys_of_their_own_do_not_wait_for_each_other_and_all_begin(token: str) -> None:
    stored(single())
    answers = together(MANY, lambda number: post(token, f"key-{number}", URL, {"project_id": "apollo"}))
    assert [answer.status_code for answer in answers] == [201] * MANY
    assert Execution.objects.count() == IdempotencyKey.objects.count() == MANY


def test_while_the_first_request_takes_long_the_second_is_told_at_once(token: str) -> None:
    execution = start(single())
    url = f"/api/v1/executions/{execution.pk}/cancel"
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            lock(execution.pk)  # somebody is at work on it

            def first() -> Any:
                try:
                    return post(token, "one", url, {})
                finally:
                    connections.close_all()

            waiting = threads.submit(first)
            _wait_for_a_waiting_statement()
            second = post(token, "one", url, {})
            assert (second.status_code, second.json()["code"]) == (409, "IDEMPOTENCY_IN_FLIGHT")
            assert not waiting.done()
        assert waiting.result(60).status_code == 200
    third = post(token, "one", url, {})
    assert (third.status_code, third["Idempotency-Replayed"]) == (200, "true")
    assert len(events(execution, "execution_cancelled")) == 1


def _wait_for_a_waiting_statement() -> None:
    with connection.cursor() as cursor:
        for _ in range(500):
            # Within a transaction the list of connections is read once: one made later would never be in it.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*), pg_sleep(0.01) FROM pg_locks"
                " JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize(("point", "is_done"), [("answer_kept", False), ("answer_committed", True)])
def test_a_process_killed_in_mid_request_leaves_all_or_nothing_and_no_blocked_key(
    token: str, point: str, is_done: bool
) -> None:
    stored(single())
    body = {"project_id": "apollo", "initial_context": {"goal": "moon"}}
    name = connection.settings_dict["NAME"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "combine.test_settings"}
    died = subprocess.run(
        [sys.executable, "-c", REQUEST, name, token, "one", URL, json.dumps(body), f"{point}=kill"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert Execution.objects.count() == Project.objects.count() == IdempotencyKey.objects.count() == int(is_done)

    answer = post(token, "one", URL, body)
    assert answer.status_code == 201
    assert answer.get("Idempotency-Replayed") == ("true" if is_done else None)
    assert Execution.objects.get().pk.hex == answer.json()["execution_id"].replace("-", "")


def test_of_two_decisions_on_what_was_seen_one_is_made_and_the_other_is_told_that_it_is_stale() -> None:
    """Both have read the same gate, with a quorum of two: the second has not seen the first one's decision."""
    tokens = [str(AuthToken.objects.create(person(name))[1]) for name in ("ed", "eva")]
    for _ in range(5):
        execution = start(reviewed("editor", quorum=2))
        drive(execution)
        gate = open_gate(execution)
        url = f"/api/v1/executions/{execution.pk}/acceptance"
        tags = [_client(each).get(f"/api/v1/gates/{gate.pk}")["ETag"] for each in tokens]
        answers = together(2, partial(_accept, tokens, url, tags))
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert gate.decisions.count() == 1


def _accept(tokens: list[str], url: str, tags: list[str], number: int) -> Any:
    return _client(tokens[number]).post(url, {"decision": "accept"}, headers={"If-Match": tags[number]})


def _client(token: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {token}"})
