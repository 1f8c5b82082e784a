"""Cancelling and retrying an execution at the desk: asked once, with what it leads to, then done by the service."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from executions import run_acts
from executions.admin.people import person
from executions.models import Execution
from executions.run_acts import CANCEL, KINDS, RETRY, Kind, ReasonForm, Refused

__all__ = ["CANCEL", "RETRY", "Act", "acts", "perform"]

_TEMPLATE = "admin/executions/execution/act.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that an operator can do to an execution. ``reason_against`` says why not now."""

    name: str
    label: str
    reason_against: str
    url: str


def acts(user: User, execution: Execution) -> list[Act]:
    """Return the acts of an execution's page; the one source of its buttons."""
    return [_act(kind, user, execution) for kind in KINDS]


def _act(kind: Kind, user: User, execution: Execution) -> Act:
    against = run_acts.reason_against(kind, user, execution)
    url = reverse(f"admin:executions_execution_{kind.name}", args=(execution.pk,))
    return Act(name=kind.name, label=kind.label, reason_against=against, url=url)


def perform(request: HttpRequest, site: admin.AdminSite, execution: Execution, kind: Kind) -> HttpResponse:
    """Ask, and on the answer do it."""
    if request.method != "POST":
        return _page(request, site, execution, kind, kind.new_form(), Refused(status=200))
    form = kind.new_form(request.POST)
    refused = run_acts.perform(kind, person(request), execution, form)
    if refused is not None:
        return _page(request, site, execution, kind, form, refused)
    messages.success(request, kind.done)
    return HttpResponseRedirect(reverse("admin:executions_execution_change", args=(execution.pk,)))


def _page(
    request: HttpRequest, site: admin.AdminSite, execution: Execution, kind: Kind, form: ReasonForm, refused: Refused
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": kind.title,
        "execution": execution,
        "act": _act(kind, person(request), execution),
        "effects": kind.effects(execution),
        "form": form,
        "conflict": refused.conflict,
        "is_forbidden": refused.status == 403,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=refused.status)
