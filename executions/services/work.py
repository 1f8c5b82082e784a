"""What a worker does beside the steps themselves: book calls, give steps back, take over from the dead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from documents import database
from executions import ledger, wakeups
from executions.llm.errors import LLMError
from executions.llm.values import CallProgress, ModelResponse
from executions.transitions import outcomes
from executions.transitions.unit import lock
from executions.values import Claim

logger = logging.getLogger(__name__)

_DEAD = """
SELECT DISTINCT execution_id FROM executions_attempt a
 WHERE a.status = 'running' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers w
     WHERE w.id = a.worker_id AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s))
 LIMIT 500
"""

_DEAD_STEPS = """
SELECT a.step_id, a.id, a.outcome FROM executions_attempt a
 WHERE a.execution_id = %s AND a.status = 'running' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers w
     WHERE w.id = a.worker_id AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s))
"""

_CALLS_OF = """
SELECT DISTINCT ON (step_id) id, step_id, status, model, request_chars FROM executions_llmcall
 WHERE execution_id = %s AND attempt_id = ANY(%s) ORDER BY step_id, started_at DESC
"""

# What a running attempt of a suspect says of itself once nothing else runs beside it.
ALONE = "alone"

_NOTE_ALONE = "UPDATE executions_attempt SET outcome = %s WHERE id = %s AND status = 'running'"

# Calls whose attempt is over, though nobody booked them: their worker died after the step was taken from it.
_UNBOOKED = """
SELECT c.execution_id, c.id, c.model, c.request_chars FROM executions_llmcall c
  JOIN executions_attempt a ON a.id = c.attempt_id
 WHERE c.status = 'in_flight' AND a.status <> 'running' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers w
     WHERE w.id = a.worker_id AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s))
 LIMIT 500
"""

# Active, nobody at work on it, no job that would look at it: its wake-up was lost.
_ASLEEP = """
SELECT e.id FROM executions_execution e
 WHERE e.status IN ('pending', 'running') AND e.updated_at < clock_timestamp() - make_interval(secs => %s)
   AND NOT EXISTS (SELECT 1 FROM executions_attempt a WHERE a.execution_id = e.id AND a.status = 'running')
   AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j
                    WHERE j.queueing_lock = 'advance:' || e.id::text AND j.status IN ('todo', 'doing'))
   AND NOT EXISTS (SELECT 1 FROM executions_step s
                    WHERE s.execution_id = e.id AND s.status <> 'completed' AND s.due_at > clock_timestamp())
 ORDER BY e.updated_at LIMIT 200
"""

# What a dead worker was woken for is looked at by another, also while a third is at work on the same execution.
_DROP_STALLED_JOBS = """
WITH dropped AS (
    UPDATE procrastinate_jobs j SET status = 'failed'
     WHERE j.status = 'doing' AND j.queue_name = %s AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers w
         WHERE w.id = j.worker_id AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %s))
    RETURNING j.args->>'execution_id' AS execution_id
)
SELECT DISTINCT e.id FROM dropped JOIN executions_execution e ON e.id::text = dropped.execution_id
"""

# Held by a worker that lives, and does not know of it: the commit of the claim was never answered.
_UNKNOWN = """
SELECT a.execution_id, a.id FROM executions_attempt a
 WHERE a.worker_id = %s AND a.status = 'running' AND a.id <> ALL(%s::uuid[])
   AND a.started_at < clock_timestamp() - make_interval(secs => %s)
"""


def note_alone(claim: Claim) -> None:
    """Note that a suspect runs now, alone: if the worker dies from here on, it is the step's doing."""
    database.execute(_NOTE_ALONE, (ALONE, claim.token))


def book_responses(answered: Sequence[tuple[Claim, ModelResponse]]) -> None:
    """Keep whole answers and their cost at once, before they are read: a crash then never repeats the call."""
    ledger.book_responses([(claim.execution_id, claim.call_id, response) for claim, response in answered])


def book_response(claim: Claim, response: ModelResponse) -> None:
    """As :func:`book_responses`, for one."""
    book_responses([(claim, response)])


def book_failure(claim: Claim, error: LLMError) -> None:
    """Keep what a failed call has used."""
    ledger.book_failure(
        execution_id=claim.execution_id,
        call_id=claim.call_id,
        model=claim.request.model,
        request_chars=claim.request_chars,
        error=error,
        progress=error.progress,
    )


def book_cancelled(claim: Claim, progress: CallProgress) -> None:
    """Keep what a call that we broke off has used."""
    ledger.book_cancelled(
        execution_id=claim.execution_id,
        call_id=claim.call_id,
        model=claim.request.model,
        request_chars=claim.request_chars,
        progress=progress,
    )


