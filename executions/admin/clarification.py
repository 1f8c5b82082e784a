"""The page on which the questions of a step are answered: all of them at once, then a summary, then they are sent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from executions.admin.gate_page import GatePage, load_gate
from executions.admin.people import person
from executions.answer_forms import AnswersForm, Asked, typed_answers
from executions.answering import (
    SAVE_DRAFT,
    Draft,
    drafts_of_others,
    earlier_rounds,
    given_answers,
    keep_draft,
    send_answers,
    summed_up,
)
from executions.offers import closed_because, standing
from executions.run_acts import Refused
from executions.services.drafts import drafts_at

SEND = "send"
CHANGE = "change"
_TEMPLATE = "admin/executions/gate/answer.html"
_SUMMARY = "admin/executions/gate/answer_summary.html"
_HEADINGS = {"must": "Optional, but they matter (must)", "should": "Optional (should)", "could": "Optional (could)"}


def answer_gate(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    """Show the questions of a gate; keep, check or send the answers, as the button says.

    Only the button of the summary sends. Whatever else comes, such as a stray Enter key, only checks.
    """
    gate, user = page.gate, person(request)
    if request.method != "POST":
        return _page(request, site, page)
    if SAVE_DRAFT in request.POST:
        return _keep(request, site, page)
    typed = AnswersForm(gate.questions, kept=typed_answers(gate.questions, request.POST))
    if CHANGE in request.POST:
        return _page(request, site, page, typed)
    form = AnswersForm(gate.questions, request.POST)
    is_sent = SEND in request.POST
    refused = send_answers(user, gate, page.votes, form, checks_only=not is_sent)
    if refused is None:
        messages.success(request, f"Your answers are recorded; {gate.path} goes on with them.")
        return HttpResponseRedirect(reverse("admin:executions_gate_inbox"))
    if refused.status == 200 and form.is_valid():
        return _summary(request, site, page, form)
    if refused.status == 409:
        page = load_gate(request, str(gate.pk))
    return _page(request, site, page, form, refused)


def _keep(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    kept = keep_draft(person(request), page.gate, request.POST)
    is_script = request.headers.get("Accept", "") == "application/json"
    if isinstance(kept, Refused):
        if is_script:
            return JsonResponse({"detail": kept.conflict}, status=kept.status)
        page = load_gate(request, str(page.gate.pk))
        typed = AnswersForm(page.gate.questions, kept=typed_answers(page.gate.questions, request.POST))
        return _page(request, site, page, typed, kept)
    if is_script:
        return JsonResponse({"saved_at": kept.updated_at.isoformat()})
    messages.success(request, f"Your draft is saved ({kept.updated_at:%H:%M} UTC). Nothing is sent yet.")
    return HttpResponseRedirect(reverse("admin:executions_gate_decide", args=(page.gate.pk,)))


def _summary(request: HttpRequest, site: admin.AdminSite, page: GatePage, form: AnswersForm) -> HttpResponse:
    lines = summed_up(page.gate, form)
    context: dict[str, Any] = {
        **site.each_context(request),
        **page.context(),
        "title": f"Send these answers for {page.gate.path}?",
        "lines": lines,
        "given": sum(bool(line.answer) for line in lines),
        "typed": [(name, value) for name in form.fields for value in request.POST.getlist(name)],
        "send": SEND,
        "change": CHANGE,
    }
    return TemplateResponse(request, _SUMMARY, context)


def _page(
    request: HttpRequest,
    site: admin.AdminSite,
    page: GatePage,
    form: AnswersForm | None = None,
    refused: Refused | None = None,
) -> HttpResponse:
    gate, user, status = page.gate, person(request), refused.status if refused is not None else 200
    where = standing(user, gate, page.votes)
    may_answer = bool(where.offers)
    drafts = list(drafts_at(gate)) if may_answer or closed_because(gate, page.votes) else []
    own = next((draft for draft in drafts if draft.user_id == user.pk), None)
    is_typed = form is not None or own is not None
    if form is None:
        form = AnswersForm(gate.questions, kept=own.data if own is not None else None)
    asked = form.asked()
    context: dict[str, Any] = {
        **site.each_context(request),
        **page.context(),
        "title": f"Questions of {gate.path}",
        "form": form,
        "groups": _groups(asked, drafts_of_others(gate, drafts, user) if may_answer else {}),
        "asked": asked,
        "required_count": sum(each.is_required for each in asked),
        "given_count": sum(each.is_given for each in asked),
        "required_left": sum(each.is_required and not each.is_given for each in asked),
        "answered": given_answers(gate),
        "rounds": earlier_rounds(gate),
        "own_draft": own,
        "may_answer": may_answer,
        "is_kept": is_typed and not may_answer,
        "reason_against": where.reason_against,
        "is_forbidden": status == 403,
        "conflict": refused.conflict if refused is not None and status in (409, 422) else "",
        "problems": form.problems() if status == 200 else [],
        "save_draft": SAVE_DRAFT,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=status)


def _groups(asked: list[Asked], drafts: dict[str, list[Draft]]) -> list[tuple[str, list[tuple[Asked, list[Draft]]]]]:
    """Return the questions under their headings, in the order of the form, with what others have typed for each."""
    found: dict[str, list[tuple[Asked, list[Draft]]]] = {}
    for each in asked:
        heading = "Required" if each.is_required else _HEADINGS.get(each.priority, "Optional")
        found.setdefault(heading, []).append((each, drafts.get(each.question_id, [])))
    return list(found.items())
