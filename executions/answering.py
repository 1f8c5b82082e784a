"""Answering the questions of a gate as people do it. The desk and our own page show the same, each by its templates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone

from documents.rendering import visible
from executions.answer_forms import AnswersForm, answer_in_words, typed_answers, typed_in_words
from executions.exceptions import Conflict, FieldError, Invalid, NotPermitted
from executions.llm.clarification import check_answers
from executions.models import AuditAct, Decision, DecisionChannel, DecisionKind, Gate, GateDraft, GateKind
from executions.offers import closed_because, standing
from executions.run_acts import Refused
from executions.services import audit
from executions.services.decisions import answer_questions
from executions.services.drafts import save_draft

# The names of the buttons: one that sends nothing, and one that only keeps what was typed.
CHECK_ONLY = "check_only"
SAVE_DRAFT = "save_draft"
_SHOWN_OF_A_DRAFT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What one of several people has typed for one question and not sent."""

    by: str
    text: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The questions of an earlier gate of the same step, with what was answered, by whom and when."""

    number: int
    by: str
    answered_at: datetime
    answers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One question on the page that sums up. ``assumed``: the answer is the assumption, taken on purpose."""

    question_id: str
    text: str
    answer: str
    assumption: str
    is_assumed: bool
    unused: str


def send_answers(
    user: User, gate: Gate, votes: Sequence[Decision], form: AnswersForm, *, checks_only: bool
) -> Refused | None:
    """Record the answers of ``form``, or only check them. ``None``: they are recorded.

    Where nothing was recorded, the form says what is wrong with it; the gate may have changed meanwhile.
    """
    where = standing(user, gate, votes)
    if where.is_forbidden:
        _note_refusal(user, gate, where.reason_against)
        return Refused(status=403)
    closed = closed_because(gate, votes)
    is_valid = form.is_valid()
    if closed and (checks_only or not is_valid):
        return Refused(status=409, conflict=closed)
    if not is_valid:
        return Refused(status=200)
    if checks_only:
        found = check_answers(gate.questions, form.answers())
        form.take_errors([FieldError(path=each.path, code=each.code, detail=each.detail) for each in found])
        return Refused(status=200)
    try:
        answer_questions(
            actor=user, gate=gate, answers=form.answers(), channel=DecisionChannel.ADMIN, at=timezone.now()
        )
    except NotPermitted:
        return Refused(status=403)
    except Conflict as conflict:
        return Refused(status=409, conflict=conflict.detail)
    except Invalid as invalid:
        form.take_errors(invalid.errors)
        return Refused(status=200)
    return None


def _note_refusal(user: User, gate: Gate, reason: str) -> None:
    """Have a refusal written down that the service is not asked for: what was sent is not looked at any further."""
    about = audit.About(gate=gate)
    with (
        suppress(NotPermitted),
        audit.refusals(act=AuditAct.GATE_ANSWER, actor=user, about=about, channel=DecisionChannel.ADMIN),
    ):
        raise NotPermitted(reason)


def given_answers(gate: Gate) -> list[tuple[str, str]]:
    """Return the questions with the answers that were given, in words; empty while nobody has answered."""
    if gate.answers is None:
        return []
    return [
        (visible(question["text"]), visible(answer_in_words(question, gate.answers.get(question["id"]))))
        for question in gate.questions
    ]


def keep_draft(user: User, gate: Gate, data: QueryDict) -> GateDraft | Refused:
    """Keep what was typed, right or wrong, or say why it is not kept."""
    try:
        return save_draft(user, gate, typed_answers(gate.questions, data))
    except NotPermitted as refused:
        return Refused(status=403, conflict=refused.detail)
    except Conflict as conflict:
        return Refused(status=409, conflict=conflict.detail)
    except Invalid as invalid:
        said = "; ".join(dict.fromkeys(error.detail for error in invalid.errors))
        return Refused(status=422, conflict=f"The draft was not saved: {said}.")


def drafts_of_others(gate: Gate, drafts: Iterable[GateDraft], user: User) -> dict[str, list[Draft]]:
    """Return what others have typed at ``gate``, by question id, in words."""
    found: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.user_id == user.pk or not isinstance(draft.data, dict):
            continue
        for question in gate.questions:
            text = visible(typed_in_words(question, draft.data))
            if text:
                shown = text if len(text) <= _SHOWN_OF_A_DRAFT else f"{text[:_SHOWN_OF_A_DRAFT]}…"
                found[question["id"]].append(
                    Draft(by=draft.user.get_username(), text=shown, updated_at=draft.updated_at)
                )
    return dict(found)


def earlier_rounds(gate: Gate) -> list[Round]:
    """Return what the same step has asked before, and what was answered, oldest first."""
    before = Decision.objects.filter(
        gate__step=gate.step_id,
        gate__kind=GateKind.CLARIFICATION,
        gate__opened_at__lt=gate.opened_at,
        decision=DecisionKind.ANSWER,
    )
    rows = before.select_related("gate").order_by("decided_at", "id")
    return [
        Round(number=number, by=row.by, answered_at=row.decided_at, answers=given_answers(row.gate))
        for number, row in enumerate(rows, 1)
    ]


def summed_up(gate: Gate, form: AnswersForm) -> list[Line]:
    """Return each question with what would be sent for it; call it on a form that was checked."""
    answers, by_id = form.answers(), {question["id"]: question for question in gate.questions}
    lines = []
    for asked in form.asked():
        is_assumed = form.is_assumed(asked.question_id)
        typed = {"answers": {asked.question_id: _values(asked.field.value())}}
        said = visible(answer_in_words(by_id[asked.question_id], answers[asked.question_id]))
        typed_too = visible(typed_in_words(by_id[asked.question_id], typed)) if is_assumed else ""
        lines.append(
            Line(
                question_id=asked.question_id,
                text=asked.text,
                answer=said,
                assumption=asked.assumption,
                is_assumed=is_assumed,
                unused=typed_too if typed_too != said else "",
            )
        )
    return lines


def _values(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return [] if value in (None, "") else [str(value)]
