"""Executions: the list, the page of one, and what operators do to it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.admin.display import badge, link, moment, short_id
from executions.admin.execution_acts import CANCEL, RETRY, acts, perform
from executions.admin.execution_page import page_context
from executions.admin.filters import OwnProjectFilter, OwnWorkflowFilter
from executions.admin.health import health_view
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.amounts import duration, money
from executions.models import Execution, Project


@admin.register(Execution)
class ExecutionAdmin(VisibleAdmin[Execution]):
    list_display = ("id_short", "workflow_id", "project_link", "state", "started", "took", "cost", "started_by")
    list_filter = ("status", OwnProjectFilter, OwnWorkflowFilter, "started_at")
    list_select_related = ("started_by",)
    search_fields = ("=id", "project__id", "workflow_id")

    def visible_rows(self, rows: QuerySet[Execution], user: User) -> QuerySet[Execution]:
        return rows if user.is_superuser else rows.filter(project__in=Project.objects.visible_to(user))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Execution]:
        return super().get_queryset(request).defer("brief", "model_ids", "error_detail")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("health/", wrap(self.health_view), name="executions_health"),
            path("<path:object_id>/cancel/", wrap(self.cancel_view), name="executions_execution_cancel"),
            path("<path:object_id>/retry/", wrap(self.retry_view), name="executions_execution_retry"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the run. Nothing is edited here, so there is no form, and nothing to post."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        execution = self.get_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **page_context(execution, person(request)),
            "title": f"{execution.workflow_id} · {execution.project_id}",
            "acts": acts(person(request), execution),
            "opts": self.opts,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/executions/execution/page.html", context)

    def health_view(self, request: HttpRequest) -> HttpResponse:
        return health_view(request, self.admin_site)

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return perform(request, self.admin_site, self.get_object(request, object_id), CANCEL)

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return perform(request, self.admin_site, self.get_object(request, object_id), RETRY)

    @admin.display(description="execution", ordering="id")
    def id_short(self, execution: Execution) -> str:
        return short_id(execution.pk)

    @admin.display(description="project", ordering="project")
    def project_link(self, execution: Execution) -> SafeString:
        return link("executions_project_change", execution.project_id, execution.project_id)

    @admin.display(description="status", ordering="status")
    def state(self, execution: Execution) -> SafeString:
        return badge(execution.status)

    @admin.display(description="started", ordering="started_at")
    def started(self, execution: Execution) -> str:
        return moment(execution.started_at)

    @admin.display(description="took")
    def took(self, execution: Execution) -> str:
        return duration(execution.started_at, execution.completed_at or timezone.now())

    @admin.display(description="cost", ordering="cost_usd")
    def cost(self, execution: Execution) -> str:
        spent = money(execution.cost_usd)
        return spent if execution.budget_usd is None else f"{spent} of {money(execution.budget_usd)}"
