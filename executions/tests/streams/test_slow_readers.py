"""Clients that read slowly, or not at all, cost a bounded amount of memory, and nobody else notices them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from executions.models import Execution
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.streams.clients import EventSource, Socket
from executions.tests.streams.histories import cancel, table, tell
from executions.tests.streams.web import HOST, WebProcess, bearer

SIZE = 2_000
HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}


@contextlib.contextmanager
def silent(web: WebProcess, path: str, headers: dict[str, str]) -> Iterator[socket.socket]:
    """Ask for something, and read nothing of it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        client.settimeout(10)
        client.connect((HOST, web.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {web.host}", *(f"{name}: {value}" for name, value in headers.items())]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        yield client


@pytest.mark.parametrize("door", ["events", "socket"])
def test_whoever_reads_nothing_is_shut_out_and_goes_on_by_the_last_id(web: WebProcess, door: str) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    headers = olga if door == "events" else {**olga, **HANDSHAKE, "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="}
    path = f"/api/v1/executions/{execution.pk}/stream" if door == "events" else f"/ws/executions/{execution.pk}"

    with silent(web, path, headers) as silent_one, EventSource(web.host, execution.pk, olga) as good_one:
        frames = good_one.events()
        next(frames)
        slowest = 0.0
        for _ in range(30):
            began = time.monotonic()
            tell(execution, 25, size=SIZE)
            for _ in range(25):
                next(frames)
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 5.0
        got = _read_to_the_end(silent_one)
        assert len(got) < 30 * 25 * SIZE / 2

    ids = [int(part.split(b",")[0]) for part in got.split(b'"seq":')[1:] if part[:4] != b"null" and b"}}" in part]
    assert ids == list(range(1, len(ids) + 1))
    cancel(execution)
    with EventSource(web.host, execution.pk, olga, last_id=len(ids)) as source:
        assert [frame.data for frame in source.events()] == table(execution)[len(ids) :]


def _read_to_the_end(client: socket.socket) -> bytes:
    """Return all that has been sent, up to the end of the answer (which ends no connection) or of the socket.

    A socket whose closing was not answered in time is cut, and then nothing of what it held can be read.
    """
    got = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        client.settimeout(2)
        while not got.endswith(b"0\r\n\r\n") and (data := client.recv(1_000_000)):
            got += data
    return got


def test_many_who_read_nothing_cost_little(web: WebProcess) -> None:
    executions = [start(single(), project=f"p{number}") for number in range(2)]
    olga = bearer(person("olga"))
    process = psutil.Process(web.process.pid)

    with contextlib.ExitStack() as stack:
        for number in range(30):
            path = f"/api/v1/executions/{executions[number % 2].pk}/stream"
            stack.enter_context(silent(web, path, olga))
        _wait_for_streams(web, executions[0], olga)
        before = process.memory_info().rss
        for execution in executions:
            tell(execution, 1_000, size=3 * SIZE)
        time.sleep(1.0)
        # Six megabytes were written in each, fifteen times over.
        assert process.memory_info().rss - before < 60_000_000
        with EventSource(web.host, executions[0].pk, olga, last_id=990) as source:
            assert json.dumps(next(source.events()).data)


def _wait_for_streams(web: WebProcess, execution: Execution, headers: dict[str, str]) -> None:
    """Wait until what was asked for before this is under way."""
    with Socket(web.host, execution.pk, headers) as last:
        last.take(2)
    time.sleep(0.3)
