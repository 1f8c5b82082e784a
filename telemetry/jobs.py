"""The queue's entry points: the sums of the ledger are brought up to date every minute, and compared with it at night.

Nothing is wrong where the first comes late or never: what is not in the sums is read from the ledger, only more slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from django.db import connection
from procrastinate import JobContext
from procrastinate.contrib.django import app

from executions.wakeups import QUEUE
from telemetry.rollup import roll_up
from telemetry.traces import tell_of_ended
from telemetry.verification import mend

if TYPE_CHECKING:
    from executions.runner import Runner

T = TypeVar("T")


@app.periodic(cron="* * * * *")
@app.task(name="telemetry.roll_up", queue=QUEUE, queueing_lock="telemetry.roll_up", pass_context=True)
async def roll_up_costs(context: JobContext, timestamp: int) -> None:
    """Add to the sums what is over by now, a chunk at a time."""
    runner: Runner = context.additional_context["runner"]
    while not runner.is_stopping and await runner.database(roll_up):
        pass  # each chunk is a transaction of its own


@app.periodic(cron="* * * * *")
@app.task(name="telemetry.traces", queue=QUEUE, queueing_lock="telemetry.traces")
async def tell_of_ended_executions(timestamp: int) -> None:
    """Tell the collector of traces, if there is one, of executions that have ended; in a thread of its own."""
    while await asyncio.to_thread(_disconnected, tell_of_ended):
        pass


@app.periodic(cron="23 3 * * *")
@app.task(name="telemetry.mend", queue=QUEUE, queueing_lock="telemetry.mend")
async def mend_costs(timestamp: int) -> None:
    """Compare the sums with the ledger, in a thread of its own: the worker's threads have steps to record."""
    await asyncio.to_thread(_disconnected, mend)


def _disconnected(act: Callable[[], T]) -> T:
    try:
        return act()
    finally:
        connection.close()
