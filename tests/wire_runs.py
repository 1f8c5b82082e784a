"""Runs of the real engine against a model on a real socket, in this process: claimed, called, booked and recorded.

The runner is the worker's own, with its threads and its client; what is missing is the queue around it. So a test says
when a worker looks at a run, is stopped, or dies.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from django.db import connection

from executions.engine.state import FINAL, ExecutionStatus
from executions.llm.client import CallLimits, ModelClient
from executions.llm.errors import LLMError
from executions.llm.offline.replies import Reply
from executions.llm.offline.scripted import ScriptedModel
from executions.llm.values import JSON, ModelResponse
from executions.models import Execution, Gate, GateKind
from executions.runner import DATABASE_THREADS, Runner
from executions.services import work
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import answer, decide, person
from executions.tests.pretend_worker import PretendWorker, let_time_pass, sweep
from executions.values import Claim

_MOST_ROUNDS = 60
# An answer without pauses is there at once; one that is not there by then hangs.
_HANGS_AFTER = 0.1
_LOOK_SECONDS = 0.02


@dataclass(kw_only=True)
class Fate:
    """What becomes of one run: replies in the order of the calls, then documents; what is said at gates, then yes.

    ``crashes`` are calls of a worker that dies, before others look at the run: its answer has come (``answered``), or
    is in the ledger (``booked``), or was only late (``late``) and is booked after the call counts as lost. ``at_hang``
    says what ends a call that hangs: the run is cancelled (``cancel``), or the worker stopped (``stop``).
    """

    replies: deque[Reply] = field(default_factory=deque)
    decisions: deque[str] = field(default_factory=deque)
    crashes: deque[str] = field(default_factory=deque)
    at_hang: deque[str] = field(default_factory=deque)
    retries: int = 0

    def reply(self, _body: JSON, _number: int) -> Reply:
        return self.replies.popleft() if self.replies else Reply()


@dataclass(frozen=True)
class Wire:
    """A model, and workers that call it."""

    model: ScriptedModel

    def play(self, run: Execution, fate: Fate) -> None:
        """Bring a run to the end that its fate has for it."""
        self.model.script = fate.reply
        while fate.crashes:
            self._crash(run, fate.crashes.popleft())
        for _ in range(_MOST_ROUNDS):
            asyncio.run(self._work(run, fate, PretendWorker()))
            let_time_pass(run)
            run.refresh_from_db()
            if run.status == ExecutionStatus.FAILED and fate.retries:
                fate.retries -= 1
                retry_execution(actor=person("olga"), execution_id=run.pk)
            elif run.status in FINAL or run.status == ExecutionStatus.FAILED:
                return
            else:
                _have_people_act(run, fate)
        raise AssertionError(f"the run does not end: it is {run.status}")

    async def _work(self, run: Execution, fate: Fate, worker: PretendWorker) -> None:
        """Have a worker do what can be done, or until it is stopped."""
        async with ModelClient(base_url=self.model.base_url, api_key="sk-test") as client:
            runner = Runner(client=client, concurrency=20)
            runner.worker_id = worker.id
            watch = asyncio.create_task(runner.watch())
            working = asyncio.create_task(runner.advance(run.pk))
            try:
                while not (await asyncio.wait({working}, timeout=_LOOK_SECONDS))[0]:
                    if self._hangs():
                        await _end_hang(runner, run, fate, working)
                assert not runner.broken.done(), runner.broken.exception()
                assert working.cancelled() or working.exception() is None, working.exception()
            finally:
                working.cancel()
                watch.cancel()
                await asyncio.gather(working, watch, return_exceptions=True)
                await _close(runner)

    def _hangs(self) -> bool:
        now = time.monotonic()
        return any(
            each.finished is each.faulted_at is each.disconnected_at is None and now - each.started > _HANGS_AFTER
            for each in self.model.journal
        )

    def _crash(self, run: Execution, how: str) -> None:
        """Have a worker die with a call: after its answer has come, or after that was booked."""
        worker = PretendWorker()
        for claim in worker.claim(run, limit=1):
            worker.begin(claim)
            response = None if claim.stored_answer else asyncio.run(self._call(claim))
            if response is not None and how == "booked":
                work.book_response(claim, response)
            worker.die()
            sweep()
            if response is not None and how == "late":
                work.book_response(claim, response)

    async def _call(self, claim: Claim) -> ModelResponse | None:
        limits = CallLimits(stall_seconds=2 * _HANGS_AFTER)
        async with ModelClient(base_url=self.model.base_url, api_key="sk-test", limits=limits) as client:
            try:
                return await client.complete(claim.request)
            except LLMError:
                return None


async def _end_hang(runner: Runner, run: Execution, fate: Fate, working: asyncio.Task[None]) -> None:
    """Do what ends a call that never ends by itself, and wait for that."""
    if (fate.at_hang.popleft() if fate.at_hang else "stop") == "stop":
        working.cancel()
    else:
        await runner.in_thread(lambda: cancel_execution(actor=person("olga"), execution_id=run.pk))
    await asyncio.wait({working})


def _have_people_act(run: Execution, fate: Fate) -> None:
    for gate in Gate.objects.filter(execution=run, status="open").select_related("execution"):
        if gate.kind == GateKind.CLARIFICATION:
            answer("olga", gate, {"WHO": "All"})
        else:
            decide("ed", gate, fate.decisions.popleft() if fate.decisions else "accept", "Longer.")
            return  # the run may have ended by it


async def _close(runner: Runner) -> None:
    """Close the database's connections of a runner's threads: all of them at once, so that each thread does."""
    together = threading.Barrier(DATABASE_THREADS)

    def close() -> None:
        together.wait(60)
        connection.close()

    await asyncio.gather(*[runner.in_thread(close) for _ in range(DATABASE_THREADS)])
    runner.close()
