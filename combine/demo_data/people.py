"""What people do in an execution of the demo: answer, decide, edit, cancel, retry; by the services of the desk."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from combine.demo_data import stories
from combine.demo_data.stage import Stage
from combine.demo_data.stories import Act, Story
from combine.demo_data.subjects import ANSWERS, Subject
from combine.demo_data.timetable import office_time, thinking_time
from documents.models import Document
from executions.models import (
    DecisionChannel,
    DecisionKind,
    Execution,
    ExecutionStatus,
    Gate,
    GateKind,
    GateStatus,
)
from executions.origin import Origin, coming_from
from executions.services.claims import assign
from executions.services.decisions import Verdict, answer_questions, record_decision
from executions.services.edits import edit_and_accept
from executions.services.executions import cancel_execution, retry_execution

_REVIEWERS = {
    "epic_backlog": "oskar",
    "technical_architecture": "priya",
    "story_backlog": "tomas",
    "notice": "ines",
}
_RECENT_DAYS = 3
_MINUTES = {GateKind.CLARIFICATION: 25.0, GateKind.ACCEPTANCE: 35.0}
_BRISK = 0.15
_RETRIED_AFTER = timedelta(minutes=38)
_DESK = Origin(channel="admin", address="192.0.2.24")


class Attendants:
    """The people of one execution. They come to each gate that opens, and when it has failed."""

    def __init__(
        self, story: Story, subject: Subject, stage: Stage, *, look: Callable[[], None], break_off: Callable[[], None]
    ) -> None:
        self.execution_id: UUID | None = None
        self._story, self._subject, self._stage = story, subject, stage
        self._look, self._break_off = look, break_off
        self._acts = {step_id: list(acts) for step_id, acts in story.acts.items()}
        self._retry = story.retry
        self._seen: set[UUID] = set()

    def attend(self) -> None:
        """Have somebody come to each gate that nobody was asked to come to yet, and to a failure."""
        assert self.execution_id is not None
        status = Execution.objects.values_list("status", flat=True).get(pk=self.execution_id)
        if status == ExecutionStatus.FAILED and self._retry is not None:
            act, self._retry = self._retry, None
            self._stage.person(self._stage.clock.now + (act.after or _RETRIED_AFTER), partial(self._try_again, act))
        for gate in Gate.objects.filter(execution=self.execution_id, status=GateStatus.OPEN).order_by("path"):
            if gate.pk not in self._seen:
                self._seen.add(gate.pk)
                self._invite(gate)

    def cancel(self, reason: str) -> None:
        assert self.execution_id is not None
        with coming_from(_DESK):
            cancel_execution(actor=self._person(self._story.by), execution_id=self.execution_id, reason=reason)
        self._break_off()

    def _invite(self, gate: Gate) -> None:
        acts = self._acts.get(gate.path.rpartition(".")[2].partition("[")[0])
        act = acts.pop(0) if acts else _usual(gate)
        if act.kind != stories.NOBODY:
            self._stage.person(self._when(gate, act), partial(self._come, act, gate.pk))

    def _when(self, gate: Gate, act: Act) -> datetime:
        now, rng = self._stage.clock.now, self._stage.rng
        if act.after is not None:
            return now + act.after
        is_recent = self._story.ago is not None or self._story.days <= _RECENT_DAYS
        minutes = _MINUTES[GateKind(gate.kind)]
        if is_recent:
            return now + thinking_time(rng, median_minutes=minutes * _BRISK)
        return office_time(now + thinking_time(rng, median_minutes=minutes), rng)

    def _come(self, act: Act, gate_id: UUID) -> None:
        gate = Gate.objects.select_related("execution").get(pk=gate_id)
        if gate.status != GateStatus.OPEN:
            return  # the run was cancelled before they came
        if gate.execution.status == ExecutionStatus.FAILED:
            self._seen.discard(gate_id)  # nobody can decide there now; somebody comes again after a retry
            return
        with coming_from(_DESK):
            self._do(act, gate)
        self.attend()

    def _do(self, act: Act, gate: Gate) -> None:
        now = self._stage.clock.now
        by = self._person(act.by or self._usual_person(gate))
        common: dict[str, Any] = {"actor": by, "gate": gate, "channel": DecisionChannel.ADMIN, "at": now}
        match act.kind:
            case stories.CANCEL:
                self.cancel(act.comment)
                return
            case stories.HAND_ON:
                assign(actor=by, gate=gate, username=act.to, note=act.comment, at=now)
                return
            case stories.ANSWER:
                answer_questions(answers=ANSWERS[self._subject.workflow], **common)
            case stories.EDIT:
                assert gate.content_sha256
                content = _edited(gate, act)
                edit_and_accept(content=content, content_sha256=gate.content_sha256, comment=act.comment, **common)
            case _:
                comments = [{"path": path, "text": text} for path, text in act.comments]
                verdict = Verdict(decision=DecisionKind(act.kind), comment=act.comment, comments=comments)
                record_decision(verdict=verdict, **common)
        self._look()

    def _try_again(self, act: Act) -> None:
        assert self.execution_id is not None
        with coming_from(_DESK):
            retry_execution(
                actor=self._person(act.by or self._story.by),
                execution_id=self.execution_id,
                reason=act.comment,
                budget_usd=self._story.retry_budget,
            )
        self._look()
        self.attend()

    def _usual_person(self, gate: Gate) -> str:
        return self._story.by if gate.kind == GateKind.CLARIFICATION else _REVIEWERS[gate.document_type]

    def _person(self, name: str) -> User:
        return self._stage.people[name]


def _usual(gate: Gate) -> Act:
    return Act(kind=stories.ANSWER if gate.kind == GateKind.CLARIFICATION else stories.ACCEPT)


def _edited(gate: Gate, act: Act) -> Any:
    """Return the document of a gate with the texts of ``act`` set at their JSON Pointers."""
    assert gate.document_id is not None
    content = copy.deepcopy(Document.objects.get(pk=gate.document_id).content)
    for pointer, text in act.comments:
        *parents, last = pointer.split("/")[1:]
        place: Any = content
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[int(last) if isinstance(place, list) else last] = text
    return content
