"""Natural batching: what waits while the database is busy goes to it together. Pure asyncio; one event loop only.

Nothing is ever held back to make a batch: alone, a request goes at once. Under load the requests that came in during
one transaction share the next one, and with it its statements, its commit and its way into a thread and back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE_SECONDS = 0.15


class Batcher(Generic[Item, Result]):
    """Hands items to ``run``, up to ``width`` at a time, one run after the other.

    A run that takes longer than ``patience`` seconds (it waits for a lock, say) does not hold up the others: others
    then run beside it, at most ``parallel`` at once, until it has ended. (Measured: where runs follow each other they
    carry more items each, and the engine does a sixth more steps than with three of them always side by side.)

    ``run`` returns, for each item in order, its result or the exception that is its own; an exception that it
    raises is everybody's.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        width: int,
        parallel: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._run = run
        self._width = width
        self._parallel = parallel
        self._patience = patience
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._main: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        # Runs begun, by anybody and by the main task: where these stand still, something is stuck.
        self._begun = 0
        self._main_begun = 0

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Return the future result of ``item``. Cancelling it does not take the item back."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._main is None or self._main.done():
            self._main = asyncio.create_task(self._drain())
        elif self._timer is None:
            self._look_later()
        return future

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._look, self._begun)

    def _look(self, begun: int) -> None:
        """Have a helper run what waits, where no run has begun since the last look."""
        self._timer = None
        if not self._waiting:
            return
        if self._begun == begun and 1 + len(self._helpers) < self._parallel:
            task = asyncio.create_task(self._help(self._main_begun))
            self._helpers.add(task)
            task.add_done_callback(self._helpers.discard)
        self._look_later()

    async def _drain(self) -> None:
        while self._waiting:
            self._main_begun += 1
            await self._run_batch()

    async def _help(self, main_begun: int) -> None:
        """Go on while the main task is where it was."""
        while self._waiting and self._main_begun == main_begun:
            await self._run_batch()

    async def _run_batch(self) -> None:
        self._begun += 1
        batch = [self._waiting.popleft() for _ in range(min(self._width, len(self._waiting)))]
        results: Sequence[Result | Exception]
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed on to everybody who waits
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
