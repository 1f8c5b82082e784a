"""The queue's entry point: a wake-up for one execution. It carries an id, and no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from procrastinate import JobContext
from procrastinate.contrib.django import app

from executions.wakeups import ADVANCE_TASK, QUEUE

if TYPE_CHECKING:
    from executions.runner import Runner


# No retry by the queue: a job is only a wake-up, and the sweeper re-sends those that were lost.
@app.task(name=ADVANCE_TASK, queue=QUEUE, pass_context=True)
async def advance(context: JobContext, execution_id: str) -> None:
    """Look at an execution and work on it until nothing is left for this worker to do."""
    runner: Runner = context.additional_context["runner"]
    runner.worker_id = context.job.worker_id
    await runner.advance(UUID(execution_id))
