"""Every row of the error table, played by a real server: its class, its code, and who may try again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from executions.llm.classify import retry_after_seconds
from executions.llm.client import CallLimits, ModelClient
from executions.llm.errors import (
    AuthFailed,
    BadRequest,
    ConnectionFailed,
    DeadlineExceeded,
    LLMError,
    OutputTooLarge,
    Overloaded,
    ProtocolError,
    ProviderUnavailable,
    ProxyGarbage,
    QuotaExhausted,
    RateLimited,
    Stalled,
    Truncated,
)
from executions.llm.offline import sse
from executions.llm.offline.replies import Reply
from executions.llm.offline.scripted import ScriptedModel
from executions.llm.tests.builders import model_request
from executions.llm.tests.conftest import API_KEY
from executions.llm.values import CallProgress

SPEND_LIMIT = "enforced_spend_limit_reached"
CONTRACT_LIMIT = "contract_spend_limit_reached"

# What the server does: error, its class, the failed execution's code, whether another try may help.
TABLE = [
    (Reply(fault="status:429", retry_after="7"), RateLimited, "rate", "PROVIDER_ERROR", True),
    (Reply(fault="status:429", error_code=SPEND_LIMIT), QuotaExhausted, "quota", "PROVIDER_QUOTA", False),
    (
        Reply(fault="status:429", error_code=CONTRACT_LIMIT),
        QuotaExhausted,
        "quota",
        "PROVIDER_QUOTA",
        False,
    ),
    (Reply(fault="status:402", error_type="billing_error"), QuotaExhausted, "quota", "PROVIDER_QUOTA", False),
    (Reply(fault="status:400", error_type="billing_error"), QuotaExhausted, "quota", "PROVIDER_QUOTA", False),
    (Reply(fault="status:500"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:502"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:503"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:504"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:408"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:409"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(fault="status:529", error_type="overloaded_error"), Overloaded, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="error:overloaded_error"), Overloaded, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="error:rate_limit_error"), Overloaded, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="error:api_error"), ProviderUnavailable, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="error:invalid_request_error"), BadRequest, "caller", "PROVIDER_ERROR", False),
    (Reply(text="half", fault="error:authentication_error"), AuthFailed, "config", "PROVIDER_AUTH", False),
    (Reply(fault="close"), ConnectionFailed, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="cut"), ConnectionFailed, "transient", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="no_stop"), Truncated, "truncated", "PROVIDER_ERROR", True),
    (Reply(fault="no_start"), Truncated, "truncated", "PROVIDER_ERROR", True),
    (Reply(text="half", stop_reason=None), Truncated, "truncated", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="pings"), Stalled, "stalled", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="hang_mid"), Stalled, "stalled", "PROVIDER_ERROR", True),
    (Reply(fault="hang"), Stalled, "stalled", "PROVIDER_ERROR", True),
    (Reply(text="text", stop_reason="pause_turn"), ProtocolError, "protocol", "PROVIDER_ERROR", False),
    (Reply(fault="tool_use"), ProtocolError, "protocol", "PROVIDER_ERROR", False),
    (Reply(text="x" * 1000, repeat=60), OutputTooLarge, "too_large", "OUTPUT_TOO_LARGE", False),
    (Reply(fault="status:400", error_type="invalid_request_error"), BadRequest, "caller", "PROVIDER_ERROR", False),
    (Reply(fault="status:413", error_type="request_too_large"), BadRequest, "caller", "PROVIDER_ERROR", False),
    (Reply(fault="status:404", error_type="not_found_error"), BadRequest, "caller", "PROVIDER_ERROR", False),
    (Reply(fault="status:401", error_type="authentication_error"), AuthFailed, "config", "PROVIDER_AUTH", False),
    (Reply(fault="status:403", error_type="permission_error"), AuthFailed, "config", "PROVIDER_AUTH", False),
    (Reply(fault="html"), ProxyGarbage, "proxy", "PROVIDER_ERROR", True),
    (Reply(fault="html_stream"), ProxyGarbage, "proxy", "PROVIDER_ERROR", True),
    (Reply(fault="json"), ProxyGarbage, "proxy", "PROVIDER_ERROR", True),
    (Reply(text="half", fault="bad_json"), ProxyGarbage, "proxy", "PROVIDER_ERROR", True),
    (Reply(fault="redirect"), ProxyGarbage, "proxy", "PROVIDER_ERROR", True),
]


def row_name(row: object) -> str:
    return (row.fault or f"stop_reason={row.stop_reason}") if isinstance(row, Reply) else ""


@pytest.mark.parametrize(("reply", "error_type", "error_class", "code", "retryable"), TABLE, ids=row_name)
async def test_every_row_of_the_error_table(
    model: ScriptedModel,
    client: ModelClient,
    reply: Reply,
    error_type: type[LLMError],
    error_class: str,
    code: str,
    retryable: bool,
) -> None:
    model.default = reply
    with pytest.raises(LLMError) as caught:
        await client.complete(model_request())
    assert type(caught.value) is error_type
    assert (caught.value.error_class, caught.value.code, caught.value.retryable) == (error_class, code, retryable)
    assert len(model.journal) == 1, "the SDK must not try again by itself"


async def test_a_rate_limit_says_how_long_to_wait(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(fault="status:429", retry_after="7")
    with pytest.raises(RateLimited) as caught:
        await client.complete(model_request())
    assert caught.value.retry_after == 7.0
    assert caught.value.status_code == 429
    assert caught.value.request_id == "req_scripted_1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12.5"}, 12.5),
        ({"retry-after": "4294967"}, 4294967.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_with_care(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


def test_retry_after_may_be_a_moment() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after_seconds({"retry-after": moment}) == pytest.approx(100, abs=3)


async def test_what_a_broken_call_used_is_in_the_error(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="x" * 40, fault="cut", usage={"input_tokens": 99})
    observed = CallProgress()
    with pytest.raises(ConnectionFailed) as caught:
        await client.complete(model_request(), observed=observed)
    assert caught.value.usage == {"input_tokens": 99, "output_tokens": 1}
    assert caught.value.text_chars == 20
    assert caught.value.request_id == "req_scripted_1"
    assert caught.value.ttft_ms is not None
    assert observed is caught.value.progress
    assert observed.latency_ms == caught.value.latency_ms


async def test_a_refused_request_used_nothing(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(fault="status:500")
    with pytest.raises(ProviderUnavailable) as caught:
        await client.complete(model_request())
    assert caught.value.usage is None
    assert caught.value.text_chars == 0


async def test_the_deadline_ends_a_call_that_goes_on_writing(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="x" * 1_000, chunk_count=1_000, chunk_delay=0.05)
    with pytest.raises(DeadlineExceeded) as caught:
        await client.complete(model_request(timeout_seconds=1.0))
    assert caught.value.code == "STEP_TIMEOUT"
    assert caught.value.retryable
    assert 950 <= caught.value.latency_ms <= 1_700
    assert caught.value.text_chars > 0


async def test_nothing_listens_at_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        observed = CallProgress()
        async with ModelClient(base_url=address, api_key=API_KEY) as client:
            with pytest.raises(ConnectionFailed) as caught:
                await client.complete(model_request(), observed=observed)
    assert caught.value.retryable
    assert not observed.was_sent


async def test_garbage_from_a_proxy_is_worth_two_more_tries_only() -> None:
    assert ProxyGarbage.retry_limit == 2
    assert RateLimited.retry_limit is None


async def test_a_giant_answer_is_stopped_long_before_its_end(model: ScriptedModel) -> None:
    model.default = Reply(text="x" * 100_000, repeat=1_000)
    limits = CallLimits(max_text_bytes=2_000_000)
    async with ModelClient(base_url=model.base_url, api_key=API_KEY, limits=limits) as client:
        with pytest.raises(OutputTooLarge) as caught:
            await client.complete(model_request())
    assert caught.value.text_chars < 4_000_000


async def test_the_size_of_an_answer_is_counted_in_bytes(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="\u4e2d" * 20_000)
    with pytest.raises(OutputTooLarge):
        await client.complete(model_request())


@pytest.mark.parametrize("status", [400, 401, 403, 402, 429, 500])
async def test_an_echoed_key_is_in_no_message(model: ScriptedModel, client: ModelClient, status: int) -> None:
    model.default = Reply(fault=f"status:{status}", error_message=f"the key {API_KEY} is\nwrong")
    with pytest.raises(LLMError) as caught:
        await client.complete(model_request())
    assert API_KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_key_that_is_no_header_is_in_no_message(model: ScriptedModel) -> None:
    async with ModelClient(base_url=model.base_url, api_key="sk-canary\r\nX-Evil: 1") as client:
        with pytest.raises(LLMError) as caught:
            await client.complete(model_request())
    assert "sk-canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_bad_request_says_what_is_wrong(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(fault="status:400", error_type="invalid_request_error", error_message="prompt is too long")
    with pytest.raises(BadRequest, match="prompt is too long"):
        await client.complete(model_request())


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """Answer with a complete message and never end the HTTP body."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        events = [
            sse.message_start(message_id="m", model="x", usage={}),
            sse.message_delta(stop_reason="end_turn", output_tokens=1),
            sse.MESSAGE_STOP,
        ]
        body = b"".join(events).replace(b"\n", b"\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%b\r\n" % (len(body), body))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_finished_message_is_returned_even_if_the_connection_stays_open(silent_server: str) -> None:
    async with ModelClient(base_url=silent_server, api_key=API_KEY) as client:
        response = await asyncio.wait_for(client.complete(model_request()), timeout=3)
    assert response.stop_reason == "end_turn"
