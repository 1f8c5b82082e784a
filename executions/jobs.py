"""The queue's entry points: a wake-up for one execution, which carries an id and no rule, and a broom."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection
from procrastinate import JobContext
from procrastinate.contrib.django import app

from executions.services import audit_chain
from executions.services.idempotency import REMOVE_BATCH, remove_expired
from executions.wakeups import ADVANCE_TASK, QUEUE
from executions.webhooks import wakeups as webhooks

if TYPE_CHECKING:
    from executions.runner import Runner
    from executions.webhooks.courier import Courier


# No retry by the queue: a job is only a wake-up, and the sweeper re-sends those that were lost.
@app.task(name=ADVANCE_TASK, queue=QUEUE, pass_context=True)
async def advance(context: JobContext, execution_id: str) -> None:
    """Look at an execution and work on it until nothing is left for this worker to do."""
    runner: Runner = context.additional_context["runner"]
    runner.worker_id = context.job.worker_id
    await runner.advance(UUID(execution_id))


# No retry here either: what is due stays due, and the relay finds it.
@app.task(name=webhooks.DELIVER_TASK, queue=webhooks.QUEUE, pass_context=True)
async def deliver_webhook(context: JobContext, webhook_id: str) -> None:
    """Send what is due for a webhook."""
    courier: Courier = context.additional_context["courier"]
    await courier.deliver(UUID(webhook_id))


@app.periodic(cron="*/10 * * * *")
@app.task(
    name="executions.remove_kept_answers",
    queue=QUEUE,
    queueing_lock="executions.remove_kept_answers",
    pass_context=True,
)
async def remove_kept_answers(context: JobContext, timestamp: int) -> None:
    """Remove the answers to requests with an ``Idempotency-Key`` whose day is over, a lot at a time."""
    runner: Runner = context.additional_context["runner"]
    while await runner.database(partial(remove_expired, REMOVE_BATCH)) == REMOVE_BATCH:
        pass  # each lot is a transaction of its own, so nobody waits for long


@app.periodic(cron="* * * * *")
@app.task(name="executions.seal_audit_log", queue=QUEUE, queueing_lock="executions.seal_audit_log")
async def seal_audit_log(timestamp: int) -> None:
    """Seal the audit log, in a thread of its own: it may wait, and the worker's threads have steps to record."""
    await asyncio.to_thread(_seal)


def _seal() -> None:
    try:
        audit_chain.seal()
    finally:
        connection.close()
