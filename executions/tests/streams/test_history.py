"""What streams tell is the history: all of it, in order, once, however often their readers are cut off."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import quote

import aiohttp
from django.db import connection

from executions.folding import fold
from executions.models import Execution
from executions.services.executions import retry_execution
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, single
from executions.tests.pretend_worker import Answer, Scripted, drive
from executions.tests.streams.clients import EventSource, Received, Socket
from executions.tests.streams.histories import cancel, eventful, play, table, tell
from executions.tests.streams.web import WebProcess, bearer

REFUSAL = Answer(text="I will not.", stop_reason="refusal")


def get(web: WebProcess, path: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(f"http://{web.host}/api/v1{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
        return json.load(answer)


def test_a_stream_tells_the_history_and_then_the_news_and_ends_with_the_execution(web: WebProcess) -> None:
    execution, olga = start(chain(2)), bearer(person("olga"))

    with EventSource(web.host, execution.pk, olga) as source:
        frames = source.frames()
        connected, first = next(frames), next(frames)
        began = time.monotonic()
        drive(execution)
        rest = list(frames)

    assert time.monotonic() - began < 1.0
    assert source.status == 200
    assert source.retry == 3000
    assert source.headers["Content-Type"] == "text/event-stream"
    assert source.headers["Cache-Control"] == "no-cache, no-transform"
    assert source.headers["X-Accel-Buffering"] == "no"
    assert source.headers["X-Content-Type-Options"] == "nosniff"
    assert source.headers["Content-Security-Policy"]
    assert source.headers["X-Request-ID"]
    assert "Content-Length" not in source.headers
    assert (connected.event, connected.id) == ("connected", None)
    assert connected.data["seq"] is None
    assert connected.data["execution_id"] == str(execution.pk)
    assert connected.data["data"]["status"] == "pending"
    assert connected.data["data"]["pending_gates"] == []
    assert [frame.data for frame in [first, *rest]] == table(execution)
    assert [frame.id for frame in [first, *rest]] == [str(frame.data["seq"]) for frame in [first, *rest]]
    assert [frame.event for frame in [first, *rest]] == [frame.data["event_type"] for frame in [first, *rest]]
    assert rest[-1].event == "execution_completed"


def test_server_sent_events_and_a_socket_agree_frame_by_frame_and_add_up_to_the_state(web: WebProcess) -> None:
    execution, olga = start(eventful()), bearer(person("olga"))

    with EventSource(web.host, execution.pk, olga) as source, Socket(web.host, execution.pk, olga) as socket:
        events, messages = source.frames(), socket.frames()
        live: list[tuple[Any, Any]] = [(next(events).data, next(messages)), (next(events).data, next(messages))]
        play(execution)
        live += zip((frame.data for frame in events), messages, strict=True)
        assert socket.code is None or socket.code == 1000
        assert list(messages) == []
    with EventSource(web.host, execution.pk, olga) as source, Socket(web.host, execution.pk, olga) as socket:
        again = list(zip((frame.data for frame in source.frames()), socket.frames(), strict=True))

    history = table(execution)
    assert {frame["event_type"] for frame in history} >= {
        *("clarification_needed", "clarification_answered", "step_retrying", "iteration_expanded"),
        *("acceptance_needed", "acceptance_decided", "document_created", "execution_completed"),
    }
    for pairs in (live, again):
        assert [one["event_type"] for one, _ in pairs[:1]] == ["connected"]
        assert [one | {"timestamp": 0} for one, _ in pairs] == [other | {"timestamp": 0} for _, other in pairs]
        assert [one for one, _ in pairs[1:]] == history
    state, folded = get(web, f"/executions/{execution.pk}", olga), fold(history)
    statuses = {path: step["status"] for path, step in state["step_progress"].items()}
    assert folded.status.value == state["status"]
    assert {path: folded.steps[path].value for path in statuses} == statuses
    assert [path for path in folded.completed_steps if path in statuses] == state["completed_steps"]


def test_whoever_is_cut_off_again_and_again_has_the_history_of_the_table_in_the_end(web: WebProcess) -> None:
    execution, olga = start(chain(3)), bearer(person("olga"))
    numbers = random.Random(7)
    driving = threading.Thread(target=_tell_slowly, args=(execution,))

    async def read(seed: int) -> list[Any]:
        own = random.Random(seed)
        history: list[Any] = []
        async with aiohttp.ClientSession() as session:
            while not history or not history[-1]["event_type"].startswith("execution_c"):
                headers = {**olga, "Last-Event-ID": str(len(history))}
                url = f"http://{web.host}/api/v1/executions/{execution.pk}/stream"
                async with session.get(url, headers=headers) as answer:
                    await _read_until_cut(answer, own, history)
        return history

    async def read_all() -> list[list[Any]]:
        return await asyncio.gather(*(read(numbers.random()) for _ in range(100)))  # type: ignore[arg-type]

    driving.start()
    histories = asyncio.run(read_all())
    driving.join()

    expected = table(execution)
    assert len(expected) == 62
    assert all(history == expected for history in histories)


async def _read_until_cut(answer: aiohttp.ClientResponse, numbers: random.Random, history: list[Any]) -> None:
    """Read events, perhaps until the connection is cut: in the middle of a frame, if it comes to that."""
    cut_after = numbers.choice([4, 30, 1000])
    while line := await answer.content.readline():
        if line.startswith(b"data:") and (event := json.loads(line[5:]))["seq"] is not None:
            if cut_after == 0:
                answer.close()
                return
            cut_after -= 1
            history.append(event)


def _tell_slowly(execution: Execution) -> None:
    try:
        for _ in range(20):
            tell(execution, 3)
            time.sleep(0.03)
        cancel(execution)
    finally:
        connection.close()


def test_an_id_that_is_none_of_the_history_is_ignored(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    drive(execution)
    history = table(execution)

    for given in ("abc", "-1", "1.5", "99999", "", "٣"):
        with EventSource(web.host, execution.pk, olga, last_id=given.encode().decode("latin1")) as source:
            assert [frame.data for frame in source.events()] == history
        with Socket(web.host, execution.pk, olga, query=f"?after={quote(given)}") as socket:
            assert list(socket.frames())[1:] == history


def test_a_reader_goes_on_after_the_id_that_it_has_and_the_header_wins(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    drive(execution)
    history = table(execution)

    def after(query: str, last_id: int | None) -> tuple[int, list[Any]]:
        with EventSource(web.host, execution.pk, olga, query=query, last_id=last_id) as source:
            return source.status, [frame.data for frame in source.events()]

    assert after("?after=2", None) == (200, history[2:])
    assert after("?after=4", 2) == (200, history[2:])
    assert after("?after=2", len(history)) == (204, [])
    with Socket(web.host, execution.pk, olga, query="?after=2") as socket:
        assert list(socket.frames())[1:] == history[2:]
        assert socket.code == 1000
    with Socket(web.host, execution.pk, olga, query=f"?after={len(history)}") as socket:
        assert list(socket.frames()) == []
        assert socket.code == 1000


def test_an_execution_is_over_only_when_its_last_event_ends_it(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    drive(execution, Scripted(note=REFUSAL))
    failed = Execution.objects.get(pk=execution.pk).last_seq
    with EventSource(web.host, execution.pk, olga) as source:
        assert [frame.event for frame in source.events()][-1] == "execution_failed"
    with EventSource(web.host, execution.pk, olga, last_id=failed) as source:
        assert source.status == 204
        assert source.headers["X-Request-ID"]

    retry_execution(actor=person("olga"), execution_id=execution.pk)

    with EventSource(web.host, execution.pk, olga, last_id=failed) as source:
        frames = source.events()
        assert next(frames).event == "execution_retried"
        drive(execution)
        assert [frame.event for frame in frames][-1] == "execution_completed"
    with EventSource(web.host, execution.pk, olga) as source:
        seen: list[Received] = list(source.events())
    assert [frame.data for frame in seen] == table(execution)


def test_a_long_history_is_replayed_while_it_grows(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    tell(execution, 2_300, size=100)

    with EventSource(web.host, execution.pk, olga) as source:
        frames = source.events()
        seen = [next(frames) for _ in range(700)]
        tell(execution, 900, size=100)
        cancel(execution)
        seen += frames

    assert [int(frame.id or 0) for frame in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].event == "execution_cancelled"
    assert len(seen) == 1 + 2_300 + 900 + 1


def test_a_head_request_is_told_what_a_stream_would_be(web: WebProcess) -> None:
    execution, olga = start(single()), bearer(person("olga"))
    with EventSource(web.host, execution.pk, olga, method="HEAD") as source:
        assert (source.status, source.headers["Content-Type"]) == (200, "text/event-stream")
    with EventSource(web.host, execution.pk, olga, method="POST") as source:
        assert (source.status, source.problem()["code"]) == (405, "METHOD_NOT_ALLOWED")
