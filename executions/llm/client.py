"""The one door to the model: one call, its limits, and what it has used, whatever becomes of it.

What a call costs in CPU decides how many steps a worker can run, so: the SDK's aiohttp transport, the
raw body instead of event objects, two timers per call instead of one per read, one client per process.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from executions.llm.errors import ConnectionFailed, DeadlineExceeded, Stalled
from executions.llm.stream import MessageReader
from executions.llm.values import JSON, CallProgress, ModelRequest, ModelResponse

if TYPE_CHECKING:
    from executions.llm.sdk import ModelConnection

_NO_KEY = "no-key-configured"
_SLOW_MODULES = ("executions.llm.sdk", "executions.llm.pricing")
# A finished message is given this long to end its HTTP body, which lets the connection be used again.
_DRAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Bounds of one call, beside the request's own deadline. ``max_text_bytes`` counts the answer in UTF-8."""

    stall_seconds: float = 60.0
    connect_seconds: float = 10.0
    max_text_bytes: int = 2_000_000


def preload() -> None:
    """Import what is slow (a second or more), once, before the event loop has work to do."""
    for name in _SLOW_MODULES:
        importlib.import_module(name)


class ModelClient:
    """One per process and event loop; safe for hundreds of calls at once."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        limits: CallLimits | None = None,
        is_traced: bool = False,
    ) -> None:
        self._base_url = base_url or None
        # Without one the SDK would search environment and home directory for credentials that nobody chose.
        self._api_key = api_key or _NO_KEY
        self._limits = limits or CallLimits()
        self._is_traced = is_traced
        self._connection: ModelConnection | None = None

    async def complete(
        self,
        request: ModelRequest,
        *,
        on_text: Callable[[str], None] | None = None,
        on_usage: Callable[[JSON], None] | None = None,
        observed: CallProgress | None = None,
    ) -> ModelResponse:
        """Send ``request`` and read the answer to its end.

        ``observed`` is updated while the call runs and stays readable after an error or a cancellation,
        which closes the connection at once. ``on_text`` gets each new piece of text, ``on_usage`` the
        usage so far; both must be quick.

        :raises LLMError: for everything but a message that ended properly.
        """
        progress = observed if observed is not None else CallProgress()
        reader = MessageReader(progress, max_text_bytes=self._limits.max_text_bytes, on_text=on_text, on_usage=on_usage)
        watch = _CallWatch(progress, stall_seconds=self._limits.stall_seconds)

        def take(data: bytes) -> None:
            if reader.feed(data):
                watch.note_progress()
            if reader.is_complete:
                watch.expect_end()

        connection = self._connection or self._connect()
        try:
            async with asyncio.timeout(request.timeout_seconds) as timeout:
                watch.start(timeout)
                await connection.stream(request, progress, take)
        except TimeoutError:
            if not reader.is_complete:
                raise watch.error() from None
        finally:
            watch.stop()
        return reader.response()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._connection is not None:
            await self._connection.aclose()
            self._connection = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _connect(self) -> ModelConnection:
        sdk = importlib.import_module("executions.llm.sdk")
        connection: ModelConnection = sdk.ModelConnection(
            base_url=self._base_url,
            api_key=self._api_key,
            connect_seconds=self._limits.connect_seconds,
            is_traced=self._is_traced,
        )
        self._connection = connection
        return connection


class _CallWatch:
    """The clock of one call: first text, latency, and whether the answer still goes on.

    A stall ends the call through its ``asyncio.Timeout``, which knows how to tell its own cancellation
    from one that comes from outside. Its timer looks back when it fires, instead of being moved by every read.
    """

    def __init__(self, progress: CallProgress, *, stall_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._progress = progress
        self._stall_seconds = stall_seconds
        self._started = self._last_progress = self._loop.time()
        self._timeout: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_stalled = False
        self._is_ending = False

    def start(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._timer = self._loop.call_later(self._stall_seconds, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._progress.latency_ms = self._since_start()

    def note_progress(self) -> None:
        self._last_progress = self._loop.time()
        if self._progress.ttft_ms is None and self._progress.text_chars:
            self._progress.ttft_ms = self._since_start()

    def expect_end(self) -> None:
        """Give the body, whose message is complete, a moment to end."""
        if self._timeout is not None and not self._is_ending and not self._timeout.expired():
            self._is_ending = True
            self._timeout.reschedule(self._loop.time() + _DRAIN_SECONDS)

    def error(self) -> Stalled | DeadlineExceeded | ConnectionFailed:
        """Return the error for a ``TimeoutError``: ours, or one of the operating system's."""
        if self._timeout is None or not self._timeout.expired():
            return ConnectionFailed("the connection to the model timed out", progress=self._progress)
        if self._is_stalled:
            return Stalled(f"the model wrote nothing for {self._stall_seconds:g} seconds", progress=self._progress)
        return DeadlineExceeded("the call took longer than the step allows", progress=self._progress)

    def _look(self) -> None:
        assert self._timeout is not None
        silent = self._loop.time() - self._last_progress
        if silent < self._stall_seconds:
            self._timer = self._loop.call_later(self._stall_seconds - silent, self._look)
        elif not self._is_ending and not self._timeout.expired():
            self._is_stalled = True
            self._timeout.reschedule(self._loop.time())

    def _since_start(self) -> int:
        return round((self._loop.time() - self._started) * 1000)
