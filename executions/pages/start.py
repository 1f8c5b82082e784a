"""What can be started, and starting it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from executions.exceptions import Invalid, NotPermitted, ProjectNotFound, TooManyRuns
from executions.models import Project
from executions.pages.brief import brief_documents
from executions.pages.estimate import budget_warning, drawn_from, figures
from executions.pages.execution_list import MOST_CHOICES
from executions.pages.outline import gate_count, outline
from executions.pages.start_form import StartForm
from executions.pages.viewers import page, viewer
from executions.services.access import OPERATOR, is_operator
from executions.services.estimates import estimate_run
from executions.services.executions import start_execution
from executions.services.idempotency import Asked, KeptAnswer, hold_key, keep_answer
from workflows.exceptions import WorkflowNotFound
from workflows.models import Workflow, WorkflowRevision
from workflows.services import current_revision

MOST_WORKFLOWS = 200


@page()
def workflow_list(request: HttpRequest) -> HttpResponse:
    workflows = Workflow.objects.select_related("current_revision").defer(
        "current_revision__definition", "current_revision__warnings"
    )
    context = {
        "revisions": [each.current_revision for each in workflows[:MOST_WORKFLOWS]],
        "may_start": is_operator(viewer(request)),
        "project": request.GET.get("project", "")[:64],
    }
    return render(request, "pages/workflows/list.html", context)


@page("POST")
def start_page(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Show what a run will do, with the form that starts it; a POST starts it and leads to its page."""
    try:
        revision = current_revision(workflow_id)
    except WorkflowNotFound as error:
        raise Http404(str(error)) from error
    form = StartForm(revision.parsed(), request)
    user = viewer(request)
    if request.method != "POST":
        return _page(request, revision, form)
    if not is_operator(user):
        return _page(request, revision, form, status=403)
    if form.is_valid():
        try:
            location, is_new = _start_once(user, revision, form)
        except Invalid as invalid:
            form.take_errors(invalid.errors)
        except ProjectNotFound:
            form.add_error("project", _("This name cannot be used; choose another."))
        except NotPermitted:
            return _page(request, revision, form, status=403)
        except TooManyRuns as many:
            form.add_error(None, many.detail)
            return _page(request, revision, form, status=429)
        else:
            if not is_new:
                messages.info(request, _("This run was started already; it was not started again."))
            elif (budget := form.cleaned_data["budget"]) is not None:
                _remark_on(request, budget_warning(estimate_run(user, revision), budget))
            return HttpResponseRedirect(location)
    return _page(request, revision, form, status=422)


def _start_once(user: User, revision: WorkflowRevision, form: StartForm) -> tuple[str, bool]:
    """Start the run, and return its address, and whether it is new.

    A form that was sent twice starts one run, however close together: the second waits for nothing and finds the first.
    """
    sent = form.fingerprint()
    path = reverse("start-page", args=(revision.workflow_id,))
    asked = Asked(user_id=user.pk, method="POST", path=path, key=sent, fingerprint=sent)
    with transaction.atomic():
        hold = hold_key(asked)
        if not hold.is_held:
            return reverse("executions-page"), False
        if hold.kept is not None:
            return hold.kept.headers["Location"], False
        execution = start_execution(actor=user, revision=revision, new=form.new_execution(), at=timezone.now())
        location = reverse("execution-page", args=(execution.pk,))
        keep_answer(
            asked,
            KeptAnswer(
                fingerprint=sent,
                http_status=302,
                headers={"Location": location},
                body=None,
                project_id=execution.project_id,
            ),
        )
    return location, True


def _page(request: HttpRequest, revision: WorkflowRevision, form: StartForm, *, status: int = 200) -> HttpResponse:
    definition = revision.parsed()
    user = viewer(request)
    context = {
        "revision": revision,
        "form": form,
        "steps": outline(definition),
        "gate_count": gate_count(definition),
        "brief_documents": brief_documents(definition),
        "projects": Project.objects.visible_to(user).values_list("pk", flat=True)[:MOST_CHOICES],
        "may_start": is_operator(user),
        "operator": OPERATOR,
        "estimate": _estimate(user, revision, form),
    }
    return render(request, "pages/workflows/start.html", context, status=status)


def _estimate(user: User, revision: WorkflowRevision, form: StartForm) -> dict[str, Any] | None:
    found = estimate_run(user, revision)
    if found is None:
        return None
    # Where the form was not looked at, nothing of it is known.
    budget = getattr(form, "cleaned_data", {}).get("budget")
    return {"figures": figures(found), "drawn_from": drawn_from(found), "warning": budget_warning(found, budget)}


def _remark_on(request: HttpRequest, warning: str) -> None:
    if warning:
        messages.warning(request, warning)
