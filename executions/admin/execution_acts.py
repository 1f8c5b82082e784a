"""Cancelling and retrying an execution: asked once, with what it leads to, then done by the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from executions.admin.display import in_words, money
from executions.admin.execution_page import kept_when_cancelled
from executions.admin.people import person
from executions.admin.review_forms import CommentField
from executions.exceptions import Conflict, Invalid, NotPermitted
from executions.models import Execution, ExecutionStatus
from executions.services.access import OPERATOR, is_operator
from executions.services.executions import MAX_BUDGET, MAX_REASON, cancel_execution, retry_execution

_TEMPLATE = "admin/executions/execution/act.html"
_CAN_CANCEL = (
    ExecutionStatus.PENDING,
    ExecutionStatus.RUNNING,
    ExecutionStatus.WAITING_ACCEPTANCE,
    ExecutionStatus.WAITING_CLARIFICATION,
)


class ReasonForm(forms.Form):
    reason = CommentField(
        required=False, max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 3, "maxlength": False})
    )


class CancelForm(ReasonForm):
    pass


class RetryForm(ReasonForm):
    budget_usd = forms.DecimalField(
        label="New budget in US dollars",
        required=False,
        min_value=0,
        max_value=MAX_BUDGET,
        max_digits=20,
        decimal_places=10,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="For the whole run, with what it has spent already. Empty: the budget stays as it is.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that an operator can do to an execution. ``reason_against`` says why not now."""

    name: str
    label: str
    reason_against: str
    url: str


def acts(user: User, execution: Execution) -> list[Act]:
    """Return the acts of an execution's page; the one source of its buttons."""
    return [_act(CANCEL, user, execution), _act(RETRY, user, execution)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    name: str
    label: str
    title: str
    done: str
    form: type[ReasonForm]
    states: tuple[ExecutionStatus, ...]
    needs: str
    reason_label: str
    effects: Callable[[Execution], list[str]]
    service: Callable[[User, Execution, dict[str, Any]], Execution]


def _act(kind: _Kind, user: User, execution: Execution) -> Act:
    against = ""
    if execution.status not in kind.states:
        against = f"The run is {in_words(execution.status)}; {kind.needs}"
    elif not is_operator(user):
        against = f"You need the role {OPERATOR}; ask an administrator to add you to that group."
    url = reverse(f"admin:executions_execution_{kind.name}", args=(execution.pk,))
    return Act(name=kind.name, label=kind.label, reason_against=against, url=url)


def perform(request: HttpRequest, site: admin.AdminSite, execution: Execution, kind: _Kind) -> HttpResponse:
    """Ask, and on the answer do it."""
    if request.method != "POST":
        return _page(request, site, execution, kind, kind.form())
    form = kind.form(request.POST)
    if not is_operator(person(request)):
        return _page(request, site, execution, kind, form, status=403)
    if not form.is_valid():
        return _page(request, site, execution, kind, form)
    try:
        kind.service(person(request), execution, form.cleaned_data)
    except NotPermitted:
        return _page(request, site, execution, kind, form, status=403)
    except Conflict as conflict:
        execution.refresh_from_db()
        return _page(request, site, execution, kind, form, status=409, conflict=conflict.detail)
    except Invalid as invalid:
        for error in invalid.errors:
            name = error.path.removeprefix("/")
            form.add_error(name if name in form.fields else None, f"This {error.detail}.")
        return _page(request, site, execution, kind, form)
    messages.success(request, kind.done)
    return HttpResponseRedirect(reverse("admin:executions_execution_change", args=(execution.pk,)))


def _page(
    request: HttpRequest,
    site: admin.AdminSite,
    execution: Execution,
    kind: _Kind,
    form: ReasonForm,
    *,
    status: int = 200,
    conflict: str = "",
) -> HttpResponse:
    form.fields["reason"].label = kind.reason_label
    context = {
        **site.each_context(request),
        "title": kind.title,
        "execution": execution,
        "act": _act(kind, person(request), execution),
        "effects": kind.effects(execution),
        "form": form,
        "conflict": conflict,
        "is_forbidden": status == 403,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=status)


def _retry_effects(execution: Execution) -> list[str]:
    said = ["Finished steps are not run, or paid for, again. Failed steps get a fresh set of tries."]
    if execution.error_code == "DOCUMENT_REJECTED":
        said.append("The rejected document is done again, with the reviewer's reason and yours.")
    if execution.budget_usd is not None:
        said.append(f"Spent so far: {money(execution.cost_usd)} of {money(execution.budget_usd)}.")
    return said


def _cancel(user: User, execution: Execution, row: dict[str, Any]) -> Execution:
    return cancel_execution(actor=user, execution_id=execution.pk, reason=row["reason"])


def _retry(user: User, execution: Execution, row: dict[str, Any]) -> Execution:
    return retry_execution(
        actor=user, execution_id=execution.pk, reason=row["reason"], budget_usd=row.get("budget_usd")
    )


CANCEL = _Kind(
    name="cancel",
    label="Cancel the run",
    title="Cancel this run?",
    done="The run is cancelled.",
    form=CancelForm,
    states=_CAN_CANCEL,
    needs="only a run that is not over can be cancelled.",
    reason_label="Reason (kept in the history)",
    effects=lambda execution: kept_when_cancelled(execution.pk),
    service=_cancel,
)
RETRY = _Kind(
    name="retry",
    label="Retry the run",
    title="Retry this run?",
    done="The run goes on.",
    form=RetryForm,
    states=(ExecutionStatus.FAILED,),
    needs="only a failed run can be retried.",
    reason_label="Reason (shown to the model)",
    effects=_retry_effects,
    service=_retry,
)
