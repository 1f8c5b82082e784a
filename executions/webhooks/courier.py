"""The courier: the part of a worker process that sends what is due. Many webhooks at a time, few requests to each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from executions.webhooks import deliveries
from executions.webhooks.deliveries import Answer, Parcel
from executions.webhooks.messages import body_of
from executions.webhooks.relay import forget_old, relay
from executions.webhooks.sealing import SecretUnreadable, unseal
from executions.webhooks.sending import Sender
from executions.webhooks.signing import signed_headers

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Webhooks that one process works for at a time, and requests to each. Those that must wait are found again.
WEBHOOKS_AT_ONCE = 50
REQUESTS_AT_ONCE = 4
# Then the others have their turn.
TURN_SECONDS = 30.0
RELAY_SECONDS = 1.0
FORGET_SECONDS = 3600.0
DATABASE_THREADS = 2
_DATABASE_WAITS = (0.1, 0.3, 1.0, 3.0, 5.0, 5.0)


class Courier:
    """One per worker process, with threads and connections of its own: executions never wait for it."""

    def __init__(
        self,
        *,
        sender: Sender,
        is_stopping: Callable[[], bool] = lambda: False,
        threads: ThreadPoolExecutor | None = None,
    ) -> None:
        self._sender = sender
        self._is_stopping = is_stopping
        self._turns = 0
        self._threads = threads or ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="webhooks")

    def close(self) -> None:
        self._sender.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def watch(self, *, dead_after: float, every: float = RELAY_SECONDS) -> None:
        """Relay events as they come, for ever, and now and then forget what is long past.

        Whatever goes wrong is logged, and tried again: executions go on where nobody can be told of them.
        """
        forget_at = time.monotonic()
        while True:
            await asyncio.sleep(every)
            try:
                await self._database(partial(relay, dead_after=dead_after))
                if time.monotonic() >= forget_at:
                    removed = await self._database(forget_old)
                    forget_at = time.monotonic() + (0 if removed else FORGET_SECONDS)
            except Exception:
                logger.exception("Events could not be relayed to webhooks", extra={"action": "relay_failed"})

    async def deliver(self, webhook_id: UUID) -> None:
        """Send what is due for a webhook until nothing is, or until its turn is over; the relay sees to the rest."""
        if self._turns >= WEBHOOKS_AT_ONCE:
            return
        self._turns += 1
        under_way: set[asyncio.Task[None]] = set()
        until = time.monotonic() + TURN_SECONDS
        try:
            while True:
                if not self._is_stopping() and time.monotonic() < until:
                    free = REQUESTS_AT_ONCE - len(under_way)
                    parcels = await self._database(partial(deliveries.claim, webhook_id, free))
                    under_way |= {asyncio.create_task(self._send(parcel)) for parcel in parcels}
                if not under_way:
                    return
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._turns -= 1
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _send(self, parcel: Parcel) -> None:
        try:
            answer = await self._attempt(parcel)
        except asyncio.CancelledError:
            await asyncio.shield(self._database(partial(deliveries.release, parcel)))
            raise
        await self._database(partial(deliveries.record, parcel, answer))
        logger.info(
            "A webhook was called",
            extra={
                "action": "webhook_called",
                "execution_id": parcel.happening.execution_id,
                "webhook_id": str(parcel.happening.webhook_id),
                "delivery_id": str(parcel.delivery_id),
                "attempt": parcel.attempt,
                "http_status": answer.http_status,
                "error": answer.error_code,
                "duration_ms": answer.duration_ms,
            },
        )

    async def _attempt(self, parcel: Parcel) -> Answer:
        try:
            keys = [unseal(sealed) for sealed in parcel.sealed]
        except SecretUnreadable:
            detail = "The secret was stored under another COMBINE_SECRET_KEY and cannot be read; rotate it."
            return _not_sent("SECRET_UNREADABLE", detail)
        try:
            body = body_of(parcel.happening)
            headers = signed_headers(message_id=str(parcel.delivery_id), at=timezone.now(), body=body, keys=keys)
            return await self._sender.post(parcel.url, headers=headers, body=body)
        except Exception:  # the boundary of a job: a defect is seen, and the delivery does not stay claimed
            facts = {"action": "webhook_defect", "delivery_id": str(parcel.delivery_id)}
            logger.exception("A webhook failed by a defect", extra=facts)
            return _not_sent("INTERNAL_ERROR", "The attempt failed because of a defect in The Combine; see the log.")

    async def _database(self, function: Callable[[], T]) -> T:
        """Run a transaction in a thread, again while the database restarts. All of them may be repeated."""
        loop = asyncio.get_running_loop()
        for wait in _DATABASE_WAITS:
            try:
                return await loop.run_in_executor(self._threads, partial(_with_connection, function))
            except (OperationalError, InterfaceError) as error:
                facts = {"action": "webhook_retry", "error": type(error).__name__}
                logger.warning("A transaction of webhooks is tried again", extra=facts)
                await asyncio.sleep(wait)
        return await loop.run_in_executor(self._threads, partial(_with_connection, function))


def _with_connection(function: Callable[[], T]) -> T:
    try:
        return function()
    except DatabaseFault:
        connection.close()  # it may be broken; the next try opens a new one
        raise


def _not_sent(code: str, detail: str) -> Answer:
    return Answer(http_status=None, error_code=code, detail=detail, response_body="", duration_ms=0)
