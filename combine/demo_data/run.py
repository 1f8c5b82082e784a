"""One execution of the demo, from its start on: what its worker does, and what the model answers.

It does what a worker does, by the same services and in the same order: claim, book, read, record. Only the answer comes
from :mod:`combine.demo_data.subjects`, and the time that it took from :mod:`combine.demo_data.metering`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from combine.demo_data import stories
from combine.demo_data.metering import Measured
from combine.demo_data.people import Attendants
from combine.demo_data.stage import Stage
from combine.demo_data.stories import Story
from combine.demo_data.subjects import Subject
from executions.engine.state import ErrorCode
from executions.llm import errors as llm
from executions.llm.values import OFFLINE_MESSAGE_ID_PREFIX, CallProgress, ModelResponse
from executions.models import Project, Step
from executions.origin import Origin, coming_from
from executions.runner import read_answer
from executions.services import advancing, work
from executions.services.executions import NewExecution, start_execution
from executions.services.projects import Members, create_project
from executions.values import Asked, Claim, Failed, Outcome, Produced, ProviderFailed

_DEAD_AFTER = 10.0
_NOTICED_AFTER = timedelta(seconds=13)
_LIMIT = 100
_LONGEST_PAUSE = 900.0
_SHORT_PAUSE = 24.0
_PAGES = Origin(channel="page", address="192.0.2.24")


class Run:
    """An execution that a story tells of."""

    def __init__(self, story: Story, subject: Subject, stage: Stage) -> None:
        self.story, self.subject, self.stage = story, subject, stage
        self.worker_id = stage.worker
        self.execution_id: UUID | None = None
        self._mishaps = {step_id: list(kinds) for step_id, kinds in story.mishaps.items()}
        if any(stories.WORKER_LOST in kinds for kinds in story.mishaps.values()):
            self.worker_id = stage.doomed_worker
        self._in_flight: dict[UUID, Claim] = {}
        self._written: Counter[str] = Counter()
        self._asked: set[str] = set()
        self._attendants = Attendants(story, subject, stage, look=self._look_soon, break_off=self._break_off)

    def begin(self) -> None:
        """Start the execution, and its project where this is the first one."""
        with coming_from(_PAGES):
            self._start()
        if not self.story.is_untouched:
            self._look_soon()

    def _start(self) -> None:
        stage, subject = self.stage, self.subject
        actor = stage.people[self.story.by]
        if not Project.objects.filter(pk=subject.project_id).exists():
            create_project(
                actor=actor,
                project_id=subject.project_id,
                name=subject.name,
                members=Members(groups=subject.members),
                at=stage.clock.now,
            )
        new = NewExecution(project_id=subject.project_id, brief=subject.brief, budget_usd=self.story.budget)
        revision = stage.revisions[subject.workflow]
        execution = start_execution(actor=actor, revision=revision, new=new, at=stage.clock.now)
        self.execution_id = self._attendants.execution_id = execution.pk

    def _look_soon(self) -> None:
        """Have a worker look at it when its wake-up has come through the queue."""
        seconds = min(self.stage.rng.lognormvariate(-0.7, 0.9), 45.0)
        self.stage.machine(self.stage.clock.now + timedelta(seconds=seconds), self._look)

    def _look(self) -> None:
        assert self.execution_id is not None
        found = advancing.claim(execution_id=self.execution_id, worker_id=self.worker_id, limit=_LIMIT)
        self._call_all(found.claims)
        self._attendants.attend()

    def _call_all(self, claims: list[Claim]) -> None:
        for claim in claims:
            self._in_flight[claim.token] = claim
            self._call(claim)

    def _call(self, claim: Claim) -> None:
        """Send a request: choose what will come of it, and when."""
        kinds = self._mishaps.get(claim.step_id)
        kind = kinds.pop(0) if kinds else stories.GOOD
        text, stop_reason = self._text(claim, kind)
        measured = self.stage.meter.measure(claim.request, text, self.stage.clock.now)
        half = measured.latency / 2
        match kind:
            case stories.WORKER_LOST:
                self._after(half + _NOTICED_AFTER, self._lose_worker)
            case stories.CANCELLED:
                self._after(half, partial(self._attendants.cancel, "The brief was sent by mistake; a new one follows."))
            case stories.OVERLOADED | stories.RATE_LIMITED | stories.LONG_PAUSE | stories.OUT_OF_MONEY:
                self._after(timedelta(seconds=0.8), partial(self._fail, claim, _refused_by_provider(kind)))
            case stories.BROKEN_OFF:
                self._after(half, partial(self._fail, claim, _broken_off(measured, text)))
            case _:
                self._after(measured.latency, partial(self._finish, claim, text, stop_reason, measured))

    def _after(self, wait: timedelta, act: Callable[[], None]) -> None:
        self.stage.machine(self.stage.clock.now + wait, act)

    def _text(self, claim: Claim, kind: str) -> tuple[str, str]:
        """Return what the model writes, and why it stops."""
        if kind == stories.REFUSED:
            return "I cannot write this.", "refusal"
        if kind == stories.GOOD and self.story.asks and claim.may_ask and claim.path not in self._asked:
            self._asked.add(claim.path)
            if (questions := self.subject.questions(claim.doc_type.type_id)) is not None:
                return questions, "end_turn"
        sent_back = (stories.REQUEST_CHANGES, stories.REJECT)
        reworks = sum(act.kind in sent_back for act in self.story.acts.get(claim.step_id, ()))
        text = self.subject.document(claim, version=min(-1, self._written[claim.path] - reworks - 1))
        match kind:
            case stories.INVALID:
                content: dict[str, Any] = json.loads(text)
                content.pop(claim.doc_type.schema["required"][-1])
                return json.dumps(content, indent=2, ensure_ascii=False), "end_turn"
            case stories.PROSE:
                return "The document follows as soon as the figures have been checked once more.", "end_turn"
            case stories.CUT_SHORT:
                return text[: len(text) * 2 // 3], "max_tokens"
        return text, "end_turn"

    def _finish(self, claim: Claim, text: str, stop_reason: str, measured: Measured) -> None:
        if self._in_flight.pop(claim.token, None) is None:
            return
        name = claim.call_id.hex[:24]
        response = ModelResponse(
            text=text,
            stop_reason=stop_reason,
            usage=measured.usage,
            model=claim.request.model,
            message_id=f"{OFFLINE_MESSAGE_ID_PREFIX}{name}",
            request_id=f"req_demo_{name}",
            latency_ms=measured.latency_ms,
            ttft_ms=measured.ttft_ms,
        )
        work.book_response(claim, response)
        outcome = read_answer(claim, text, stop_reason, model=claim.request.model, is_offline=True)
        self._written[claim.path] += isinstance(outcome, Produced)
        self._record(claim, outcome)

    def _fail(self, claim: Claim, error: llm.LLMError) -> None:
        if self._in_flight.pop(claim.token, None) is None:
            return
        work.book_failure(claim, error)
        if not error.retryable:
            self._record(claim, Failed(code=ErrorCode(error.code), detail=str(error)))
            return
        self._record(claim, ProviderFailed(error=error, jitter=self.stage.rng.random()))
        due_at = Step.objects.values_list("due_at", flat=True).get(pk=claim.step_row_id)
        if due_at is not None and due_at < self.stage.until:
            self.stage.machine(due_at + timedelta(milliseconds=200), self._look)

    def _record(self, claim: Claim, outcome: Outcome) -> None:
        found = advancing.record(claim=claim, outcome=outcome, worker_id=self.worker_id, limit=_LIMIT)
        self._call_all(found.claims)
        if isinstance(outcome, Asked) or claim.doc_type.acceptance is not None or not self._in_flight:
            self._attendants.attend()

    def _lose_worker(self) -> None:
        """Have others notice that the worker is dead, and take over what it held."""
        assert self.execution_id is not None
        self._in_flight.clear()
        work.take_over(self.execution_id, _DEAD_AFTER)
        self.worker_id = self.stage.worker
        self._look_soon()

    def _break_off(self) -> None:
        """Break off what is in flight, and book what it has used: the execution was cancelled."""
        for claim in self._in_flight.values():
            name = f"{OFFLINE_MESSAGE_ID_PREFIX}{claim.call_id.hex[:24]}"
            seen = CallProgress(was_sent=True, text_chars=900, ttft_ms=800, latency_ms=6_000, message_id=name)
            work.book_cancelled(claim, seen)
        self._in_flight.clear()


def _refused_by_provider(kind: str) -> llm.LLMError:
    facts: dict[str, Any] = {"progress": CallProgress(was_sent=True, latency_ms=800), "request_id": "req_demo_refused"}
    match kind:
        case stories.OVERLOADED:
            return llm.Overloaded("the model's provider answered 529 (overloaded_error)", status_code=529, **facts)
        case stories.OUT_OF_MONEY:
            words = "the model's provider answered 400 (billing_error): Your credit balance is too low."
            return llm.QuotaExhausted(words, status_code=400, **facts)
    pause = _LONGEST_PAUSE if kind == stories.LONG_PAUSE else _SHORT_PAUSE
    words = "the model's provider answered 429 (rate_limit_error)"
    return llm.RateLimited(words, retry_after=pause, status_code=429, **facts)


def _broken_off(measured: Measured, text: str) -> llm.LLMError:
    progress = CallProgress(
        was_sent=True,
        usage={**measured.usage, "output_tokens": 1},
        text_chars=len(text) // 2,
        ttft_ms=measured.ttft_ms,
        latency_ms=measured.latency_ms // 2,
        message_id=f"{OFFLINE_MESSAGE_ID_PREFIX}broken",
    )
    return llm.Truncated("the stream ended before the message did", progress=progress)
