"""The inbox: the gates that wait for the person, all open ones, and those that were decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import BooleanField, Count, ExpressionWrapper, Func, IntegerField, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from executions.admin.inbox_rows import rows_of
from executions.admin.people import has_role, person
from executions.admin.waiting import QUEUE_ORDER, visible_gates, with_due_order
from executions.models import Gate, GateStatus, Project
from executions.pages.paging import Order, Page, page_of
from executions.services.access import undecided_gates, waits_for
from workflows.models import Workflow

PAGE_SIZE = 50
_TEMPLATE = "admin/executions/gate/inbox.html"
_MOST_CHOICES = 200
_DECIDED_ORDER = Order(columns=("closed_at", "id"))
_TABS = (("mine", "Mine"), ("all", "All open"), ("decided", "Decided"))
_KINDS = (("acceptance", "Documents to accept"), ("clarification", "Questions to answer"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One filter of the list: what it is called, what is chosen, and what there is to choose from."""

    name: str
    label: str
    value: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    label: str
    url: str
    is_current: bool
    count: int | None = None


def inbox_view(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Show one tab of the inbox. The number of statements does not grow with what waits."""
    user = person(request)
    tab = request.GET.get("tab", "mine")
    tab = tab if tab in dict(_TABS) else "mine"
    visible = visible_gates(user) if has_role(request) else Gate.objects.none()
    choices = _choices(request, visible, user)
    page = _page(request, _kept(visible, choices), user, tab)
    rows = rows_of(page.rows, user)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Inbox",
        "tab": tab,
        "tabs": _tabs(request, visible, user, tab),
        "choices": choices,
        "is_filtered": any(choice.value for choice in choices),
        "rows": rows,
        "page": page,
        "chooses_all": "choose" in request.GET,
        "choose_url": _choose_url(request),
        "can_bulk": tab != "decided" and any(row.can_accept for row in rows),
        "here": request.get_full_path(),
    }
    return TemplateResponse(request, _TEMPLATE, context)


def _choose_url(request: HttpRequest) -> str:
    """Return the address of the same page with every box ticked, or with none: there is no script for it."""
    query = request.GET.copy()
    if query.pop("choose", None) is None:
        query["choose"] = "all"
    return f"?{query.urlencode()}"


def shown_gates(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Return gates with what a row of the inbox needs of them, and without what would be heavy."""
    waiting = ExpressionWrapper(waits_for(user), output_field=BooleanField())
    questions = Func("questions", function="jsonb_array_length", output_field=IntegerField())
    light = gates.select_related("execution", "step").defer(
        "questions", "answers", "execution__brief", "execution__model_ids", "step__carry"
    )
    return light.annotate(is_mine=waiting, question_count=questions)


def _page(request: HttpRequest, gates: QuerySet[Gate], user: User, tab: str) -> Page[Gate]:
    if tab == "decided":
        decided = gates.filter(status__in=(GateStatus.DECIDED, GateStatus.EXPIRED), closed_at__isnull=False)
        return page_of(request, shown_gates(decided, user), _DECIDED_ORDER, size=PAGE_SIZE)
    waiting = undecided_gates(gates)
    if tab == "mine":
        waiting = waiting.filter(waits_for(user))
    return page_of(request, with_due_order(shown_gates(waiting, user)), QUEUE_ORDER, size=PAGE_SIZE)


def _choices(request: HttpRequest, visible: QuerySet[Gate], user: User) -> list[Choice]:
    """Return the filters. They name nothing that the person may not see."""
    given = {name: _clean(request.GET.get(name, "")) for name in ("kind", "project", "workflow", "role")}
    projects = Project.objects.visible_to(user).order_by("pk").values_list("pk", flat=True)[:_MOST_CHOICES]
    workflows = Workflow.objects.order_by("pk").values_list("pk", flat=True)[:_MOST_CHOICES]
    named = Func("roles", function="jsonb_array_elements_text", set_returning=True)
    roles = undecided_gates(visible).annotate(role=named).order_by().values_list("role", flat=True).distinct()
    return [
        Choice(name="kind", label="Kind", value=given["kind"] if given["kind"] in dict(_KINDS) else "", options=_KINDS),
        Choice(name="project", label="Project", value=given["project"], options=_options(projects, given["project"])),
        Choice(
            name="workflow", label="Workflow", value=given["workflow"], options=_options(workflows, given["workflow"])
        ),
        Choice(
            name="role",
            label="Role",
            value=given["role"],
            options=_options(sorted(roles[:_MOST_CHOICES]), given["role"]),
        ),
    ]


def _clean(text: str) -> str:
    # PostgreSQL takes no NUL, not even to find nothing; nothing of ours has so long a name.
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()[:150]


def _options(values: QuerySet[Any, str] | Sequence[str], chosen: str) -> list[tuple[str, str]]:
    found = list(values)
    if chosen and chosen not in found:
        found.insert(0, chosen)
    return [(value, value) for value in found]


def _kept(gates: QuerySet[Gate], choices: Sequence[Choice]) -> QuerySet[Gate]:
    fields = {"kind": "kind", "project": "execution__project", "workflow": "execution__workflow_id"}
    for choice in choices:
        if choice.value and choice.name == "role":
            gates = gates.filter(Q(roles__contains=[choice.value]) | Q(escalated_to__contains=[choice.value]))
        elif choice.value:
            gates = gates.filter(**{fields[choice.name]: choice.value})
    return gates


def _tabs(request: HttpRequest, visible: QuerySet[Gate], user: User, current: str) -> list[Tab]:
    counts = undecided_gates(visible).aggregate(all=Count("pk"), mine=Count("pk", filter=waits_for(user)))
    query = request.GET.copy()
    query.pop("cursor", None)
    query.pop("choose", None)
    found = []
    for name, label in _TABS:
        query["tab"] = name
        found.append(Tab(label=label, url=f"?{query.urlencode()}", is_current=name == current, count=counts.get(name)))
    return found
