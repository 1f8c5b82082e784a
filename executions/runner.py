"""The worker's inside: model calls as asyncio tasks, transactions in a few threads.

A job wakes an execution; the runner claims what may start, makes the calls, records each outcome, and goes on
at once with what became runnable, without a round trip through the queue. No transaction and no connection is
held during a call. See docs/architecture.md, "The hot path".
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError, connection

from documents.edits import carry_over
from executions import faultpoints, step_log
from executions.batching import Batcher
from executions.engine.state import ErrorCode
from executions.faultpoints import reach
from executions.live_text import LiveText
from executions.llm.catalogue import larger_max_tokens
from executions.llm.client import ModelClient
from executions.llm.errors import LLMError, TransientError
from executions.llm.parsing import (
    DocumentOutput,
    InvalidOutput,
    QuestionSet,
    collection_findings,
    parse_output,
    summary_of,
    title_of,
)
from executions.llm.values import CallProgress, ModelResponse
from executions.services import advancing, work
from executions.slots import Isolation, Slots
from executions.tracing import within_attempt
from executions.values import Asked, Claim, CutShort, Failed, Invalid, Outcome, Produced, ProviderFailed
from workflows.schemas import build_validator

logger = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE_THREADS = 4
WATCH_SECONDS = 0.3
# Steps claimed in one transaction; the rest of a wide fan-out follows in the next one.
CLAIM_CHUNK = 16
# Wake-ups taken at once; few enough that several workers share a burst.
TAKE_CHUNK = 16
# First the execution that woke us; a burst is still there a moment later.
TAKE_AFTER_SECONDS = 0.02
# Requests that share a transaction where several wait.
BATCH_WIDTH = 32
# An answer longer than this is read in a thread, so that the event loop (and its heartbeat) goes on.
LONG_ANSWER = 50_000
# A claim is known within milliseconds of its commit, or never.
UNKNOWN_AFTER_SECONDS = 10.0
_DATABASE_WAITS = (0.1, 0.3, 1.0, 3.0, 5.0, 5.0)


class Superseded(Exception):
    """The step is no longer this attempt's: it was cancelled, or taken over."""


