"""Who is told of what, and when: after the commit, and only where somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.sql import SQL, Identifier

from executions import notifications
from executions.carriers import ACCESS, EVENTS, TEXT, WATCHED, WHO_WATCHES, PostgresCarrier
from executions.live_text import LiveText, pieces_of, telling_watchers
from executions.llm.values import CallProgress
from executions.notifications import Outlet, announcement, packed, publish, unpacked
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single
from executions.tests.pretend_worker import PretendWorker, drive, valid
from executions.tests.streams.clients import EventSource
from executions.tests.streams.web import WebProcess, bearer, database_url
from executions.values import Claim

pytestmark = pytest.mark.django_db(transaction=True)


class Listener:
    """Hears what is sent over a channel."""

    def __init__(self, connection: psycopg.Connection[Any], channel: str) -> None:
        self._connection = connection
        connection.execute(SQL("LISTEN {}").format(Identifier(channel)))

    def heard(self, seconds: float = 0.3) -> list[str]:
        return [notice.payload for notice in self._connection.notifies(timeout=seconds)]

    async def hears(self, seconds: float = 0.3) -> list[str]:
        return await asyncio.to_thread(self.heard, seconds)


T = TypeVar("T")
Listen = Callable[[str], Listener]


@pytest.fixture
def listen() -> Iterator[Listen]:
    with psycopg.connect(database_url(), autocommit=True) as connection:
        yield lambda channel: Listener(connection, channel)


def test_ids_are_packed_into_payloads_that_postgresql_takes() -> None:
    ids = [uuid4() for _ in range(1_000)]
    payloads = list(announcement("0123456789ab", ids))
    assert max(map(len, payloads)) < 8_000
    assert [each for payload in packed(ids) for each in unpacked(payload)] == ids
    assert [each for payload in payloads for each in unpacked(payload.partition(" ")[2])] == ids


def test_watchers_are_told_after_the_commit_and_not_of_what_was_rolled_back(listen: Listen) -> None:
    execution_id, events = uuid4(), listen(EVENTS)
    with transaction.atomic():
        publish([execution_id])
        assert events.heard() == []
    assert events.heard() == list(packed([execution_id]))
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        publish([execution_id])
        raise ZeroDivisionError
    assert events.heard() == []


def test_every_change_is_told_but_for_a_start_which_nobody_can_watch(listen: Listen) -> None:
    events = listen(EVENTS)
    execution = start(reviewed())
    assert events.heard() == []
    told = list(packed([execution.pk]))
    drive(execution)
    assert set(events.heard()) == set(told)
    decide("ed", open_gate(execution), "accept")
    assert events.heard() == told


def test_whose_access_changes_is_told(listen: Listen) -> None:
    vic, project = person("vic"), start(single()).project
    listener = listen(ACCESS)
    vic.groups.clear()
    vic.is_active = False
    vic.save()
    assert listener.heard() == [str(vic.pk), str(vic.pk)]
    vic.save(update_fields=["last_login"])
    assert listener.heard() == []
    project.users.add(vic)
    assert listener.heard() == ["*"]
    user_id = vic.pk
    vic.delete()
    assert str(user_id) in listener.heard()


@contextlib.asynccontextmanager
async def _running(announced_for: float = 15.0) -> AsyncIterator[tuple[Outlet, PostgresCarrier]]:
    """An outlet at work, and a web process's carrier."""
    outlet, carrier = Outlet(PostgresCarrier(), announced_for=announced_for), PostgresCarrier()
    task = asyncio.create_task(outlet.run())
    notifications.use_outlet(outlet)
    await asyncio.sleep(0.2)
    try:
        yield outlet, carrier
    finally:
        notifications.use_outlet(None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await carrier.aclose()


async def test_a_worker_tells_only_of_what_is_watched_and_of_many_at_once(listen: Listen) -> None:
    heard = listen(EVENTS).hears
    one, other, unwatched = uuid4(), uuid4(), uuid4()

    async with _running() as (outlet, carrier):
        await _apart(publish, [one, unwatched])
        assert await heard() == []
        await carrier.send(WATCHED, list(announcement("web1", [one, other])))
        await _until(lambda: outlet.watches_any)
        await _apart(publish, [one, unwatched])
        assert await heard() == list(packed([one]))
        for _ in range(50):
            outlet.add([one, other])
        told = await heard()

    assert 1 <= len(told) <= 3
    assert {each for payload in told for each in unpacked(payload)} == {one, other}


async def test_what_is_not_said_again_is_watched_no_more() -> None:
    execution_id = uuid4()
    async with _running(announced_for=0.3) as (outlet, carrier):
        await carrier.send(WATCHED, list(announcement("web1", [execution_id])))
        await _until(lambda: outlet.watches_any)
        await _until(lambda: not outlet.watches_any)
        assert not outlet.is_watched.is_set()


async def test_a_new_worker_asks_who_watches(listen: Listen) -> None:
    listener = listen(WHO_WATCHES)
    async with _running():
        assert await listener.hears(1.0) == [""]


async def test_live_text_is_sent_while_somebody_watches_and_from_its_beginning_to_who_comes_later(
    listen: Listen,
) -> None:
    heard = listen(TEXT).hears
    claim = await _apart(_claimed)
    carrier, progress = PostgresCarrier(), CallProgress()

    async with telling_watchers() as live_text:
        live_text.begin(claim, progress)
        progress.texts += ["Once ", "upon "]
        assert await heard(0.6) == []
        await _watch(carrier, live_text, "web1", claim.execution_id)
        first = await heard(0.5)
        progress.texts += ["a time"]
        second = await heard(0.5)
        await _watch(carrier, live_text, "web2", claim.execution_id)
        third = await heard(0.5)
        live_text.end(claim)
        progress.texts += [" there was"]
        assert await heard(0.5) == []
    await carrier.aclose()

    texts = [
        [(piece.offset, piece.text) for each in told for piece in pieces_of(each)] for told in (first, second, third)
    ]
    assert texts == [[(0, "Once upon ")], [(10, "a time")], [(0, "Once upon a time")]]


def _texts(told: list[str]) -> list[tuple[int, str]]:
    return [(piece.offset, piece.text) for payload in told for piece in pieces_of(payload)]


def _claimed() -> Claim:
    execution = start(single())
    return PretendWorker().claim(execution)[0]


async def _apart(function: Callable[..., T], *given: object) -> T:
    """Call what uses the database in a thread, and leave no connection behind."""

    def call() -> T:
        try:
            return function(*given)
        finally:
            connection.close()

    return await asyncio.to_thread(call)


async def _watch(carrier: PostgresCarrier, live_text: LiveText, process: str, execution_id: UUID) -> None:
    await asyncio.sleep(0.2)
    await carrier.send(WATCHED, list(announcement(process, [execution_id])))
    await _until(lambda: execution_id in live_text.outlet.watched())


async def _until(is_true: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not is_true():  # noqa: ASYNC110 - what is waited for is not ours to signal
            await asyncio.sleep(0.01)


async def test_a_watcher_reads_what_a_model_is_writing(web: WebProcess) -> None:
    claim = await _apart(_claimed)
    headers = await _apart(lambda: bearer(person("olga")))
    progress, seen = CallProgress(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> list[Any]:
        texts: list[Any] = []
        with EventSource(web.host, claim.execution_id, headers) as source:
            for frame in source.frames():
                if frame.event == "step_output":
                    assert (frame.id, frame.data["seq"], frame.data["path"]) == (None, None, "note")
                    texts.append(frame.data["data"])
                    loop.call_soon_threadsafe(seen.set)
        return texts

    async with telling_watchers() as live_text:
        live_text.begin(claim, progress)
        progress.texts += ['{"title": ', '"Häuser & 🏠"']
        reading = asyncio.create_task(asyncio.to_thread(read))
        await asyncio.wait_for(seen.wait(), 10)
        progress.texts += [', "text": "Many."}']
        await asyncio.sleep(0.6)
        live_text.end(claim)
        worker = await _apart(PretendWorker)
        await _apart(lambda: worker.finish(claim, valid(claim)))
        texts = await asyncio.wait_for(reading, 10)

    assert {text["attempt"] for text in texts} == {1}
    assert "".join(text["text"] for text in texts) == '{"title": "Häuser & 🏠", "text": "Many."}'