def release(claim: Claim) -> None:
    """Give a claimed step back in order, and have another worker look at it. A booked answer goes with it."""
    _give_back(claim.execution_id, claim.token)


def give_back_unknown(*, worker_id: int, known: Collection[UUID], older_than: float) -> int:
    """Give back what a living worker holds beside the attempts that it knows of; return how many steps that were.

    Where the answer to a commit was lost, a claim was made that nobody has heard of: no other worker would take
    the step over, since the one that holds it lives.
    """
    found = database.rows(_UNKNOWN, (worker_id, list(known), older_than))
    for execution_id, token in found:
        _give_back(execution_id, token)
    return len(found)


def _give_back(execution_id: UUID, token: UUID) -> None:
    with transaction.atomic():
        unit = lock(execution_id)
        step = next((step for step in unit.steps.values() if step.token == token), None)
        if step is None:
            return
        calls = database.rows(_CALLS_OF, (execution_id, [token]))
        call_id, _, status, model, request_chars = calls[0] if calls else (None, None, None, "", 0)
        outcomes.release(unit, step, resume_call=call_id if status == "succeeded" else None)
        if status == "in_flight":  # it was not sent, or whoever broke it off would have booked it
            ledger.book_cancelled(
                execution_id=execution_id,
                call_id=call_id,
                model=model,
                request_chars=request_chars,
                progress=CallProgress(),
            )
        unit.settle_status()
        unit.flush()
        wakeups.tx_defer(execution_id)


def wake(execution_id: UUID) -> None:
    """Have a worker look at an execution."""
    with transaction.atomic():
        unit = lock(execution_id)
        if not unit.is_over:
            wakeups.tx_defer(execution_id)


def current_tokens(tokens: list[UUID]) -> set[UUID]:
    """Return those of ``tokens`` (attempt ids) that still hold their step."""
    found = database.rows("SELECT id FROM executions_attempt WHERE id = ANY(%s) AND status = 'running'", (tokens,))
    return {row[0] for row in found}


def is_registered(worker_id: int) -> bool:
    """Whether the queue knows this worker; one that was paused for too long has been struck off."""
    return bool(database.rows("SELECT 1 FROM procrastinate_workers WHERE id = %s", (worker_id,)))


def sweep(*, dead_after: float, asleep_after: float) -> int:
    """Take over from dead workers, book what they lost, and re-send lost wake-ups; return how much was done.

    Several workers may sweep at once: one does, the others leave it to it.
    """
    with transaction.atomic():
        if not database.rows("SELECT pg_try_advisory_xact_lock(7209001)")[0][0]:
            return 0
        dead = [row[0] for row in database.rows(_DEAD, (dead_after,))]
        asleep = {row[0] for row in database.rows(_DROP_STALLED_JOBS, (wakeups.QUEUE, dead_after))}
        unbooked = database.rows(_UNBOOKED, (dead_after,))
        asleep |= {row[0] for row in database.rows(_ASLEEP, (asleep_after,))}
    for execution_id in dead:
        _swept(execution_id, partial(take_over, execution_id, dead_after))
    for execution_id, call_id, model, chars in unbooked:
        book = partial(ledger.book_lost, execution_id=execution_id, call_id=call_id, model=model, request_chars=chars)
        _swept(execution_id, book)
    for execution_id in asleep:
        _swept(execution_id, partial(wake, execution_id))
    return len(dead) + len(unbooked) + len(asleep)


def _swept(execution_id: UUID, act: Callable[[], None]) -> None:
    """Do what one execution needs; where that cannot be done, the others are not left alone with it."""
    try:
        act()
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing can be done for anybody
    except Exception:
        logger.exception(
            "An execution could not be swept", extra={"action": "sweep_failed", "execution_id": str(execution_id)}
        )


def take_over(execution_id: UUID, dead_after: float) -> None:
    """Free the steps that dead workers hold. A call that was answered is not repeated: its answer is read."""
    with transaction.atomic():
        unit = lock(execution_id)
        tokens = {row[1]: row[2] for row in database.rows(_DEAD_STEPS, (execution_id, dead_after))}
        if not tokens:
            return
        calls = {row[1]: row for row in database.rows(_CALLS_OF, (execution_id, list(tokens)))}
        for step in list(unit.steps.values()):
            if step.token is None or step.token not in tokens:
                continue
            call = calls.get(step.id)
            is_answered = call is not None and call[2] == "succeeded"
            outcomes.lose(
                unit,
                step,
                resume_call=call[0] if call is not None and is_answered else None,
                was_alone=tokens[step.token] == ALONE,
            )
            if call is not None and call[2] == "in_flight":
                ledger.book_lost(execution_id=execution_id, call_id=call[0], model=call[3], request_chars=call[4])
        unit.settle_status()
        unit.flush()
        if not unit.is_over:
            wakeups.tx_defer(execution_id)