class Runner:
    """One per worker process. ``worker_id`` is the queue's number of this worker, known with its first job."""

    def __init__(self, *, client: ModelClient, concurrency: int) -> None:
        self.client = client
        self.slots = Slots(concurrency)
        self.isolation = Isolation()
        self.worker_id: int | None = None
        # Where those who watch are told what models write.
        self.live_text: LiveText | None = None
        self.is_stopping = False
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._threads = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="database")
        self._transactions: Batcher[advancing.Request, advancing.Claimed] = Batcher(
            self._transact, width=BATCH_WIDTH, parallel=DATABASE_THREADS - 1
        )
        self._bookings: Batcher[tuple[Claim, ModelResponse], None] = Batcher(
            self._book, width=BATCH_WIDTH, parallel=DATABASE_THREADS - 1
        )
        self._calls: dict[UUID, asyncio.Task[Any]] = {}
        self._held: set[UUID] = set()
        self._is_taking = False

    async def advance(self, execution_id: UUID) -> None:
        """Work on an execution until nothing of it is left for this worker to do."""
        pending: set[asyncio.Task[None]] = set()
        try:
            if not self._is_taking:
                pending.add(asyncio.create_task(self._take_more(pending)))
            await self._claim_all(execution_id, pending, most=1)
            while pending:
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                pending -= done
                for task in done:
                    if not task.cancelled() and (error := task.exception()) is not None:
                        # Its wake-up is lost; the sweeper sends another.
                        facts = {"action": "wakeup_failed", "execution_id": str(execution_id)}
                        logger.error("A wake-up failed", extra=facts, exc_info=error)
        except asyncio.CancelledError:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            raise

    async def _take_more(self, pending: set[asyncio.Task[None]]) -> None:
        """Take further wake-ups, many at a time, as places come free: one may be the first of a burst."""
        self._is_taking = True
        try:
            await asyncio.sleep(TAKE_AFTER_SECONDS)
            is_empty = False
            while not is_empty and not self.is_stopping:
                places = await self.slots.take(TAKE_CHUNK)
                found = await self._claim(advancing.TakeRequest(limit=places), places, pending)
                for execution_id in found.more:
                    pending.add(asyncio.create_task(self._claim_all(execution_id, pending)))
                is_empty = found.taken < places
        finally:
            self._is_taking = False

    async def _claim_all(
        self, execution_id: UUID, pending: set[asyncio.Task[None]], *, most: int = CLAIM_CHUNK
    ) -> None:
        """Claim what may start, ``most`` at first and then a chunk at a time, while there are places for it."""
        has_more = True
        while has_more:
            if self.is_stopping:
                await self.database(partial(work.wake, execution_id))
                return
            try:
                places = await self.slots.take(most)
            except asyncio.CancelledError:  # the worker's end: the wake-up is for another
                await to_the_end(self.begin(partial(work.wake, execution_id)))
                raise
            request = advancing.ClaimRequest(execution_id=execution_id, limit=places)
            has_more = bool((await self._claim(request, places, pending)).more)
            most = CLAIM_CHUNK

    async def _claim(
        self, request: advancing.Request, places: int, pending: set[asyncio.Task[None]]
    ) -> advancing.Claimed:
        """Begin what a request claims in the ``places`` that are held for it; give the others back."""
        found = advancing.Claimed()
        try:
            found = await to_the_end(self._transactions.submit(request))
            self._held.update(claim.token for claim in found.claims)
        finally:
            self.slots.give_back(places - len(found.claims))
        for claim in found.claims:
            pending.add(asyncio.create_task(self._run_chain(claim, pending)))
        return found

    async def _run_chain(self, claim: Claim, pending: set[asyncio.Task[None]]) -> None:
        """Run a step and go on with one that it made runnable, in the same place; claim the others."""
        current: Claim | None = claim
        try:
            while current is not None:
                found = await self._run_step(current)
                current = found.claims[0] if found.claims else None
                for execution_id in found.more:
                    pending.add(asyncio.create_task(self._claim_all(execution_id, pending)))
        finally:
            self.slots.give_back(1)

    async def _run_step(self, claim: Claim) -> advancing.Claimed:
        """Make the call of one claimed step and record what it brought; return what was claimed next."""
        try:
            async with self.isolation.hold(alone=claim.runs_alone):
                if claim.runs_alone:
                    await self.database(partial(work.note_alone, claim))
                outcome = await self._outcome(claim)
            return await self._record(claim, outcome)
        except Superseded:
            return advancing.Claimed()
        except asyncio.CancelledError:
            await to_the_end(self.begin(partial(work.release, claim)))
            raise
        except Exception as error:  # a step that cannot be recorded: this worker must end, so that another takes it
            logger.exception("A step could not be recorded", extra=step_log.facts_of(claim, "record_failed"))
            self._break(error)
            return advancing.Claimed()
        finally:
            self._held.discard(claim.token)

    async def _record(self, claim: Claim, outcome: Outcome) -> advancing.Claimed:
        limit = 0 if self.is_stopping else 1
        request = advancing.RecordRequest(claim=claim, outcome=outcome, limit=limit)
        found = await to_the_end(self._transactions.submit(request))
        self._held.update(other.token for other in found.claims)
        if found.is_superseded:
            logger.warning(
                "A result came too late and was dropped", extra=step_log.facts_of(claim, "result_superseded")
            )
        else:
            logger.info("A step was recorded", extra=step_log.recorded(claim, outcome))
        return found

    def _break(self, error: Exception) -> None:
        if not self.broken.done():
            self.broken.set_exception(error)

    async def _outcome(self, claim: Claim) -> Outcome:
        """Return what the model's answer is; the answer itself is in the ledger before it is read."""
        try:
            if claim.stored_answer is not None:
                stored = claim.stored_answer
                model = claim.request.model
                return await self._read(
                    claim, stored.text, stored.stop_reason, model=model, is_offline=stored.is_offline
                )
            return await self._call(claim)
        except (Superseded, asyncio.CancelledError, DatabaseFault):
            raise
        except LLMError as error:
            logger.warning("A model call failed", extra=step_log.failed(claim, error))
            await self.database(partial(work.book_failure, claim, error))
            if isinstance(error, TransientError) or error.retryable:
                return ProviderFailed(error=error, jitter=random.random())  # noqa: S311 - jitter
            return Failed(code=ErrorCode(error.code), detail=str(error))
        except Exception:  # the boundary of a job: a defect fails the step, and is seen
            logger.exception("A step failed by a defect", extra=step_log.facts_of(claim, "step_defect"))
            detail = "The step failed because of a defect in The Combine; the log has the details."
            return Failed(code=ErrorCode.INTERNAL_ERROR, detail=detail)

    async def _call(self, claim: Claim) -> Outcome:
        progress = CallProgress()
        task = asyncio.current_task()
        assert task is not None
        self._calls[claim.token] = task
        if self.live_text is not None:
            self.live_text.begin(claim, progress)
        on_text = partial(_first_text, claim.path) if faultpoints.is_active() else None
        reach("before_send")
        try:
            with within_attempt(claim.execution_id, claim.token):
                response = await self.client.complete(claim.request, observed=progress, on_text=on_text)
        except asyncio.CancelledError:
            await to_the_end(self.begin(partial(work.book_cancelled, claim, progress)))
            if claim.token not in self._calls:  # the watch broke it off, not the worker's end
                task.uncancel()
                raise Superseded from None
            raise
        finally:
            self._calls.pop(claim.token, None)
            if self.live_text is not None:
                self.live_text.end(claim)
        await to_the_end(self._bookings.submit((claim, response)))
        logger.info("The model has answered", extra=step_log.answered(claim, response))
        reach("answer_booked")
        return await self._read(
            claim, response.text, response.stop_reason, model=response.model, is_offline=response.is_offline
        )

    async def _read(self, claim: Claim, text: str, stop_reason: str, *, model: str, is_offline: bool) -> Outcome:
        read = partial(read_answer, claim, text, stop_reason, model=model, is_offline=is_offline)
        return read() if len(text) <= LONG_ANSWER else await self.in_thread(read)

    async def watch(self) -> None:
        """Break off calls whose step is no longer theirs: the run was cancelled, or another worker took over."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self._calls:
                continue
            tokens = list(self._calls)
            current = await self.database(partial(work.current_tokens, tokens))
            for token in set(tokens) - current:
                task = self._calls.pop(token, None)
                if task is not None:
                    task.cancel()

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run a transaction in one of the database threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def database(self, function: Callable[[], T]) -> T:
        """As :meth:`in_thread`, tried again while the database restarts or a lock is contended.

        Every transaction here may be repeated: it looks at the state first, and does nothing twice.
        """
        for wait in _DATABASE_WAITS:
            try:
                return await self.in_thread(partial(_with_connection, function))
            except (OperationalError, InterfaceError) as error:
                logger.warning("A transaction is tried again", extra={"action": "retry", "error": type(error).__name__})
                await asyncio.sleep(wait)
        return await self.in_thread(partial(_with_connection, function))

    def begin(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """As :meth:`database`, begun at once: it is done even if nobody waits for it any more."""
        return asyncio.ensure_future(self.database(function))

    async def _transact(self, requests: Sequence[advancing.Request]) -> list[advancing.Claimed | Exception]:
        return await self.database(partial(advancing.transact_each, requests, worker_id=self.worker_id))

    async def _book(self, answered: Sequence[tuple[Claim, ModelResponse]]) -> list[None]:
        await self.database(partial(work.book_responses, answered))
        return [None] * len(answered)

    async def give_back_unknown(self) -> int:
        """Give back the steps that this worker holds without knowing it; see the service of that name."""
        worker_id = self.worker_id
        if worker_id is None:
            return 0
        return await self.database(
            lambda: work.give_back_unknown(
                worker_id=worker_id, known=list(self._held), older_than=UNKNOWN_AFTER_SECONDS
            )
        )

    async def give_back_all(self) -> None:
        """Give back whatever this worker still holds, now that it does nothing any more."""
        if self.worker_id is not None:
            await self.in_thread(partial(work.give_back_unknown, worker_id=self.worker_id, known=(), older_than=0))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def to_the_end(begun: asyncio.Future[T]) -> T:
    """Wait for what was begun; a task that is cancelled meanwhile ends only when that is done."""
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        await asyncio.wait((begun,))
        raise


def _with_connection(function: Callable[[], T]) -> T:
    try:
        return function()
    except DatabaseFault:
        connection.close()  # it may be broken; the next try opens a new one
        raise


def _first_text(path: str, _text: str) -> None:
    reach("first_text", path)


def read_answer(claim: Claim, text: str, stop_reason: str, *, model: str, is_offline: bool) -> Outcome:
    """Return what an answer is: a document, questions, or what is wrong with it."""
    if stop_reason == "refusal":
        return Failed(code=ErrorCode.MODEL_REFUSED, detail="The model refused to write this document.")
    if stop_reason in ("max_tokens", "model_context_window_exceeded"):
        return CutShort(room=larger_max_tokens(claim.request.model, claim.request.max_tokens))
    parsed = parse_output(
        text,
        doc_type=claim.doc_type,
        may_ask=claim.may_ask,
        validator=build_validator(claim.doc_type.schema),
        collection=claim.collection,
    )
    match parsed:
        case DocumentOutput():
            return _produced(claim, parsed, model=model, is_offline=is_offline)
        case QuestionSet():
            return Asked(questions=parsed.questions)
        case InvalidOutput():
            return Invalid(findings=parsed.findings)


def _produced(claim: Claim, parsed: DocumentOutput, *, model: str, is_offline: bool) -> Produced:
    """Return the document to store: what people had set themselves in the version before stands."""
    content, edits, feedback = parsed.content, None, claim.feedback
    if feedback is not None and feedback.previous_edits is not None:
        content, edits = carry_over(
            feedback.previous_content,
            feedback.previous_edits,
            parsed.content,
            comment_paths=[comment.path for comment in feedback.comments],
            is_valid=partial(_is_document, claim),
        )
    return Produced(
        content=content,
        title=parsed.title if content is parsed.content else title_of(content, claim.doc_type),
        summary=parsed.summary if content is parsed.content else summary_of(content),
        model=model,
        is_offline=is_offline,
        edits=edits,
    )


def _is_document(claim: Claim, content: Any) -> bool:
    has_items = claim.collection is None or not collection_findings(content, claim.collection)
    return has_items and not build_validator(claim.doc_type.schema).problems(content)
