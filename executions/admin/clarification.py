"""The page on which the questions of a step are answered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from documents.rendering import visible
from executions.admin.answer_forms import AnswersForm, answer_in_words
from executions.admin.gate_page import GatePage, load_gate
from executions.admin.offers import closed_because, standing
from executions.admin.people import person
from executions.exceptions import Conflict, Invalid, NotPermitted
from executions.models import DecisionChannel, Gate
from executions.services.decisions import answer_questions

CHECK_ONLY = "check_only"
_TEMPLATE = "admin/executions/gate/answer.html"


def answer_gate(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    """Show the questions of a gate, and take the answers."""
    if request.method != "POST":
        return _page(request, site, page, AnswersForm(page.gate.questions))
    form = AnswersForm(page.gate.questions, request.POST)
    if standing(person(request), page.gate, page.votes).is_forbidden:
        return _page(request, site, page, form, status=403)
    if not form.is_valid():
        closed = closed_because(page.gate, page.votes)
        return _page(request, site, page, form, status=409 if closed else 200, conflict=closed)
    if CHECK_ONLY in request.POST:
        return _page(request, site, page, form)
    try:
        answer_questions(
            actor=person(request),
            gate=page.gate,
            answers=form.answers(),
            channel=DecisionChannel.ADMIN,
            at=timezone.now(),
        )
    except NotPermitted:
        return _page(request, site, page, form, status=403)
    except Conflict as conflict:
        page = load_gate(request, str(page.gate.pk))
        return _page(request, site, page, form, status=409, conflict=conflict.detail)
    except Invalid as invalid:
        form.take_errors(invalid.errors)
        return _page(request, site, page, form)
    messages.success(request, f"Your answers are recorded; {page.gate.path} goes on with them.")
    return HttpResponseRedirect(reverse("admin:index"))


def _page(
    request: HttpRequest,
    site: admin.AdminSite,
    page: GatePage,
    form: AnswersForm,
    *,
    status: int = 200,
    conflict: str = "",
) -> HttpResponse:
    where = standing(person(request), page.gate, page.votes)
    context: dict[str, Any] = {
        **site.each_context(request),
        **page.context(),
        "title": f"Questions of {page.gate.path}",
        "form": form,
        "asked": form.asked(),
        "required_count": sum(bool(question["required"]) for question in page.gate.questions),
        "answered": _answered(page.gate),
        "may_answer": bool(where.offers),
        "is_kept": form.is_bound and not where.offers,
        "reason_against": where.reason_against,
        "is_forbidden": status == 403,
        "conflict": conflict,
        "problems": form.problems(),
        "is_checked": form.is_bound and form.is_valid() and bool(where.offers),
        "check_only": CHECK_ONLY,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=status)


def _answered(gate: Gate) -> list[tuple[str, str]]:
    """Return the questions with the answers that were given, in words; empty while nobody has answered."""
    if gate.answers is None:
        return []
    return [
        (visible(question["text"]), visible(answer_in_words(question, gate.answers.get(question["id"]))))
        for question in gate.questions
    ]
