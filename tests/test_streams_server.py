"""The web server under applications that send more than their clients read."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from combine.ports import free_port, port_problem
from tests.infra.conftest import python_environment

# Sends chunks without end (or, for /large, a large body) and says how many it has got rid of; says "left" when it is
# told that the client has.
_SERVER = """
import asyncio, sys
from combine import write_flow
from combine.web_server import WebServer

write_flow.STALL_SECONDS = 1.0

async def application(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/large":
        await send({"type": "http.response.body", "body": b"x" * 3_000_000})
        return
    sending = asyncio.create_task(pour(send))
    while (await receive())["type"] != "http.disconnect":
        pass
    sending.cancel()
    print("left", flush=True)

async def pour(send):
    for number in range(10_000):
        await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
        print(number, flush=True)
        await asyncio.sleep(0)

WebServer(application, host="127.0.0.1", port=int(sys.argv[1])).run()
"""


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port("127.0.0.1")
    command = [sys.executable, "-c", _SERVER, str(port)]
    process = subprocess.Popen(command, env=python_environment(), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while port_problem("127.0.0.1", port) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process, port
    process.kill()
    process.communicate()


def _client(port: int) -> socket.socket:
    """A connection whose receive buffer does not grow: left to the kernel it may take tens of megabytes unread."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client


def test_who_sends_waits_for_who_reads_and_a_client_that_takes_nothing_is_cut_off(
    server: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = server
    before = psutil.Process(process.pid).memory_info().rss
    with _client(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got = 0
        while got < 3_000_000:  # as long as it reads, it gets more
            got += len(client.recv(1_000_000))
        assert process.stdout is not None
        lines = []
        while (line := process.stdout.readline().strip()) != "left":
            lines.append(int(line))
        grown = psutil.Process(process.pid).memory_info().rss - before
    # What was sent beyond that stands in the server's half of the kernel's buffers.
    assert lines[-1] * 50_000 < got + 15_000_000
    assert grown < 10_000_000


def test_a_client_that_takes_its_time_gets_all_of_a_large_answer(server: tuple[subprocess.Popen[str], int]) -> None:
    _, port = server
    with _client(port) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got, began = 0, time.monotonic()
        while data := client.recv(40_000):
            got += len(data)
            time.sleep(0.04)
    assert got > 3_000_000
    assert time.monotonic() - began > 2.5
