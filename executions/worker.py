"""A worker process: the queue's worker, the runner, the watch over cancelled calls, the sweeper, the courier, and the
duties at gates."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from functools import partial

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import connections
from procrastinate.contrib.django import procrastinate_app

from executions.duties import Duties
from executions.live_text import telling_watchers
from executions.llm.client import ModelClient, preload
from executions.runner import Runner
from executions.services import work
from executions.services.liveness import DEAD_AFTER_SECONDS
from executions.tracing import told_to
from executions.wakeups import QUEUE
from executions.webhooks import wakeups as webhooks
from executions.webhooks.courier import WEBHOOKS_AT_ONCE, Courier
from executions.webhooks.sending import Sender

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
ASLEEP_AFTER_SECONDS = 6.0
GRACE_SECONDS = 6.0
# A step makes thousands of short-lived objects, hardly any in cycles; Python's default looks every 700.
GC_THRESHOLD = 20_000


class WorkerOver(RuntimeError):
    """This worker cannot go on; another one can."""


async def run_worker(*, concurrency: int) -> None:
    """Work until a signal to stop; calls in flight then get a few seconds to end, or are given back.

    Ends with an exception when the database is gone for long, or the queue has struck this worker off: the
    supervisor starts another.
    """
    preload()
    _keep_to_indexes()
    gc.collect()
    gc.freeze()  # what was imported stays; the collector need not look at it again and again
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    with told_to(settings.COMBINE_OTLP_ENDPOINT):
        await _work(concurrency)


async def _work(concurrency: int) -> None:
    client = ModelClient(
        base_url=settings.ANTHROPIC_BASE_URL,
        api_key=settings.ANTHROPIC_API_KEY,
        is_traced=settings.COMBINE_OTLP_ENDPOINT is not None,
    )
    runner = Runner(client=client, concurrency=concurrency)
    sender = Sender(allow_private=settings.COMBINE_WEBHOOKS_ALLOW_PRIVATE)
    courier = Courier(sender=sender, is_stopping=lambda: runner.is_stopping)
    duties = Duties()
    queue_app = procrastinate_app.current_app
    app = queue_app.with_connector(queue_app.connector.get_worker_connector())  # type: ignore[attr-defined]
    async with app.open_async(), client, telling_watchers() as runner.live_text:
        jobs = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE, webhooks.QUEUE],
                concurrency=concurrency + WEBHOOKS_AT_ONCE,
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE_SECONDS,
                delete_jobs="always",
                task_middleware=[],  # the default visits a thread twice a job, for connections that we do not open
                additional_context={"runner": runner, "courier": courier},
                update_heartbeat_interval=settings.PROCRASTINATE_WORKER_DEFAULTS["update_heartbeat_interval"],
                stalled_worker_timeout=settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"],
                fetch_job_polling_interval=settings.PROCRASTINATE_WORKER_DEFAULTS["fetch_job_polling_interval"],
            )
        )
        watch = asyncio.create_task(runner.watch())
        sweeper = asyncio.create_task(_sweep(runner))
        relay = asyncio.create_task(courier.watch(dead_after=DEAD_AFTER_SECONDS))
        at_gates = asyncio.create_task(duties.watch())
        _stop_on_signals(runner, jobs)
        try:
            await _first_end(jobs, watch, sweeper, runner)
        finally:
            was_told_to_stop, runner.is_stopping = runner.is_stopping, True
            for task in (watch, sweeper, relay, at_gates, jobs):
                task.cancel()
            await asyncio.gather(watch, sweeper, relay, at_gates, jobs, return_exceptions=True)
            if was_told_to_stop:
                with contextlib.suppress(DatabaseFault):  # then it looks as if this worker had died
                    await runner.give_back_all()
            runner.close()
            courier.close()
            duties.close()


def _keep_to_indexes() -> None:
    """Have PostgreSQL look rows up by index in this process's connections.

    A prepared statement keeps the plan it got while a table was nearly empty, and then reads all of it for every
    step, until statistics are gathered. (Measured: twice the server's time after a thousand executions.)
    """
    place = connections.settings["default"]["OPTIONS"]
    place["options"] = f"{place.get('options', '')} -c enable_seqscan=off".strip()


async def _first_end(
    jobs: asyncio.Task[None], watch: asyncio.Task[None], sweeper: asyncio.Task[None], runner: Runner
) -> None:
    """Wait until one of the parts ends; raise what ended it, unless it was a signal."""
    done, _ = await asyncio.wait({jobs, watch, sweeper, runner.broken}, return_when=asyncio.FIRST_COMPLETED)
    for part in done:
        with contextlib.suppress(asyncio.CancelledError):
            part.result()
    if not runner.is_stopping:
        raise WorkerOver("it has lost the queue; another one should be started")


def _stop_on_signals(runner: Runner, jobs: asyncio.Task[None]) -> None:
    def stop() -> None:
        runner.is_stopping = True
        jobs.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def _sweep(runner: Runner) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        if runner.worker_id is not None:
            is_registered = await runner.database(partial(work.is_registered, runner.worker_id))
            if not is_registered:
                raise WorkerOver("the queue has struck it off: it was paused for too long")
            await runner.give_back_unknown()
        done = await runner.database(
            partial(work.sweep, dead_after=DEAD_AFTER_SECONDS, asleep_after=ASLEEP_AFTER_SECONDS)
        )
        if done:
            logger.warning("Work was taken over or woken again", extra={"action": "swept", "count": done})
