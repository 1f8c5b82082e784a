"""What only shows over a real socket, before a real server: bodies without end, broken HTTP, several processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from knox.models import AuthToken

from executions.tests.engine_cast import person
from tests.hostile.corpus import complaint, entries, text_of
from tests.hostile.web_process import WebProcess, read_answer

HEAD = b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
MEGABYTE = b"x" * 1_000_000


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[list[WebProcess]]:
    """Two web processes that begin at once; who is not logged in may call as often as they like."""
    home = tmp_path_factory.mktemp("web")
    started = [WebProcess(home, COMBINE_THROTTLE="anon=off,user=20/day,token=off") for _ in range(2)]
    with started[0], started[1]:
        yield started


@pytest.fixture
def web(webs: list[WebProcess]) -> WebProcess:
    return webs[0]


def test_what_is_not_even_http_is_answered_as_everything_else(web: WebProcess) -> None:
    complaints = []
    for entry in entries("raw"):
        try:
            found = complaint(entry, web.exchange(text_of(entry["raw"]).encode("latin-1")), limit=5)
        except (OSError, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
        if found is not None:
            complaints.append(f"{entry['name']}: {found}")
    assert not complaints, "\n".join(complaints)
    assert web.get("/livez").status == 200
    log = web.log.read_text()
    assert "action=bad_request error=DisallowedHost" in log
    assert "Traceback" not in log
    assert "ERROR" not in log


@pytest.mark.parametrize("is_chunked", [False, True])
def test_300_megabytes_are_refused_at_once_and_kept_nowhere(web: WebProcess, is_chunked: bool) -> None:
    memory, written = web.peak_memory(), web.written()
    begun = time.monotonic()
    with web.connect() as connection:
        if is_chunked:
            chunk = b"f4240\r\n" + MEGABYTE + b"\r\n"
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk)
        else:
            chunk = MEGABYTE
            connection.sendall(HEAD + b"Content-Length: 300000000\r\n\r\n")
        answer = read_answer(connection, begun)
        assert (answer.status, answer.content_type) == (413, "application/problem+json")
        assert answer.seconds < 5
        # A client that does not listen sends on. It is read, and thrown away.
        for _ in range(290):
            connection.sendall(chunk)
    assert web.get("/livez").seconds < 5
    assert web.peak_memory() - memory < 20_000_000
    assert web.written() - written < 4_000_000


def test_slow_bodies_hold_nobody_up(web: WebProcess) -> None:
    body = b'{"project_id": "slow"}'
    begun = time.monotonic()
    waiting = [web.connect() for _ in range(100)]
    for connection in waiting:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n{" % len(body))
    slow = waiting[0]
    for position in range(1, len(body)):
        slow.sendall(body[position : position + 1])
        time.sleep(0.02)
    answer = read_answer(slow, begun)
    assert answer.status == 401
    assert web.get("/api/v1/executions").seconds < 5
    for connection in waiting:
        connection.close()
    assert web.get("/livez").status == 200


def test_a_client_that_leaves_in_mid_body_is_forgotten(web: WebProcess) -> None:
    for length in (10, 1_900_000, 300_000_000):
        with web.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n{" % length)
    assert web.get("/livez").status == 200


@pytest.mark.django_db(transaction=True)
def test_all_web_processes_count_together(webs: list[WebProcess]) -> None:
    _, token = AuthToken.objects.create(person("olga"))

    def call(number: int) -> int:
        return webs[number % 2].get("/api/v1/executions", Authorization=f"Bearer {token}").status

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(call, range(30)))
    assert statuses == [200] * 20 + [429] * 10
