"""What a worker does for people, beside its steps: what policies ask for as time passes, warnings, and the mail."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import Error as DatabaseFault
from django.db import connection, connections
from django.utils import timezone

from executions import postman
from executions.services import budget_notices, budgets, notices, policies

logger = logging.getLogger(__name__)

POLICY_SECONDS = 2.0
BUDGETS_SECONDS = 2.0
MAIL_SECONDS = 2.0
FORGET_SECONDS = 3600.0


class Duties:
    """One per worker process. Mail has a thread and a connection of its own, so nothing else waits for it; policies
    and budgets share the other.

    Whatever goes wrong is logged, and tried again with the next look: executions go on without it.
    """

    def __init__(self) -> None:
        self._policies = ThreadPoolExecutor(1, thread_name_prefix="policies")
        self._mail = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._forget_at = 0.0

    def close(self, *, wait: bool = False) -> None:
        """End both, after what they are doing at this moment."""
        for threads in (self._policies, self._mail):
            threads.submit(connections.close_all)
            threads.shutdown(wait=wait)

    async def watch(
        self,
        *,
        policy_every: float = POLICY_SECONDS,
        budgets_every: float = BUDGETS_SECONDS,
        mail_every: float = MAIL_SECONDS,
    ) -> None:
        """Do all of them for ever."""
        await asyncio.gather(
            _repeat(self._policies, _act, every=policy_every, failure="policies_failed"),
            _repeat(self._policies, _watch_budgets, every=budgets_every, failure="budgets_failed"),
            _repeat(self._mail, self._send_and_forget, every=mail_every, failure="mail_failed"),
        )

    def _send_and_forget(self) -> None:
        postman.send_due()
        if time.monotonic() >= self._forget_at:
            notices.forget_old(at=timezone.now())
            self._forget_at = time.monotonic() + FORGET_SECONDS


def _act() -> None:
    while policies.act() >= policies.BATCH:
        pass  # there may be more


def _watch_budgets() -> None:
    """Find what was reached by calls after which no run has looked, then note whom to tell."""
    budgets.warn_due()
    while budget_notices.note_warnings() >= budget_notices.BATCH:
        pass  # there may be more


async def _repeat(threads: ThreadPoolExecutor, duty: Callable[[], object], *, every: float, failure: str) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await asyncio.get_running_loop().run_in_executor(threads, _with_connection, duty)
        except Exception:
            logger.exception("A duty could not be done", extra={"action": failure})


def _with_connection(duty: Callable[[], object]) -> None:
    try:
        duty()
    except DatabaseFault:
        connection.close()  # it may be broken; the next try opens a new one
        raise
