"""Places, turns and batches inside one worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from executions.batching import Batcher
from executions.slots import Isolation, Slots


async def _settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_waits_for_a_place_gets_one_when_it_is_given_back() -> None:
    slots = Slots(2)
    assert await slots.take(16) == 2
    waiting = [asyncio.create_task(slots.take(16)) for _ in range(3)]
    await _settle()
    assert not any(task.done() for task in waiting)
    for _ in range(3):
        slots.give_back(1)
        await _settle()
    assert [await task for task in waiting] == [1, 1, 1]
    assert slots.free == 0


async def test_places_that_come_back_together_are_taken_together() -> None:
    slots = Slots(4)
    await slots.take(4)
    waiting = asyncio.create_task(slots.take(16))
    await _settle()
    slots.give_back(3)
    assert await waiting == 3


async def test_who_is_cancelled_while_waiting_takes_nothing_with_it() -> None:
    slots = Slots(1)
    await slots.take(1)
    first, second = asyncio.create_task(slots.take(1)), asyncio.create_task(slots.take(1))
    await _settle()
    first.cancel()
    slots.give_back(1)
    assert await second == 1


class Stage:
    """Runs steps under an isolation and notes who runs beside whom."""

    def __init__(self) -> None:
        self.isolation = Isolation()
        self.running: set[str] = set()
        self.seen: list[frozenset[str]] = []
        self.doors: dict[str, asyncio.Event] = {}

    def step(self, name: str, *, alone: bool = False) -> asyncio.Task[None]:
        self.doors[name] = asyncio.Event()
        return asyncio.create_task(self._play(name, alone))

    async def _play(self, name: str, alone: bool) -> None:
        async with self.isolation.hold(alone=alone):
            self.running.add(name)
            self.seen.append(frozenset(self.running))
            await self.doors[name].wait()
            self.running.discard(name)

    async def end(self, *names: str) -> None:
        for name in names:
            self.doors[name].set()
        await _settle()


async def test_a_suspect_waits_for_the_others_and_keeps_later_ones_waiting() -> None:
    stage = Stage()
    tasks = [stage.step("a"), stage.step("b")]
    await _settle()
    tasks += [stage.step("suspect", alone=True), stage.step("c")]
    await _settle()
    assert stage.running == {"a", "b"}
    await stage.end("a", "b")
    assert stage.running == {"suspect"}
    await stage.end("suspect")
    assert stage.running == {"c"}
    await stage.end("c")
    await asyncio.gather(*tasks)


async def test_suspects_run_one_after_the_other() -> None:
    stage = Stage()
    tasks = [stage.step(name, alone=True) for name in ("one", "two", "three")]
    tasks.append(stage.step("other"))
    for _ in range(4):
        await _settle()
        (running,) = stage.running
        await stage.end(running)
    await asyncio.gather(*tasks)
    assert all(len(together) == 1 for together in stage.seen)


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_suspect_that_gives_up_waiting_keeps_nobody_waiting(is_running: bool) -> None:
    stage = Stage()
    first = stage.step("first", alone=not is_running)
    await _settle()
    suspect = stage.step("suspect", alone=True)
    await _settle()
    other = stage.step("other")
    await _settle()
    suspect.cancel()
    await _settle()
    await stage.end("first")
    assert stage.running == {"other"}
    await stage.end("other")
    await asyncio.gather(first, other)


async def test_what_waits_while_a_batch_runs_goes_together() -> None:
    batches: list[list[int]] = []
    door = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        await door.wait()
        return [item * 10 for item in items]

    batcher = Batcher[int, int](run, width=3, parallel=1)
    first = batcher.submit(0)
    await _settle()
    others = [batcher.submit(number) for number in range(1, 6)]
    door.set()
    assert await asyncio.gather(first, *others) == [0, 10, 20, 30, 40, 50]
    assert batches == [[0], [1, 2, 3], [4, 5]]


async def test_an_exception_is_handed_to_whom_it_belongs() -> None:
    async def run(items: Sequence[int]) -> list[int | Exception]:
        if 9 in items:
            raise ValueError("everybody's")
        return [KeyError(item) if item == 2 else item for item in items]

    batcher = Batcher[int, int](run, width=3, parallel=1)
    results = await asyncio.gather(*map(batcher.submit, (1, 2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [int, KeyError, int]
    results = await asyncio.gather(*map(batcher.submit, (8, 9)), return_exceptions=True)
    assert [str(result) for result in results] == ["everybody's", "everybody's"]
    assert await batcher.submit(4) == 4


async def test_a_batch_goes_on_when_one_of_its_own_is_not_waited_for_any_more() -> None:
    door = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        await door.wait()
        return list(items)

    batcher = Batcher[int, int](run, width=2, parallel=1)
    first, second = batcher.submit(1), batcher.submit(2)
    await _settle()
    first.cancel()
    door.set()
    assert await second == 2


class _Stuck:
    """A ``run`` whose batches wait until they are let go, by number."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.doors: list[asyncio.Event] = []

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.doors.append(asyncio.Event())
        await self.doors[-1].wait()
        return [item * 10 for item in items]

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.batches) < count:  # noqa: ASYNC110 - nobody to tell us
                await asyncio.sleep(0.001)


async def test_a_run_that_is_stuck_holds_nobody_up_and_its_helper_ends_when_it_goes_on() -> None:
    run = _Stuck()
    batcher = Batcher(run, width=1, parallel=2, patience=0.01)
    stuck = batcher.submit(1)
    others = [batcher.submit(number) for number in (2, 3)]
    await run.reach(2)
    run.doors[1].set()
    assert await others[0] == 20
    await run.reach(3)
    assert not stuck.done()
    run.doors[0].set()
    run.doors[2].set()
    assert await asyncio.gather(stuck, *others) == [10, 20, 30]


async def test_no_more_than_so_many_runs_are_under_way() -> None:
    run = _Stuck()
    batcher = Batcher(run, width=1, parallel=2, patience=0.005)
    futures = [batcher.submit(number) for number in range(4)]
    await run.reach(2)
    await asyncio.sleep(0.05)
    assert len(run.batches) == 2
    for number in range(4):
        await run.reach(number + 1)
        run.doors[number].set()
    assert await asyncio.gather(*futures) == [0, 10, 20, 30]
