"""The list of executions, its filters, and what has changed since it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from executions.amounts import duration, money
from executions.api.pictures import summaries_of
from executions.engine.state import TERMINAL
from executions.models import Execution, ExecutionStatus, Project
from executions.pages import words
from executions.pages.paging import Order, page_of, read_cursor
from executions.pages.viewers import page, viewer
from executions.services.access import is_operator
from workflows.definition import Definition
from workflows.models import Workflow

NEWEST_FIRST = Order(columns=("started_at", "id"))
MOST_CHOICES = 200
# Beyond this many a number says no more than "many".
MOST_COUNTED = 99
MOST_WATCHED = 50

# Two statuses that mean the same to whoever looks for work to do.
WAITING = "waiting"
_STATUSES: dict[str, tuple[str, ...]] = {
    WAITING: (ExecutionStatus.WAITING_CLARIFICATION.value, ExecutionStatus.WAITING_ACCEPTANCE.value),
    **{status: (status,) for status in ExecutionStatus.values},
}


class ExecutionFilters(forms.Form):
    """What the list can be narrowed to; days are those of UTC, both inclusive."""

    status = forms.ChoiceField(label=_("Status"), required=False)
    workflow = forms.ChoiceField(label=_("Workflow"), required=False)
    project = forms.CharField(label=_("Project"), required=False, max_length=64)
    started_from = forms.DateField(label=_("Started from"), required=False)
    started_to = forms.DateField(label=_("Started until"), required=False)

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.GET)
        choices = [("", _("Any")), (WAITING, _("Waiting for people"))]
        fields: dict[str, Any] = self.fields
        fields["status"].choices = [*choices, *((status, words.label(status)) for status in ExecutionStatus.values)]
        names = Workflow.objects.values_list("pk", "current_revision__name")[:MOST_CHOICES]
        fields["workflow"].choices = [("", _("Any")), *names]
        fields["project"].widget.attrs = {"list": "projects", "autocomplete": "off"}
        for name in ("started_from", "started_to"):
            fields[name].widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})

    @property
    def is_narrowed(self) -> bool:
        """Whether anything at all was asked for."""
        return any(str(self.data.get(name, "")).strip() for name in self.fields)

    def condition(self) -> Q:
        """Return what rows must fulfil; a wrong value fits none, so that it is not taken for no filter."""
        if not self.is_valid():
            return Q(pk__in=[])
        row = self.cleaned_data
        found = Q()
        if row["status"]:
            found &= Q(status__in=_STATUSES[row["status"]])
        if row["workflow"]:
            found &= Q(workflow_id=row["workflow"])
        if row["project"]:
            found &= Q(project_id=row["project"])
        if row["started_from"]:
            found &= Q(started_at__gte=datetime.combine(row["started_from"], time(), UTC))
        if row["started_to"] and row["started_to"] < date.max:
            found &= Q(started_at__lt=datetime.combine(row["started_to"] + timedelta(days=1), time(), UTC))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One execution as the list shows it."""

    execution: Execution
    name: str
    step: str
    took: str
    cost: str
    share: int | None
    is_active: bool


@page()
def execution_list(request: HttpRequest) -> HttpResponse:
    filters = ExecutionFilters(request)
    found = page_of(request, _shown(_visible(viewer(request)).filter(filters.condition())), NEWEST_FIRST)
    context = {
        "filters": filters,
        "page": found,
        "lines": lines_of(found.rows),
        "projects": Project.objects.visible_to(viewer(request)).values_list("pk", flat=True)[:MOST_CHOICES],
        "may_start": is_operator(viewer(request)),
        "query": _without_cursor(request),
    }
    return render(request, "pages/executions/list.html", context)


@page()
def execution_changes(request: HttpRequest) -> HttpResponse:
    """Answer what the list's script asks: rows that it shows, as they are now, and how many came above them."""
    visible = _visible(viewer(request))
    watched = [UUID(text) for text in request.GET.getlist("id")[:MOST_WATCHED] if _is_uuid(text)]
    lines = lines_of(list(_shown(visible.filter(pk__in=watched))))
    count = _count_above(request, visible)
    label = ngettext("%(count)s new run", "%(count)s new runs", count)
    shown = f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count)
    rows = {str(line.execution.pk): render_to_string("pages/executions/_line.html", {"line": line}) for line in lines}
    return JsonResponse({"count": count, "label": label % {"count": shown}, "rows": rows})


def lines_of(executions: Sequence[Execution]) -> list[Line]:
    """Return the lines of some executions, with one statement more."""
    now = timezone.now()
    return [_line(summary.execution, summary.current_step_id, now) for summary in summaries_of(executions)]


def shown_executions(user: User) -> QuerySet[Execution]:
    """Return the executions that ``user`` may see, with what a line of a list needs."""
    return _shown(_visible(user))


def _visible(user: User) -> QuerySet[Execution]:
    return Execution.objects.visible_to(user)


def _shown(rows: QuerySet[Execution]) -> QuerySet[Execution]:
    rows = rows.select_related("revision", "started_by")
    return rows.defer("brief", "model_ids", "error_detail", "revision__definition", "revision__warnings")


def _line(execution: Execution, step_id: str | None, now: datetime) -> Line:
    budget = execution.budget_usd
    spent = money(execution.cost_usd)
    return Line(
        execution=execution,
        name=execution.revision.name,
        step=step_name(execution.revision.parsed(), step_id) if step_id else "",
        took=duration(execution.started_at, execution.completed_at or now),
        cost=spent if budget is None else f"{spent} / {money(budget)}",
        share=_share(execution.cost_usd, budget),
        is_active=execution.status not in [status.value for status in TERMINAL],
    )


def step_name(definition: Definition, step_id: str) -> str:
    step = definition.step(step_id)
    return step.name if step is not None else step_id


def _share(spent: Decimal, budget: Decimal | None) -> int | None:
    """Return how much of the budget is spent, in whole per cent."""
    if not budget:
        return None
    return min(int(spent * 100 / budget), 100)


def _count_above(request: HttpRequest, visible: QuerySet[Execution]) -> int:
    position = read_cursor(request.GET.get("top", ""), NEWEST_FIRST)
    if position is None:
        return 0
    newer = visible.filter(ExecutionFilters(request).condition())
    newer = newer.filter(NEWEST_FIRST.beyond(position[1], backward=True)).order_by()
    return newer[: MOST_COUNTED + 1].count()


def _without_cursor(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("cursor", None)
    return query.urlencode()


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
