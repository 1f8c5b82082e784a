"""Back-pressure, which Daphne lacks: an application that sends faster than its client reads has to wait.

Twisted tells a registered producer when more than 64 KB wait to be written to a connection, and when all of that has
left. Without one, whatever an application sends is stored (measured: 420 MB for two clients that never read).
"""

# Daphne first: it chooses the Twisted reactor at import.
import daphne.server  # noqa: F401 # isort: skip

import asyncio
import socket
from typing import Any

from twisted.internet import reactor as _reactor

reactor: Any = _reactor

# A client that takes nothing of what waits for so long is cut off.
STALL_SECONDS = 30.0
# What the kernel may store for a stream beside that. By itself it takes up to 4 MB, and a client that is slow would
# be noticed late.
STREAM_KERNEL_BYTES = 64 * 1024


class WriteFlow:
    """One connection's way out, as Twisted's producer and as what senders wait for."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._resumed: asyncio.Event | None = None
        self._look_again: Any = None
        self._waiting = 0

    async def until_writable(self) -> None:
        if self._resumed is not None:
            await self._resumed.wait()

    def pauseProducing(self) -> None:
        self._resumed = asyncio.Event()
        self._waiting = self._count_waiting()
        self._look_again = reactor.callLater(STALL_SECONDS, self._look)

    def resumeProducing(self) -> None:
        self._let_go()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._let_go()

    def limit_kernel(self) -> None:
        self._transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_KERNEL_BYTES)

    def _look(self) -> None:
        """Cut the connection if none of what waits has left since the last look."""
        waiting = self._count_waiting()
        if not self._transport.connected or not waiting:
            return
        if waiting >= self._waiting:
            self._transport.abortConnection()
        else:
            self._waiting = waiting
            self._look_again = reactor.callLater(STALL_SECONDS, self._look)

    def _count_waiting(self) -> int:
        # Twisted has no other way to ask.
        transport = self._transport
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    def _let_go(self) -> None:
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None
        if self._look_again is not None and self._look_again.active():
            self._look_again.cancel()
        self._look_again = None


class SocketFlow(WriteFlow):
    """As that; meanwhile nothing is read either, or the answers to a flood of pings would be stored."""

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._transport.resumeProducing()
