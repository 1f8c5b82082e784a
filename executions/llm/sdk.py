"""The official SDK, set up for us: the only module that imports it, as that takes a second.

The SDK sends and authenticates; its retries are off (the step's policy retries), its stream objects are
not used (``stream.py`` reads the body), its exceptions end here.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
import anthropic
import httpx2

from executions.llm.classify import error_from_status
from executions.llm.errors import ConnectionFailed, ProxyGarbage
from executions.llm.values import CallProgress, ModelRequest

_MAX_CONNECTIONS = 2_000
_KEEPALIVE_SECONDS = 15.0
# At their lower levels these log whole requests, or a line per call.
_TALKATIVE_LOGGERS = ("anthropic", "httpx2", "httpcore2")
_CONNECT_ERRORS = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, httpx2.UnsupportedProtocol)

# What was said to a model, and by it, stays out of traces, whatever the environment says; and our ids stay with us.
_TRACED: anthropic.OpenTelemetryOptions = {
    "traces": {"enabled": True, "content_mode": "metadata_only"},
    "propagation": False,
}


class ModelConnection:
    """The SDK's client and its pool of connections; belongs to the event loop that uses it first."""

    def __init__(self, *, base_url: str | None, api_key: str, connect_seconds: float, is_traced: bool) -> None:
        for name in _TALKATIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._api_key = api_key
        self._sdk = anthropic.AsyncAnthropic(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            open_telemetry=_TRACED if is_traced else False,
            http_client=anthropic.DefaultAioHttpClient(
                # Our own clock watches reads: pings would reset this one, and it costs a timer per read.
                timeout=httpx2.Timeout(None, connect=connect_seconds),
                limits=httpx2.Limits(
                    max_connections=_MAX_CONNECTIONS,
                    max_keepalive_connections=_MAX_CONNECTIONS,
                    keepalive_expiry=_KEEPALIVE_SECONDS,
                ),
                follow_redirects=False,  # the key goes to the address that was configured, nowhere else
                trust_env=not _is_loopback(base_url),
            ),
        )

    async def stream(self, request: ModelRequest, progress: CallProgress, take: Callable[[bytes], None]) -> None:
        """Send ``request`` and hand the body of the answer to ``take``, piece by piece, to its end.

        :raises LLMError: if there is no such answer, or it breaks off; whatever ``take`` raises.
        """
        progress.was_sent = True
        try:
            async with self._sdk.messages.with_streaming_response.create(
                **request.to_api_kwargs(), stream=True
            ) as response:
                progress.request_id = response.headers.get("request-id")
                _require_event_stream(response.headers, progress)
                async for data in response.iter_bytes():
                    take(data)
        except anthropic.APIStatusError as error:
            raise error_from_status(
                status=error.status_code,
                body=error.body,
                headers=error.response.headers,
                progress=progress,
                secret=self._api_key,
            ) from None
        except anthropic.APIConnectionError as error:
            _raise_connection_failed(error, progress)
        except (anthropic.AnthropicError, httpx2.DecodingError) as error:
            raise ProxyGarbage(f"the answer is not the API's ({type(error).__name__})", progress=progress) from None
        except (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed(
                f"the connection to the model broke ({type(error).__name__})", progress=progress
            ) from None

    async def aclose(self) -> None:
        await self._sdk.close()


def _require_event_stream(headers: Any, progress: CallProgress) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise ProxyGarbage("the answer with status 200 is no event stream", progress=progress, status_code=200)


def _raise_connection_failed(error: anthropic.APIConnectionError, progress: CallProgress) -> NoReturn:
    """Name the cause by its class only: its words may hold addresses or, for a bad header, the key."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
        if isinstance(cause, _CONNECT_ERRORS):
            progress.was_sent = False
            break
    raise ConnectionFailed(f"no connection to the model ({type(cause).__name__})", progress=progress) from None


def _is_loopback(base_url: str | None) -> bool:
    """Whether the server is on this machine: a proxy from the environment is then of no use."""
    host = urlsplit(base_url or "").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
