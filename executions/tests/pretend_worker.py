"""A worker without network: the engine's services driven call by call, the model's answers written by the test.

It does what ``executions.runner`` does, in the same order (claim, book, read, record), with nothing in between:
so a test can stop at any point, have the worker die there, or bring a result too late.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from executions.engine.state import ErrorCode
from executions.llm.errors import LLMError, TransientError
from executions.llm.offline.generate import generate_document
from executions.llm.values import CallProgress, ModelResponse
from executions.models import Execution
from executions.runner import read_answer
from executions.services import advancing, work
from executions.values import Claim, Failed, Outcome, ProviderFailed

DEAD_AFTER = 10.0
ASLEEP_AFTER = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model writes, properly ended."""

    text: str
    stop_reason: str = "end_turn"
    usage: Mapping[str, Any] = field(default_factory=lambda: {"input_tokens": 1000, "output_tokens": 200})


Reply = Answer | LLMError
Script = Callable[[Claim], Reply]


def document(**content: Any) -> Answer:
    return Answer(text=json.dumps(content))


def backlog(*ids: Any) -> Answer:
    """Return a collection with items of these ids."""
    return document(items=[{"id": each, "name": f"Item {each}"} for each in ids])


def question(question_id: str = "WHO", **keys: Any) -> dict[str, Any]:
    return {"id": question_id, "text": "Who will use it?", "priority": "must", "answer_type": "free_text", **keys}


def asking(*questions: dict[str, Any]) -> Answer:
    return document(
        schema_version="clarification_question_set.v1", mode="questions_only", questions=list(questions or [question()])
    )


def valid(claim: Claim) -> Answer:
    """Return a document that is true to the schema that is asked for."""
    content = generate_document(claim.doc_type.schema, seed=claim.path, collection=claim.collection)
    return Answer(text=json.dumps(content))


class Scripted:
    """Replies by path or step id, each given once, in order; then (and elsewhere) valid documents."""

    def __init__(self, **replies: Reply | list[Reply]) -> None:
        self.replies = {name: deque(given if isinstance(given, list) else [given]) for name, given in replies.items()}

    def __call__(self, claim: Claim) -> Reply:
        for name in (claim.path, claim.step_id):
            if self.replies.get(name):
                return self.replies[name].popleft()
        return valid(claim)


class PretendWorker:
    """One registered worker of the queue, which lives until it is told to die, however slow the test is."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 day') RETURNING id"
            )
            self.id: int = cursor.fetchone()[0]

    def claim(self, execution: Execution | UUID, limit: int = 100) -> list[Claim]:
        execution_id = execution if isinstance(execution, UUID) else execution.pk
        return advancing.claim(execution_id=execution_id, worker_id=self.id, limit=limit).claims

    def begin(self, claim: Claim) -> None:
        """Wait for one's turn, and say so where the step must run alone."""
        if claim.runs_alone:
            work.note_alone(claim)

    def book(self, claim: Claim, reply: Reply) -> None:
        """Put a call's end into the ledger."""
        if isinstance(reply, LLMError):
            work.book_failure(claim, reply)
        else:
            work.book_response(claim, response_of(claim, reply))

    def read(self, claim: Claim, reply: Reply) -> Outcome:
        """Return what an answer is."""
        if isinstance(reply, TransientError):
            return ProviderFailed(error=reply, jitter=0.0)
        if isinstance(reply, LLMError):
            return Failed(code=ErrorCode(reply.code), detail=str(reply))
        return read_answer(claim, reply.text, reply.stop_reason, model=claim.request.model, is_offline=False)

    def record(self, claim: Claim, outcome: Outcome, limit: int = 100) -> list[Claim] | None:
        """Record an outcome; ``None`` says that the step was no longer the claim's."""
        found = advancing.record(claim=claim, outcome=outcome, worker_id=self.id, limit=limit)
        return None if found.is_superseded else found.claims

    def take(self, limit: int = 16) -> advancing.Claimed:
        """Take wake-ups off the queue, and claim a step of each execution."""
        return advancing.take(worker_id=self.id, limit=limit)

    def finish(self, claim: Claim, reply: Reply, limit: int = 100) -> list[Claim] | None:
        """Bring a claimed step to its end. A stored answer is read, and ``reply`` not used."""
        self.begin(claim)
        stored = claim.stored_answer
        if stored is not None:
            reply = Answer(text=stored.text, stop_reason=stored.stop_reason)
        else:
            self.book(claim, reply)
        return self.record(claim, self.read(claim, reply), limit)

    def die(self) -> None:
        """Stop to send heartbeats, long ago."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id = %s", [self.id]
            )


def response_of(claim: Claim, answer: Answer) -> ModelResponse:
    return ModelResponse(
        text=answer.text,
        stop_reason=answer.stop_reason,
        usage=dict(answer.usage),
        model=claim.request.model,
        message_id=f"msg_{claim.call_id.hex[:12]}",
        request_id=f"req_{claim.call_id.hex[:12]}",
        latency_ms=1200,
        ttft_ms=300,
    )


def sent_progress(**keys: Any) -> CallProgress:
    """Return the progress of a call that was sent, and what was seen of its answer."""
    return CallProgress(was_sent=True, **keys)


def drive(
    execution: Execution | UUID, script: Script | None = None, worker: PretendWorker | None = None
) -> list[Claim]:
    """Work on an execution until nothing can start any more; return the claims in the order of their end."""
    script, worker = script or Scripted(), worker or PretendWorker()
    waiting, done = deque(worker.claim(execution)), []
    while waiting:
        claim = waiting.popleft()
        following = worker.finish(claim, script(claim))
        waiting.extend(following or ())
        done.append(claim)
        assert len(done) < 1000, "the execution never ends"
    return done


def let_time_pass(execution: Execution) -> int:
    """Make every wait of an execution be over; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE executions_step SET due_at = clock_timestamp() - interval '1 ms'"
            " WHERE execution_id = %s AND due_at IS NOT NULL",
            [execution.pk],
        )
        return int(cursor.rowcount)


def sweep() -> int:
    return work.sweep(dead_after=DEAD_AFTER, asleep_after=ASLEEP_AFTER)


def prompt(claim: Claim) -> str:
    """Return all that the model is told, as one text."""
    parts = [block["text"] for block in claim.request.system]
    for message in claim.request.messages:
        content = message["content"]
        parts += [content] if isinstance(content, str) else [block["text"] for block in content]
    return "\n".join(parts)
