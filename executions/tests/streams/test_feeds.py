"""Feeds, watchers and live text by themselves: no database, no network."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from executions.api.frames import Frame
from executions.api.views.streams import Credential, Opening
from executions.live_text import KEPT_CHARACTERS, Piece, payloads, pieces_of
from executions.streams.feeds import MAX_QUEUED_BYTES, TEXT_ROOM_BYTES, Ending, Feed, Watcher

EXECUTION = uuid4()


def event(seq: int, event_type: str = "step_started", path: str = "s1", size: int = 1) -> Frame:
    return Frame({"event_type": event_type, "seq": seq, "path": path, "data": "x" * size})


def piece(text: str, offset: int = 0, *, key: str = "call1", path: str = "s1", attempt: int = 1) -> Piece:
    return Piece(execution_id=EXECUTION, key=key, path=path, step_id="s1", attempt=attempt, offset=offset, text=text)


async def watcher(head: int = 0) -> Watcher:
    connected = Frame({"event_type": "connected", "seq": None, "path": None})
    credential = Credential(user_id=1, token_digest="d", session_key=None)
    opening = Opening(execution_id=EXECUTION, credential=credential, after=0, last_seq=head, connected=connected)
    return Watcher(opening, asyncio.create_task(asyncio.sleep(60)))


def sent(one: Watcher) -> list[Any]:
    """Return what a watcher was handed: numbers of events, and texts."""
    found: list[Any] = []
    for frame in one.take(10**9):
        found.append(frame.seq or json.loads(frame.data)["data"]["text"])
    return found


async def test_a_watcher_that_lets_too_much_pile_up_is_shut_out() -> None:
    feed, slow, quick = Feed(EXECUTION, 0), await watcher(), await watcher()
    feed.go_live(slow)
    feed.go_live(quick)
    for seq in range(1, 30):
        feed.take_events([event(seq, size=MAX_QUEUED_BYTES // 20)])
        assert sent(quick) == [seq]
    assert slow.ending is Ending.TOO_SLOW
    assert slow.is_idle
    assert quick.ending is None


async def test_much_that_comes_at_once_shuts_nobody_out() -> None:
    feed, one = Feed(EXECUTION, 0), await watcher()
    feed.go_live(one)
    feed.take_events([event(seq, size=10_000) for seq in range(1, 101)])
    assert one.ending is None
    assert sent(one) == list(range(1, 101))


async def test_what_was_read_twice_is_handed_on_once() -> None:
    feed, one = Feed(EXECUTION, 3), await watcher(3)
    feed.go_live(one)
    feed.take_events([event(3), event(4)])
    feed.take_events([event(4), event(5)])
    assert sent(one) == [4, 5]
    assert feed.head == 5


async def test_text_is_handed_on_once_whoever_else_gets_it_again() -> None:
    feed, one = Feed(EXECUTION, 0), await watcher()
    feed.go_live(one)
    for each in (piece("Once "), piece("upon ", 5), piece("Once upon a "), piece("time", 12)):
        feed.take_text(each)
    late = await watcher()
    feed.go_live(late)
    assert sent(one) == ["Once ", "upon ", "a ", "time"]
    assert sent(late) == ["Once upon a time"]


async def test_text_is_over_with_the_event_that_says_so_and_what_comes_late_is_not_shown() -> None:
    for ending in ("step_retrying", "document_created", "clarification_needed", "step_failed", "execution_cancelled"):
        feed, one = Feed(EXECUTION, 0), await watcher()
        feed.go_live(one)
        feed.take_text(piece("Once "))
        feed.take_text(piece("Elsewhere", key="call9", path="s2"))
        feed.take_events([event(1, ending, path="" if ending == "execution_cancelled" else "s1")])
        feed.take_text(piece("upon", 5))
        feed.take_text(piece("Again", key="call2", attempt=2))
        late = await watcher()
        feed.go_live(late)
        assert sent(one) == ["Once ", "Elsewhere", 1, "Again"]
        assert set(sent(late)) == {"Again", "Elsewhere"} - ({"Elsewhere"} if ending == "execution_cancelled" else set())


async def test_text_waits_for_events_that_are_known_to_be_there() -> None:
    feed, one = Feed(EXECUTION, 0), await watcher()
    feed.go_live(one)
    feed.is_behind = True
    feed.take_text(piece("Once"))
    feed.take_events([event(1)])
    feed.is_behind = False
    feed.release_text()
    assert sent(one) == [1, "Once"]


async def test_text_is_the_first_to_be_left_out() -> None:
    feed, one = Feed(EXECUTION, 0), await watcher()
    feed.go_live(one)
    feed.take_events([event(1, size=TEXT_ROOM_BYTES)])
    feed.take_text(piece("Once"))
    feed.take_events([event(2)])
    assert sent(one) == [1, 2]
    feed.take_text(piece("upon", 4))
    assert sent(one) == ["upon"]


async def test_of_a_long_text_its_end_is_kept() -> None:
    feed = Feed(EXECUTION, 0)
    for begin in range(0, 3 * KEPT_CHARACTERS, 1000):
        feed.take_text(piece(f"{begin:01000}", begin))
    late = await watcher()
    feed.go_live(late)
    (text,) = sent(late)
    assert len(text) == KEPT_CHARACTERS
    assert text.endswith(f"{3 * KEPT_CHARACTERS - 1000:01000}")


def test_pieces_fit_their_payloads_and_come_out_as_they_went_in() -> None:
    texts = ["plain " * 100, "\x00\x1f" * 400, "日本語" * 266, "🙂" * 800, 'quote " and \\ and \n']
    pieces = [piece(text, key=f"call{number}", path="p" * 2000) for number, text in enumerate(texts)]
    sent_payloads = list(payloads(pieces))
    assert max(len(payload.encode()) for payload in sent_payloads) < 8_000
    assert [each for payload in sent_payloads for each in pieces_of(payload)] == pieces


def test_pieces_that_follow_each_other_become_one() -> None:
    (payload,) = payloads([piece("Once "), piece("upon", 5), piece("gap", 20)])
    assert [(each.offset, each.text) for each in pieces_of(payload)] == [(0, "Once upon"), (20, "gap")]
