"""A call over a real socket: what a finished one returns, and what a cancelled one leaves behind."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from executions.llm.client import CallLimits, ModelClient
from executions.llm.errors import ProtocolError, Stalled, Truncated
from executions.llm.offline.replies import Reply
from executions.llm.offline.scripted import ScriptedModel
from executions.llm.tests.builders import model_request
from executions.llm.values import CallProgress


async def eventually(condition: Any, seconds: float = 10.0) -> float:
    """Wait for ``condition`` and return how long that took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.005)
    return time.monotonic() - started


async def test_a_finished_call_returns_text_usage_and_names(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="hello wörld", chunk_count=4, usage={"input_tokens": 12, "output_tokens": 7})
    response = await client.complete(model_request())
    assert response.text == "hello wörld"
    assert response.stop_reason == "end_turn"
    assert response.usage == {"input_tokens": 12, "output_tokens": 7}
    assert response.model == "claude-sonnet-5-5"
    assert response.message_id == "msg_scripted_1"
    assert response.request_id == "req_scripted_1"
    assert response.ttft_ms is not None
    assert 0 <= response.ttft_ms <= response.latency_ms
    assert response.is_offline is False


async def test_what_is_sent_is_what_the_request_says(model: ScriptedModel, client: ModelClient) -> None:
    schema = {"type": "object"}
    request = model_request("{{7*7}} {0.__class__} %(x)s", output_schema=schema)
    await client.complete(request)
    assert model.bodies == [{**request.to_api_kwargs(), "stream": True}]
    assert model.bodies[0]["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert model.journal[0].digest == request.digest()


async def test_new_text_and_usage_are_told_while_the_answer_comes(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="one two three four", chunk_count=3, chunk_delay=0.02)
    pieces: list[str] = []
    usages: list[int] = []
    await client.complete(
        model_request(), on_text=pieces.append, on_usage=lambda usage: usages.append(usage["output_tokens"])
    )
    assert "".join(pieces) == "one two three four"
    assert len(pieces) == 3
    assert usages == [1, 4]


@pytest.mark.parametrize(
    "reason", ["end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded", "refusal"]
)
async def test_a_message_that_ended_properly_is_returned(
    model: ScriptedModel, client: ModelClient, reason: str
) -> None:
    model.default = Reply(text="text", stop_reason=reason)
    assert (await client.complete(model_request())).stop_reason == reason


@pytest.mark.parametrize("reason", ["tool_use", "pause_turn", "compaction", "something_new"])
async def test_an_unexpected_stop_reason_fails_closed(model: ScriptedModel, client: ModelClient, reason: str) -> None:
    model.default = Reply(text="text", stop_reason=reason)
    with pytest.raises(ProtocolError):
        await client.complete(model_request())


async def test_a_message_without_stop_reason_is_truncated(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="text", stop_reason=None)
    with pytest.raises(Truncated):
        await client.complete(model_request())


async def test_three_hundred_calls_run_at_once_and_share_connections(model: ScriptedModel) -> None:
    model.default = Reply(text="text", delay=1.0)
    async with ModelClient(base_url=model.base_url) as client:
        await asyncio.gather(*(client.complete(model_request(str(number))) for number in range(300)))
        assert model.max_in_flight == 300
        model.default = Reply(text="text")
        await asyncio.gather(*(client.complete(model_request(str(number))) for number in range(50)))
        assert model.stats()["connection_count"] == 300


@pytest.mark.parametrize(
    "reply",
    [
        Reply(fault="hang"),
        Reply(text="never sent", delay=30),
        Reply(text="a slow answer that is long enough", chunk_count=100, chunk_delay=0.3),
    ],
    ids=["before the answer's head", "before the first text", "while text comes"],
)
async def test_cancelling_closes_the_connection_at_once(
    model: ScriptedModel, client: ModelClient, reply: Reply
) -> None:
    model.default = reply
    task = asyncio.create_task(client.complete(model_request()))
    await eventually(lambda: model.journal)
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await eventually(lambda: model.journal[0].disconnected_at is not None) < 0.2
    assert model.in_flight == 0


async def test_a_cancelled_call_leaves_what_it_used(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="x" * 10_000, chunk_count=1_000, chunk_delay=0.05, usage={"input_tokens": 321})
    observed = CallProgress()
    task = asyncio.create_task(client.complete(model_request(), observed=observed))
    await eventually(lambda: observed.text_chars >= 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert observed.usage["input_tokens"] == 321
    assert 20 <= observed.text_chars < 10_000
    assert observed.ttft_ms is not None
    assert observed.latency_ms >= observed.ttft_ms
    assert observed.request_id == "req_scripted_1"
    assert observed.was_sent


async def test_a_cancellation_is_not_mistaken_for_a_stall(model: ScriptedModel) -> None:
    model.default = Reply(fault="hang")
    async with ModelClient(base_url=model.base_url, limits=CallLimits(stall_seconds=5.0)) as client:
        task = asyncio.create_task(client.complete(model_request()))
        await eventually(lambda: model.journal)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_slow_text_is_no_stall(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="slow but steady", chunk_count=8, chunk_delay=0.5)
    response = await client.complete(model_request())
    assert response.text == "slow but steady"
    assert response.latency_ms > 2_200


async def test_a_stall_closes_the_connection(model: ScriptedModel, client: ModelClient) -> None:
    model.default = Reply(text="half of it", fault="pings")
    with pytest.raises(Stalled):
        await client.complete(model_request())
    await eventually(lambda: model.journal[0].disconnected_at is not None)


async def test_no_key_and_no_prompt_reach_the_log(
    model: ScriptedModel, client: ModelClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    model.default = Reply(text="completion-canary")
    await client.complete(model_request("prompt-canary"))
    assert "sk-test-canary" not in caplog.text
    assert "prompt-canary" not in caplog.text
    assert "completion-canary" not in caplog.text


async def test_a_closed_client_opens_again(model: ScriptedModel, client: ModelClient) -> None:
    await client.complete(model_request())
    await client.aclose()
    await client.complete(model_request())
    assert len(model.journal) == 2
