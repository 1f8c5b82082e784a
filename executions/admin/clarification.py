"""The page on which the questions of a step are answered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from executions.admin.gate_page import GatePage, load_gate
from executions.admin.people import person
from executions.answer_forms import AnswersForm
from executions.answering import CHECK_ONLY, given_answers, send_answers
from executions.offers import standing

_TEMPLATE = "admin/executions/gate/answer.html"


def answer_gate(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    """Show the questions of a gate, and take the answers."""
    if request.method != "POST":
        return _page(request, site, page, AnswersForm(page.gate.questions))
    form = AnswersForm(page.gate.questions, request.POST)
    refused = send_answers(person(request), page.gate, page.votes, form, checks_only=CHECK_ONLY in request.POST)
    if refused is not None:
        if refused.status == 409:
            page = load_gate(request, str(page.gate.pk))
        return _page(request, site, page, form, status=refused.status, conflict=refused.conflict)
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
        "answered": given_answers(page.gate),
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
