"""What streams do as time goes by, with other clocks than theirs, and on another server than ours."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from knox.models import AuthToken

from executions.streams.timing import Timing
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.pretend_worker import drive
from executions.tests.streams.clients import EventSource, Socket
from executions.tests.streams.histories import table, tell
from executions.tests.streams.web import ThreadedServer, bearer

pytestmark = pytest.mark.django_db(transaction=True)


def test_silence_is_broken_by_comments() -> None:
    execution, olga = start(single()), bearer(person("olga"))
    began = time.monotonic()

    with ThreadedServer(Timing(keepalive=0.1)) as server, EventSource(server.host, execution.pk, olga) as source:
        frames = source.events()
        next(frames)
        time.sleep(1.0)
        drive(execution)
        rest = list(frames)

    assert [frame.data for frame in rest] == table(execution)[1:]
    assert 2 <= source.comments.count("keepalive") <= 1.5 * (time.monotonic() - began) / 0.1


def test_a_token_that_expires_ends_its_streams_at_the_next_look() -> None:
    execution, olga = start(single()), bearer(person("olga"))

    with (
        ThreadedServer(Timing(look=0.2)) as server,
        EventSource(server.host, execution.pk, olga) as source,
        Socket(server.host, execution.pk, olga) as socket,
    ):
        frames, messages = source.events(), socket.frames()
        assert next(frames).id == "1"
        time.sleep(0.5)  # looked at, and found good
        AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
        assert list(frames) == []
        assert [message["seq"] for message in messages] == [None, 1]
        assert socket.code == 4401


def test_no_stream_is_for_ever() -> None:
    execution, olga = start(single()), bearer(person("olga"))

    with (
        ThreadedServer(Timing(lifetime=1.5, keepalive=0.2)) as server,
        EventSource(server.host, execution.pk, olga) as source,
        Socket(server.host, execution.pk, olga) as socket,
    ):
        assert [frame.id for frame in source.events()] == ["1"]
        assert [message["seq"] for message in socket.frames()] == [None, 1]
        assert socket.code == 1001


def test_a_change_that_nobody_tells_of_is_found_by_looking() -> None:
    execution, olga = start(single()), bearer(person("olga"))

    with ThreadedServer(Timing(poll=0.1)) as server, EventSource(server.host, execution.pk, olga) as source:
        frames = source.events()
        next(frames)
        time.sleep(0.5)  # a new stream is looked at again for a moment
        began = time.monotonic()
        tell(execution, 1, is_told=False)
        assert next(frames).id == "2"
        assert time.monotonic() - began < 1.0
