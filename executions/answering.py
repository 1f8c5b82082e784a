"""Answering the questions of a gate as people do it. The desk and our own page show the same, each by its templates."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.utils import timezone

from documents.rendering import visible
from executions.answer_forms import AnswersForm, answer_in_words
from executions.exceptions import Conflict, FieldError, Invalid, NotPermitted
from executions.llm.clarification import check_answers
from executions.models import Decision, DecisionChannel, Gate
from executions.offers import closed_because, standing
from executions.run_acts import Refused
from executions.services.decisions import answer_questions

# The name of the button that sends nothing.
CHECK_ONLY = "check_only"


def send_answers(
    user: User, gate: Gate, votes: Sequence[Decision], form: AnswersForm, *, checks_only: bool
) -> Refused | None:
    """Record the answers of ``form``, or only check them. ``None``: they are recorded.

    Where nothing was recorded, the form says what is wrong with it; the gate may have changed meanwhile.
    """
    if standing(user, gate, votes).is_forbidden:
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


def given_answers(gate: Gate) -> list[tuple[str, str]]:
    """Return the questions with the answers that were given, in words; empty while nobody has answered."""
    if gate.answers is None:
        return []
    return [
        (visible(question["text"]), visible(answer_in_words(question, gate.answers.get(question["id"]))))
        for question in gate.questions
    ]
