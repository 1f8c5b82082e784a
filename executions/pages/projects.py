"""Projects: which there are, and one with its documents, runs and members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from executions.models import Execution, ExecutionStatus, Project
from executions.pages.execution_list import lines_of, shown_executions
from executions.pages.paging import Order, page_of
from executions.pages.scope_tree import tree_of
from executions.pages.viewers import page, viewer
from executions.services.access import is_operator
from executions.services.executions import PROJECT_ID

BY_ID = Order(columns=("id",), is_descending=False)
MOST_RUNS = 10
MOST_MEMBERS = 50

_WAITING = Q(status__in=[ExecutionStatus.WAITING_CLARIFICATION, ExecutionStatus.WAITING_ACCEPTANCE])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One project as the list shows it."""

    project: Project
    has_members: bool
    run_count: int
    waiting_count: int
    last_started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    users: list[str]
    groups: list[str]
    is_cut: bool

    @property
    def is_open(self) -> bool:
        return not self.users and not self.groups


@page()
def project_list(request: HttpRequest) -> HttpResponse:
    found = page_of(request, _with_membership(Project.objects.visible_to(viewer(request))), BY_ID)
    counts = {
        row["project_id"]: row
        for row in Execution.objects.filter(project__in=[project.pk for project in found.rows])
        .order_by()
        .values("project_id")
        .annotate(runs=Count("pk"), waiting=Count("pk", filter=_WAITING), last=Max("started_at"))
    }
    summaries = [_summary(project, counts.get(project.pk)) for project in found.rows]
    context = {"page": found, "summaries": summaries, "may_start": is_operator(viewer(request))}
    return render(request, "pages/projects/list.html", context)


@page()
def project_page(request: HttpRequest, project_id: str) -> HttpResponse:
    user = viewer(request)
    project = _visible_project(user, project_id)
    runs = shown_executions(user).filter(project=project)
    totals = runs.order_by().aggregate(runs=Count("pk"), spent=Sum("cost_usd"), waiting=Count("pk", filter=_WAITING))
    context = {
        "project": project,
        "tree": tree_of(project.pk),
        "lines": lines_of(list(runs[:MOST_RUNS])),
        "run_count": totals["runs"],
        "waiting_count": totals["waiting"],
        "spent": totals["spent"] or Decimal(0),
        "members": _members(project),
        "may_start": is_operator(user),
        "may_change": user.is_staff and (is_operator(user) or project.created_by_id == user.pk),
    }
    return render(request, "pages/projects/page.html", context)


def _visible_project(user: User, project_id: str) -> Project:
    """:raises Http404: also for a project that ``user`` may not see."""
    if not PROJECT_ID.fullmatch(project_id):
        raise Http404("There is no such project.")
    found = Project.objects.visible_to(user).select_related("created_by").filter(pk=project_id).first()
    if found is None:
        raise Http404("There is no such project.")
    return found


def _with_membership(projects: QuerySet[Project]) -> QuerySet[Project]:
    users = Project.users.through.objects.filter(project_id=OuterRef("pk"))
    groups = Project.groups.through.objects.filter(project_id=OuterRef("pk"))
    return projects.annotate(has_members=Exists(users) | Exists(groups))


def _summary(project: Project, row: Mapping[str, Any] | None) -> Summary:
    counts = row or {"runs": 0, "waiting": 0, "last": None}
    return Summary(
        project=project,
        has_members=bool(project.has_members),  # type: ignore[attr-defined] # annotated above
        run_count=counts["runs"],
        waiting_count=counts["waiting"],
        last_started_at=counts["last"],
    )


def _members(project: Project) -> Members:
    users = list(project.users.order_by("username").values_list("username", flat=True)[: MOST_MEMBERS + 1])
    groups = list(project.groups.order_by("name").values_list("name", flat=True)[: MOST_MEMBERS + 1])
    return Members(
        users=users[:MOST_MEMBERS],
        groups=groups[:MOST_MEMBERS],
        is_cut=len(users) > MOST_MEMBERS or len(groups) > MOST_MEMBERS,
    )
