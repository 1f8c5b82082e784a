"""The web server: the limit on bodies, and its end. A small application of our own stands behind it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from combine.ports import free_port, port_problem
from tests.infra.conftest import python_environment

# /slow answers after 0.7 s, /stream never ends, /broken and /cut fail before and after the answer has begun,
# everything else answers the length of the body it was given.
_SERVER = """
import asyncio, json, sys
from combine.web_server import WebServer

async def application(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        print("at work", flush=True)
        await asyncio.sleep(0.7)
    if scope["path"] == "/broken":
        raise ValueError("secret detail")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/cut":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ValueError("secret detail")
    while scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b"%d" % size})

WebServer(application, host="127.0.0.1", port=int(sys.argv[1])).run()
"""


class Server:
    def __init__(self) -> None:
        self.port = free_port("127.0.0.1")
        command = [sys.executable, "-c", _SERVER, str(self.port)]
        self.process = subprocess.Popen(command, env=python_environment(), stdout=subprocess.PIPE)
        deadline = time.monotonic() + 10
        while port_problem("127.0.0.1", self.port) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def post(self, body: bytes | Iterator[bytes], **headers: str) -> http.client.HTTPResponse:
        connection = self.connect()
        connection.request("POST", "/", body=body, headers=headers, encode_chunked=not isinstance(body, bytes))
        return connection.getresponse()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.kill()
    server.process.communicate()


def test_a_body_over_the_limit_is_refused_and_not_stored(server: Server) -> None:
    assert server.post(b"x" * 2_000_000).read() == b"2000000"

    response = server.post(b"x" * 50_000_000, **{"X-Request-ID": "mine-1"})

    assert response.status == 413
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == "mine-1"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    problem = json.loads(response.read())
    assert (problem["code"], problem["status"], problem["request_id"]) == ("BODY_TOO_LARGE", 413, "mine-1")
    with open(f"/proc/{server.process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 100_000

    chunked = {"Transfer-Encoding": "chunked"}
    assert server.post((b"x" * 100_000 for _ in range(20)), **chunked).read() == b"2000000"
    assert server.post((b"x" * 100_000 for _ in range(21)), **chunked).status == 413
    assert server.post(b"after").read() == b"5"


def test_a_failing_application_is_answered_for_or_cut_every_time(server: Server) -> None:
    connection = server.connect()
    connection.request("GET", "/cut")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()

    connection = server.connect()
    connection.request("GET", "/broken")
    response = connection.getresponse()
    assert response.status == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.read()
    assert json.loads(body)["code"] == "INTERNAL_ERROR"
    assert b"secret detail" not in body


def test_a_stopped_server_finishes_short_requests_and_cuts_streams(server: Server) -> None:
    stream = server.connect()
    stream.request("GET", "/stream")
    assert stream.getresponse().read(4) == b"tick"
    answers: list[bytes] = []

    def ask() -> None:
        connection = server.connect()
        connection.request("GET", "/slow")
        answers.append(connection.getresponse().read())

    asking = threading.Thread(target=ask)
    asking.start()
    assert server.process.stdout is not None
    assert server.process.stdout.readline() == b"at work\n"
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(timeout=5) == 0
    asking.join(timeout=5)
    assert answers == [b"0"]
