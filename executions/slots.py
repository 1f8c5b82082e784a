"""How much one worker does at a time. Pure asyncio; one event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """A number of places for model calls. Whoever waits gets at least one."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._condition = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        return self._free

    async def take(self, most: int) -> int:
        """Wait until a place is free, take up to ``most`` and return how many; give back what is not used."""
        if not self._free:
            async with self._condition:
                await self._condition.wait_for(lambda: self._free > 0)
                return self.take_free(most)
        return self.take_free(most)

    def take_free(self, most: int) -> int:
        """Take up to ``most`` places that are free, perhaps none, and return how many."""
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def give_back(self, count: int) -> None:
        """Free ``count`` places."""
        if count <= 0:
            return
        was_full = not self._free
        self._free += count
        if not was_full:
            return  # nobody waits while places are free
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._condition:
            self._condition.notify_all()


class Isolation:
    """Lets steps run side by side, but a suspect alone: nothing else runs in this worker meanwhile."""

    def __init__(self) -> None:
        self._running = 0
        self._suspects_waiting = 0
        self._is_alone = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, *, alone: bool) -> AsyncIterator[None]:
        """Hold a place among the others, or all of it."""
        if not alone and not self._is_alone and not self._suspects_waiting:
            self._running += 1  # the usual case takes no lock
        else:
            await self._enter(alone=alone)
        try:
            yield
        finally:
            self._running -= 1
            if self._is_alone or self._suspects_waiting:
                self._is_alone = False
                async with self._changed:
                    self._changed.notify_all()

    async def _enter(self, *, alone: bool) -> None:
        async with self._changed:
            if alone:
                self._suspects_waiting += 1
                try:
                    await self._changed.wait_for(lambda: self._running == 0)
                finally:
                    self._suspects_waiting -= 1
                    self._changed.notify_all()  # it may have been cancelled: others waited for it
                self._is_alone = True
            else:
                await self._changed.wait_for(lambda: not self._is_alone and not self._suspects_waiting)
            self._running += 1
