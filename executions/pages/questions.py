"""The page on which a run's questions are answered by people who have no access to the review desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from executions.answer_forms import AnswersForm, Asked, typed_answers
from executions.answering import (
    CHECK_ONLY,
    SAVE_DRAFT,
    Draft,
    drafts_of_others,
    earlier_rounds,
    given_answers,
    keep_draft,
    send_answers,
)
from executions.llm.clarification import cleaned_answers
from executions.models import Decision, Execution, Gate, GateKind
from executions.offers import closed_because, standing
from executions.pages.definitions import type_name
from executions.pages.home import gate_url
from executions.pages.live import visible_run
from executions.pages.viewers import page, viewer
from executions.run_acts import Refused
from executions.services.drafts import drafts_at

_SHOWN = Refused(status=200)


@page("POST")
def questions_page(request: HttpRequest, execution_id: UUID, gate_id: UUID) -> HttpResponse:
    """Show the questions of a gate, and take the answers. Documents are accepted elsewhere, to which it leads."""
    execution = visible_run(request, execution_id)
    gate, votes = _load(execution, gate_id)
    user = viewer(request)
    if gate.kind != GateKind.CLARIFICATION:
        return HttpResponseRedirect(gate_url(gate, user))
    if request.method != "POST":
        return _page(request, gate, votes, None, _SHOWN)
    if SAVE_DRAFT in request.POST:
        return _keep(request, gate, votes)
    form = AnswersForm(gate.questions, request.POST)
    refused = send_answers(user, gate, votes, form, checks_only=CHECK_ONLY in request.POST)
    if refused is None:
        messages.success(request, _("Your answers are recorded; the run goes on with them."))
        return _back(execution)
    if refused.status == 409:
        execution.refresh_from_db(fields=["status"])
        gate, votes = _load(execution, gate_id)
        if _is_said_already(user, gate, votes, form):
            messages.info(request, _("Your answers were recorded already; they were not sent again."))
            return _back(execution)
    return _page(request, gate, votes, form, refused)


def _keep(request: HttpRequest, gate: Gate, votes: Sequence[Decision]) -> HttpResponse:
    kept = keep_draft(viewer(request), gate, request.POST)
    is_script = request.headers.get("Accept", "") == "application/json"
    if isinstance(kept, Refused):
        if is_script:
            return JsonResponse({"detail": kept.conflict}, status=kept.status)
        form = AnswersForm(gate.questions, kept=typed_answers(gate.questions, request.POST))
        return _page(request, gate, votes, form, kept)
    if is_script:
        return JsonResponse({"saved_at": kept.updated_at.isoformat()})
    messages.success(request, _("Your draft is saved. Nothing is sent yet."))
    return HttpResponseRedirect(request.path)


def _load(execution: Execution, gate_id: UUID) -> tuple[Gate, list[Decision]]:
    gate = Gate.objects.filter(pk=gate_id, execution=execution).first()
    if gate is None:
        raise Http404("There is no such gate.")
    gate.execution = execution
    return gate, list(Decision.objects.filter(gate=gate).order_by("decided_at", "id"))


def _back(execution: Execution) -> HttpResponse:
    return HttpResponseRedirect(reverse("execution-page", args=(execution.pk,)))


def _is_said_already(user: User, gate: Gate, votes: Sequence[Decision], form: AnswersForm) -> bool:
    """Whether these are the answers that ``user`` has sent before: a button was pressed twice."""
    if not votes or votes[-1].user_id != user.pk or not form.is_valid():
        return False
    return cleaned_answers(gate.questions, form.answers()) == votes[-1].answers


def _page(
    request: HttpRequest, gate: Gate, votes: Sequence[Decision], form: AnswersForm | None, refused: Refused
) -> HttpResponse:
    """Show the questions; without a ``form``, with what was kept as a draft, if anything was."""
    execution, user = gate.execution, viewer(request)
    where = standing(user, gate, votes)
    may_answer = bool(where.offers)
    drafts = list(drafts_at(gate)) if may_answer or closed_because(gate, votes) else []
    own = next((draft for draft in drafts if draft.user_id == user.pk), None)
    is_typed = form is not None or own is not None
    form = form or AnswersForm(gate.questions, kept=own.data if own is not None else None)
    asked = form.asked()
    problems = _problems(form, asked)
    context = {
        "execution": execution,
        "gate": gate,
        "name": type_name(execution.revision.parsed(), gate.document_type),
        "asked": asked,
        "questions": _with_drafts(asked, drafts_of_others(gate, drafts, user) if may_answer else {}),
        "rounds": earlier_rounds(gate),
        "own_draft": own,
        "required_count": sum(each.is_required for each in asked),
        "answered": given_answers(gate),
        "may_answer": may_answer,
        "is_kept": is_typed and not may_answer,
        "has_inputs": is_typed or may_answer,
        "reason_against": where.reason_against,
        "refusal": (closed_because(gate, votes) or refused.conflict or where.reason_against) if _is_no(refused) else "",
        "problems": problems if may_answer else [],
        "is_checked": form.is_bound and not problems and may_answer,
        "check_only": CHECK_ONLY,
        "save_draft": SAVE_DRAFT,
    }
    # A form that was wrong is no success.
    status = 422 if refused.status == 200 and problems else refused.status
    return render(request, "pages/executions/live/questions.html", context, status=status)


def _with_drafts(asked: Sequence[Asked], drafts: Mapping[str, Sequence[Draft]]) -> list[tuple[Asked, Sequence[Draft]]]:
    return [(each, drafts.get(each.question_id, ())) for each in asked]


def _is_no(refused: Refused) -> bool:
    return refused.status in (403, 409) or bool(refused.conflict)


def _problems(form: AnswersForm, asked: Sequence[Asked]) -> list[tuple[str, str]]:
    """Return each error with the id of its input, for the summary on top."""
    if not form.is_bound:
        return []
    # A group of choices has no input of that id, but one for each choice.
    found = [
        (each.field.id_for_label or f"{each.field.auto_id}_0", f"{each.text} {error}")
        for each in asked
        for error in each.field.errors
    ]
    return found + [("", str(error)) for error in form.non_field_errors()]
