"""One request to one receiver, made so that nobody can use it to look into our own network.

The host is resolved once, every address that it leads to is judged, and the connection is made to one of exactly these
(a second look-up could be answered differently). No redirect is followed, no proxy of the environment is used, no
cookie kept, no compressed answer unpacked, and of an answer no more is read than is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from executions.webhooks.addresses import Address, address_problem, host_of, literal_address, url_problem
from executions.webhooks.deliveries import GONE, MAX_KEPT_BODY, Answer

TIMEOUT_SECONDS = 20.0
# The status has come by then; what is said beside it is waited for only so long.
BODY_SECONDS = 2.0
RESOLVER_THREADS = 8
USER_AGENT = "The-Combine-Webhooks/1.0"

# Returns the addresses of a host name. Runs in a thread.
Resolve = Callable[[str], Sequence[Address]]


class Refused(Exception):
    """Nothing was sent, for a reason of ours."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


def resolve_by_system(host: str) -> list[Address]:
    """Return what the system says. :raises OSError: it knows nothing of that name."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]


class Sender:
    """One per worker process, used from one event loop."""

    def __init__(
        self,
        *,
        allow_private: bool,
        resolve: Resolve = resolve_by_system,
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout
        # Not the loop's own threads: a name server that never answers must not keep others from theirs.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-names")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message and say what came of it; whatever goes wrong out there is no exception here."""
        begun = time.monotonic()
        http_status: int | None = None
        text = ""
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._addresses_of(url)
                http_status, text = await self._exchange(url, addresses, headers, body)
        except Exception as error:  # noqa: BLE001 - judged below, and stored
            code, detail = _what_happened(error, self._timeout)
        else:
            code, detail = _meaning(http_status)
        duration = round((time.monotonic() - begun) * 1000)
        return Answer(http_status=http_status, error_code=code, detail=detail, response_body=text, duration_ms=duration)

    async def _addresses_of(self, url: str) -> list[Address]:
        """Return where to connect to. :raises Refused: nothing may be sent there."""
        problem = url_problem(url, allow_private=self._allow_private)
        if problem is not None:
            raise Refused("URL_REFUSED", f"The URL {problem}.")
        host = host_of(urlsplit(url))
        literal = literal_address(host)
        addresses = [literal] if literal is not None else await self._look_up(host)
        # One bad one is enough: which of them is taken would be chance.
        for address in addresses:
            problem = address_problem(address, allow_private=self._allow_private)
            if problem is not None:
                raise Refused("ADDRESS_REFUSED", f"The host {problem}.")
        return addresses

    async def _look_up(self, host: str) -> list[Address]:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, host)
        except (OSError, UnicodeError) as error:
            raise Refused("DNS_FAILED", "The host name could not be resolved.") from error
        if not found:
            raise Refused("DNS_FAILED", "The host name has no address.")
        return list(dict.fromkeys(found))

    async def _exchange(
        self, url: str, addresses: Sequence[Address], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        connector = aiohttp.TCPConnector(
            resolver=_Known(addresses),
            socket_factory=_only_to(addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=self._tls,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session,
            session.post(
                URL(url, encoded=True),
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": USER_AGENT,
                    "Accept-Encoding": "identity",
                    **headers,
                },
                allow_redirects=False,
            ) as response,
        ):
            try:
                return response.status, await _beginning(response)
            finally:
                response.close()  # whatever else it has to say


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Return as much of the answer's body as is kept; its status counts, even if the rest never comes."""
    kept = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(kept) < MAX_KEPT_BODY:
                part = await response.content.read(MAX_KEPT_BODY - len(kept))
                if not part:
                    break
                kept += part
    return kept.decode("utf-8", "replace")


class _Known(AbstractResolver):
    """Answers with what was looked up, and judged, before."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def _only_to(addresses: Sequence[Address]) -> Callable[[Any], socket.socket]:
    """Return a maker of sockets for these addresses alone, whatever somebody makes of the host's text."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = info
        if ipaddress.ip_address(where[0]) not in addresses:
            raise OSError("an address that was not checked")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


def _meaning(http_status: int) -> tuple[str, str]:
    """Return error code and text of a status; both are empty where the message was accepted."""
    if 200 <= http_status < 300:
        return "", ""
    if http_status == GONE:
        return "GONE", "The receiver answered 410 (Gone)."
    if 300 <= http_status < 400:
        return "REDIRECT", f"The receiver answered {http_status}; redirects are not followed."
    return "HTTP_STATUS", f"The receiver answered {http_status}; only 2xx counts as accepted."


def _what_happened(error: Exception, timeout: float) -> tuple[str, str]:
    """Return error code and text. The texts are our own: those of libraries may repeat what they were given."""
    match error:
        case Refused():
            return error.code, str(error)
        case TimeoutError():
            return "TIMEOUT", f"There was no answer within {timeout:g} seconds."
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError() | ssl.SSLError():
            return (
                "TLS_FAILED",
                "The connection could not be secured; is the receiver's certificate valid for its name?",
            )
        case aiohttp.ClientConnectorError() | aiohttp.ClientProxyConnectionError():
            return "CONNECTION_FAILED", "No connection could be made."
        case aiohttp.ClientError() | OSError():
            return "BAD_ANSWER", "The connection broke, or what came was no HTTP."
    raise error
