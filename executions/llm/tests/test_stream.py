"""The reader of the event stream, fed with bytes as networks cut them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.llm.errors import LLMError, ProxyGarbage
from executions.llm.offline import sse
from executions.llm.stream import MessageReader
from executions.llm.values import CallProgress, ModelResponse

TEXT = 'Grüße, "世界" \U0001f30d\nend'


def reader(progress: CallProgress | None = None) -> MessageReader:
    return MessageReader(progress or CallProgress(), max_text_bytes=10_000, on_text=None, on_usage=None)


def whole_answer(text: str = TEXT, **usage: object) -> bytes:
    pieces = [sse.text_delta(piece) for piece in sse.split_text(text, 5)]
    return b"".join(
        [
            sse.message_start(message_id="msg_1", model="m", usage={"input_tokens": 3, **usage}),
            sse.TEXT_BLOCK_START,
            sse.PING,
            *pieces,
            sse.BLOCK_STOP,
            sse.message_delta(stop_reason="end_turn", output_tokens=9),
            sse.MESSAGE_STOP,
        ]
    )


def read(data: bytes, *, size: int = 1_000_000) -> ModelResponse:
    fed = reader()
    for start in range(0, len(data), size):
        fed.feed(data[start : start + size])
    return fed.response()


@given(size=st.integers(min_value=1, max_value=200))
def test_where_the_network_cuts_makes_no_difference(size: int) -> None:
    assert read(whole_answer(), size=size).text == TEXT


@given(size=st.integers(min_value=1, max_value=200))
def test_carriage_returns_make_no_difference(size: int) -> None:
    assert read(whole_answer().replace(b"\n", b"\r\n"), size=size).text == TEXT


def test_usage_is_the_starts_updated_by_the_last() -> None:
    response = read(whole_answer(cache_read_input_tokens=50, service_tier="standard"))
    assert response.usage == {
        "input_tokens": 3,
        "output_tokens": 9,
        "cache_read_input_tokens": 50,
        "service_tier": "standard",
    }


def test_a_null_in_the_last_usage_says_nothing() -> None:
    start = sse.message_start(message_id="m", model="m", usage={"input_tokens": 5, "cache_read_input_tokens": 7})
    usage = {"output_tokens": 2, "input_tokens": None, "cache_read_input_tokens": 8}
    end = sse.event("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage})
    response = read(start + end + sse.MESSAGE_STOP)
    assert response.usage == {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 8}


def test_a_refusals_details_are_kept() -> None:
    start = sse.message_start(message_id="m", model="m", usage={})
    delta = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber"}}
    end = sse.event("message_delta", {"delta": delta, "usage": {"output_tokens": 1}})
    response = read(start + end + sse.MESSAGE_STOP)
    assert (response.stop_reason, response.stop_details) == ("refusal", {"type": "refusal", "category": "cyber"})


def test_thinking_is_no_part_of_the_text() -> None:
    thinking = sse.event("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": ""}})
    thought = sse.event("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}})
    answer = whole_answer("the text").replace(sse.PING, thinking + thought)
    assert read(answer).text == "the text"


def test_unknown_events_and_comments_are_passed_over() -> None:
    extra = b": keepalive\n\n" + sse.event("content_block_glow", {"index": 0}) + b"id: 7\n\n\n"
    assert read(whole_answer().replace(sse.PING, extra)).text == TEXT


def test_pings_and_comments_are_no_progress() -> None:
    fed = reader()
    assert fed.feed(sse.message_start(message_id="m", model="m", usage={}))
    assert not fed.feed(sse.PING)
    assert not fed.feed(b": keepalive\n\n")
    assert not fed.feed(b"event: content_block_delta\n")
    assert fed.feed(sse.text_delta("x").removeprefix(b"event: content_block_delta\n"))


def test_text_that_stands_in_a_blocks_start_counts() -> None:
    start = sse.event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": "Once "}})
    assert read(whole_answer("upon").replace(sse.TEXT_BLOCK_START, start)).text == "Once upon"


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html></html>\n\n",
        b"event: message_start\ndata: {}\n\n",
        b"event: message_start\ndata: []\n\n",
        b"event: message_start\ndata: 7\n\n",
        b'event: message_start\ndata: {"type": "message_start", "message": null}\n\n',
        b'event: x\ndata: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 5}}\n\n',
        b"event: x\ndata: " + b"[" * 100_000 + b"\n\n",
        b"event: x\ndata: \xff\xfe\n\n",
        b'event: x\ndata: {"type": ["list"]}\n\n',
        sse.MESSAGE_STOP,
    ],
)
def test_what_is_no_event_of_the_api_is_garbage(garbage: bytes) -> None:
    with pytest.raises(ProxyGarbage):
        reader().feed(garbage)


def test_an_event_without_end_is_given_up() -> None:
    fed = reader()
    for _ in range(39):
        fed.feed(b"x" * 100_000)
    with pytest.raises(ProxyGarbage):
        fed.feed(b"x" * 200_000)


@given(data=st.binary(max_size=300))
def test_any_bytes_give_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(LLMError):
        read(data)


def test_an_error_quotes_nothing_of_the_text() -> None:
    broken = b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {"text": "secret"\n\n'
    with pytest.raises(ProxyGarbage) as caught:
        reader().feed(broken)
    assert "secret" not in str(caught.value)


def test_what_callbacks_raise_is_not_taken_for_garbage() -> None:
    def fail(text: str) -> None:
        raise ValueError(json.dumps(text))

    fed = MessageReader(CallProgress(), max_text_bytes=100, on_text=fail, on_usage=None)
    with pytest.raises(ValueError, match="text"):
        fed.feed(whole_answer("text"))
