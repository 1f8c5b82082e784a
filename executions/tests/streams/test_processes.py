"""Several processes, and what may break between them."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pytest_django import Settings

from documents import database
from executions.models import Execution
from executions.streams.timing import Timing
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.pretend_worker import drive
from executions.tests.streams.clients import EventSource, Received, Socket
from executions.tests.streams.histories import table, tell
from executions.tests.streams.web import RedisProcess, ThreadedServer, WebProcess, bearer, ended

_LISTENERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'combine listener' AND state = 'idle' AND query ~ 'access'
"""
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'combine listener'
"""


def wait_until_listening() -> None:
    """Wait until a web process listens, to the last of its channels too."""
    deadline = time.monotonic() + 60
    while database.rows(_LISTENERS)[0][0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def soonest(readers: Sequence[Iterator[Received]], execution: Execution) -> float:
    """Have events told, each as soon as all readers have the one before; return the shortest time that one took.

    A busy machine makes any of them late, but not all. What is only found by looking takes its whole time after an
    event that was just found: so the first, which may happen to be looked for at once, does not count.
    """
    taken = []
    for _ in range(6):
        began = time.monotonic()
        tell(execution, 1)
        first, *others = [next(reader).data for reader in readers]
        assert all(other == first for other in others)
        taken.append(time.monotonic() - began)
    return min(taken[1:])


def test_a_listener_that_loses_its_connection_delays_events_and_loses_none(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))

    with EventSource(web.host, execution.pk, olga) as source:
        frames = source.events()
        next(frames)
        wait_until_listening()
        database.rows(_TERMINATE)
        began = time.monotonic()
        tell(execution, 1)
        assert next(frames).id == "2"
        assert time.monotonic() - began < 1.0
        wait_until_listening()
        assert soonest([frames], execution) < 0.5
        drive(execution)
        rest = [frame.data for frame in frames]

    assert rest == table(execution)[8:]


def test_two_processes_and_redis_and_no_redis(tmp_path: Path, settings: Settings, transactional_db: None) -> None:
    redis = RedisProcess()
    settings.REDIS_URL = redis.url
    other = WebProcess(tmp_path / "log", REDIS_URL=redis.url)
    with ended(redis, other), ThreadedServer(Timing()) as one:
        execution, olga = start(single()), bearer(person("olga"))
        with EventSource(one.host, execution.pk, olga) as here, EventSource(other.host, execution.pk, olga) as there:
            frames, others = here.events(), there.events()
            assert next(frames).data == next(others).data
            assert soonest([frames, others], execution) < 0.5
            redis.stop()
            assert soonest([frames, others], execution) < 2.5
            _cancel_by_api(other, execution.pk, olga)
            assert [frame.event for frame in others] == ["execution_cancelled"]
            assert [frame.event for frame in frames] == ["execution_cancelled"]
        assert "Traceback" not in other.log.read_text()


def _cancel_by_api(web: WebProcess, execution_id: object, headers: dict[str, str]) -> None:
    caller = http.client.HTTPConnection(web.host, timeout=30)
    path = f"/api/v1/executions/{execution_id}/cancel"
    caller.request("POST", path, body="{}", headers={**headers, "Content-Type": "application/json"})
    assert caller.getresponse().status == 200
    caller.close()


@pytest.mark.usefixtures("transactional_db")
def test_a_server_that_is_stopped_ends_its_streams_in_order(tmp_path: Path) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    web = WebProcess(tmp_path / "log")
    with ended(web):
        with EventSource(web.host, execution.pk, olga) as source, Socket(web.host, execution.pk, olga) as socket:
            frames, messages = source.events(), socket.frames()
            assert (next(frames).id, next(messages)["seq"], next(messages)["seq"]) == ("1", None, 1)
            began = time.monotonic()
            web.process.send_signal(signal.SIGTERM)
            # Neither is cut off: the answer ends as answers do, and the socket is told why.
            assert list(frames) == []
            assert list(messages) == []
            assert socket.code == 1012
            assert web.process.wait(5) == 0
            assert time.monotonic() - began < 3
        assert web.log.read_text() == ""
