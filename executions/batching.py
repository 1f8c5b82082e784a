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


class Batcher(Generic[Item, Result]):
    """Hands items to ``run``, up to ``width`` at a time, with at most ``parallel`` runs at once.

    ``run`` returns, for each item in order, its result or the exception that is its own; an exception that it
    raises is everybody's.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        width: int,
        parallel: int,
    ) -> None:
        self._run = run
        self._width = width
        self._parallel = parallel
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Return the future result of ``item``. Cancelling it does not take the item back."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._running) < self._parallel:
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return future

    async def _drain(self) -> None:
        while self._waiting:
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
