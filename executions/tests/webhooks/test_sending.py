"""One request: to the address that was checked and no other, never longer, never larger than we say."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import pytest_asyncio

from executions.tests.webhooks.certificates import tls_for
from executions.tests.webhooks.receiver import Receiver, Reply
from executions.webhooks.addresses import Address
from executions.webhooks.sending import Sender, _only_to

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = ipaddress.ip_address("93.184.216.34")
METADATA = ipaddress.ip_address("169.254.169.254")
HEADERS = {"webhook-id": "m1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}


class Names:
    """A name server that gives other answers each time; the last one stays."""

    def __init__(self, *answers: Sequence[Address]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[Sender]:
    made = Sender(allow_private=True, timeout=5.0)
    yield made
    made.close()


async def test_a_message_arrives_as_it_was_given(sender: Sender) -> None:
    with Receiver(Reply(status=202, body=b"thanks")) as receiver:
        answer = await sender.post(receiver.url + "?a=%2F&b=[1]", headers=HEADERS, body=b'{"a":1}')
    assert (answer.http_status, answer.error_code, answer.response_body) == (202, "", "thanks")
    assert answer.is_accepted
    (received,) = receiver.received
    assert received.path == "/hook?a=%2F&b=[1]"
    assert received.body == b'{"a":1}'
    assert received.headers.items() >= HEADERS.items()
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert set(received.headers) - set(HEADERS) <= {
        "host", "content-type", "content-length", "user-agent", "accept", "accept-encoding", "connection",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, ""), (204, ""), (299, ""), (304, "REDIRECT"), (400, "HTTP_STATUS"), (404, "HTTP_STATUS"),
     (410, "GONE"), (429, "HTTP_STATUS"), (500, "HTTP_STATUS"), (503, "HTTP_STATUS")],
)  # fmt: skip
async def test_only_2xx_is_accepted(sender: Sender, status: int, code: str) -> None:
    with Receiver(Reply(status=status)) as receiver:
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
    assert (answer.http_status, answer.error_code) == (status, code)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_wherever_it_leads(sender: Sender, status: int) -> None:
    with Receiver() as inward, Receiver(Reply(status=status, headers={"Location": inward.url})) as receiver:
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
    assert (answer.http_status, answer.error_code) == (status, "REDIRECT")
    assert inward.received == []


async def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_connected_to() -> None:
    """A name server that answers with a good address when it is checked, and with a bad one after that."""
    names = Names([LOOPBACK], [METADATA])
    sender = Sender(allow_private=True, resolve=names, timeout=5.0)
    with Receiver() as receiver:
        url = f"http://hooks.example.org:{receiver.port}/hook"
        first = await sender.post(url, headers={}, body=b"{}")
        assert first.is_accepted
        assert receiver.received[0].headers["host"] == f"hooks.example.org:{receiver.port}"
        assert names.asked == ["hooks.example.org"]
        second = await sender.post(url, headers={}, body=b"{}")
        assert (second.http_status, second.error_code) == (None, "ADDRESS_REFUSED")
        assert len(receiver.received) == 1
    sender.close()


@pytest.mark.parametrize(
    "answer", [[LOOPBACK], [PUBLIC, LOOPBACK], [ipaddress.ip_address("::ffff:7f00:1")], [METADATA]]
)
async def test_a_name_that_leads_inward_is_refused_even_if_only_one_of_its_addresses_does(
    answer: list[Address],
) -> None:
    sender = Sender(allow_private=False, resolve=Names(answer))
    result = await sender.post("https://hooks.example.org/", headers={}, body=b"{}")
    assert (result.http_status, result.error_code) == (None, "ADDRESS_REFUSED")
    assert not any(str(address) in result.detail for address in answer)
    sender.close()


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "[::ffff:7f00:1]", "169.254.169.254", "127.0.0.1", "localhost"]
)
async def test_the_system_is_not_even_asked_about_a_host_that_is_an_address_inside(host: str) -> None:
    names = Names([PUBLIC])
    sender = Sender(allow_private=False, resolve=names)
    with Receiver() as receiver:
        for scheme in ("https", "http"):
            result = await sender.post(f"{scheme}://{host}:{receiver.port}/", headers={}, body=b"{}")
            assert result.error_code == "URL_REFUSED"
    assert (names.asked, receiver.received) == ([], [])
    sender.close()


async def test_the_systems_own_look_up_finds_what_is_here() -> None:
    sender = Sender(allow_private=True, timeout=5.0)
    with Receiver() as receiver:
        result = await sender.post(f"http://localhost:{receiver.port}/", headers={}, body=b"{}")
    assert result.is_accepted
    sender.close()


async def test_a_name_that_nobody_knows_is_an_answer_and_no_exception() -> None:
    def unknown(host: str) -> list[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    for names in (unknown, Names([])):
        sender = Sender(allow_private=False, resolve=names)
        assert (await sender.post("https://example.org/", headers={}, body=b"")).error_code == "DNS_FAILED"
        sender.close()


async def test_a_proxy_of_the_environment_is_not_used(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await sender.post(receiver.url, headers={}, body=b"{}")).is_accepted
        assert (len(proxy.received), len(receiver.received)) == (0, 1)


async def test_cookies_are_not_kept(sender: Sender) -> None:
    with Receiver(default=Reply(headers={"Set-Cookie": "a=b; Path=/"})) as receiver:
        for _ in range(2):
            await sender.post(receiver.url, headers={}, body=b"{}")
    assert "cookie" not in receiver.received[1].headers


async def test_a_server_that_never_answers_is_left_after_the_time_allowed() -> None:
    sender = Sender(allow_private=True, timeout=0.3)
    with Receiver(Reply(act=lambda _: receiver.is_closing.wait(60))) as receiver:
        begun = time.monotonic()
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
        assert time.monotonic() - begun < 2
    assert (answer.http_status, answer.error_code) == (None, "TIMEOUT")
    assert answer.duration_ms >= 300
    sender.close()


async def test_a_name_server_that_never_answers_is_left_too() -> None:
    is_over = threading.Event()

    def slow(host: str) -> list[Address]:
        is_over.wait(60)
        return []

    sender = Sender(allow_private=False, resolve=slow, timeout=0.2)
    assert (await sender.post("https://example.org/", headers={}, body=b"{}")).error_code == "TIMEOUT"
    is_over.set()
    sender.close()


def gigabyte(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        handler.wfile.write(b"x" * 1_000_000)


def endless_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        handler.wfile.write(b"X-%d: %s\r\n" % (number, b"y" * 1000))


def endless_line(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 ")
    for _ in range(1000):
        handler.wfile.write(b"z" * 1_000_000)


@pytest.mark.parametrize(
    ("act", "code", "body"),
    [(gigabyte, "", "x" * 1024), (endless_headers, "BAD_ANSWER", ""), (endless_line, "BAD_ANSWER", "")],
)
async def test_of_an_endless_answer_no_more_is_read_than_is_kept(
    sender: Sender, act: Callable[[BaseHTTPRequestHandler], None], code: str, body: str
) -> None:
    with Receiver(Reply(act=act)) as receiver:
        await sender.post("http://127.0.0.1:9/", headers={}, body=b"{}")  # whatever is imported late
        tracemalloc.start()
        try:
            answer = await sender.post(receiver.url, headers={}, body=b"{}")
            assert tracemalloc.get_traced_memory()[1] < 4_000_000 + 2 * 1_000_000  # the server's own parts are in it
        finally:
            tracemalloc.stop()
    assert (answer.error_code, answer.response_body) == (code, body)


async def test_a_body_that_never_ends_does_not_undo_the_status(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthanks")
        receiver.is_closing.wait(60)

    monkeypatch.setattr("executions.webhooks.sending.BODY_SECONDS", 0.1)
    with Receiver(Reply(act=trickle)) as receiver:
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
    assert (answer.http_status, answer.error_code, answer.response_body) == (200, "", "thanks")


async def test_a_compressed_answer_is_not_unpacked(sender: Sender) -> None:
    packed = gzip.compress(b"0" * 10_000_000)
    with Receiver(Reply(status=200, headers={"Content-Encoding": "gzip"}, body=packed)) as receiver:
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
    assert answer.is_accepted
    assert len(answer.response_body) <= 1024
    assert "000" not in answer.response_body


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200"])
async def test_what_is_no_http_is_an_answer_and_no_exception(sender: Sender, said: bytes) -> None:
    with Receiver(Reply(act=lambda handler: handler.wfile.write(said))) as receiver:
        answer = await sender.post(receiver.url, headers={}, body=b"{}")
    assert (answer.http_status, answer.error_code) == (None, "BAD_ANSWER")


async def test_where_nobody_listens_is_an_answer_and_no_exception(sender: Sender) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = await sender.post(f"http://127.0.0.1:{taken.getsockname()[1]}/", headers={}, body=b"{}")
    assert (answer.http_status, answer.error_code) == (None, "CONNECTION_FAILED")


async def test_a_certificate_is_checked_for_the_urls_name_and_not_for_the_address(tmp_path: Path) -> None:
    server, client = tls_for("hooks.example.org", tmp_path)
    with Receiver(tls=server) as receiver:
        trusting = Sender(allow_private=True, resolve=Names([LOOPBACK]), tls=client, timeout=5.0)
        answer = await trusting.post(f"https://hooks.example.org:{receiver.port}/", headers={}, body=b"{}")
        assert answer.is_accepted
        other = await trusting.post(f"https://other.example.org:{receiver.port}/", headers={}, body=b"{}")
        assert (other.http_status, other.error_code) == (None, "TLS_FAILED")
        trusting.close()
        strict = Sender(allow_private=True, resolve=Names([LOOPBACK]), timeout=5.0)
        unknown = await strict.post(f"https://hooks.example.org:{receiver.port}/", headers={}, body=b"{}")
        assert unknown.error_code == "TLS_FAILED"
        strict.close()
        assert len(receiver.received) == 1


def test_a_socket_is_made_for_checked_addresses_alone() -> None:
    """Whatever a library makes of a host's text, this is where it would have to connect."""
    make = _only_to([LOOPBACK])
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    make((*info, ("127.0.0.1", 80))).close()
    with pytest.raises(OSError, match="not checked"):
        make((*info, ("127.0.0.2", 80)))
