"""Workflows and their revisions in the admin: to look at and to compare; new ones come by uploading a package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workflows.definition import IterationStep, Step
from workflows.desk import check_view, compare_view, upload_view
from workflows.models import Workflow, WorkflowRevision


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows come from loading packages; there is nothing to add, change or delete by hand."""

    actions = None
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return _has_role(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _has_role(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class NamedValuesFilter(admin.AllValuesFieldListFilter):
    """By the values that occur, with a word for none: a link without a text cannot be followed by everybody."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    list_display = ("workflow_id", "name", "revision", "step_count", "updated_at")
    list_select_related = ("current_revision",)
    search_fields = ("workflow_id", "current_revision__name")
    fields = ("workflow_id", "name", "current_revision", "updated_at")
    readonly_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        return super().get_queryset(request).defer("current_revision__definition")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("upload/", wrap(self.upload_view), name="workflows_upload"),
            path("upload/<uuid:upload_id>/", wrap(self.check_view), name="workflows_upload_check"),
        ]
        return [*own, *super().get_urls()]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        return upload_view(request, self.admin_site)

    def check_view(self, request: HttpRequest, upload_id: UUID) -> HttpResponse:
        return check_view(request, self.admin_site, upload_id)

    @admin.display(ordering="current_revision__name")
    def name(self, workflow: Workflow) -> str:
        return workflow.current_revision.name

    @admin.display(description="Current revision", ordering="current_revision__revision")
    def revision(self, workflow: Workflow) -> str:
        return workflow.current_revision.revision

    @admin.display(description="Steps")
    def step_count(self, workflow: Workflow) -> int:
        return workflow.current_revision.step_count


@admin.register(WorkflowRevision)
class WorkflowRevisionAdmin(ReadOnlyAdmin):
    list_display = (
        "workflow_id",
        "revision",
        "name",
        "is_current",
        "format",
        "step_count",
        "warning_count",
        "package",
        "loaded_at",
    )
    list_filter = ("format", ("package", NamedValuesFilter))
    change_form_template = "admin/workflows/workflowrevision/change_form.html"
    search_fields = ("workflow_id", "name", "revision", "digest")
    date_hierarchy = "loaded_at"
    fieldsets = (
        (None, {"fields": ("workflow_id", "name", "revision", "description", "is_current")}),
        ("Steps", {"fields": ("step_count", "steps")}),
        ("Loaded", {"fields": ("package", "format", "effective_date", "loaded_at", "digest", "warnings_found")}),
        ("Definition", {"fields": ("definition_text",), "classes": ("collapse",)}),
    )
    readonly_fields = ("is_current", "steps", "warnings_found", "definition_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowRevision]:
        is_current = Exists(Workflow.objects.filter(current_revision=OuterRef("pk")))
        # A definition holds every prompt and schema: lists leave it out.
        rows: QuerySet[WorkflowRevision] = super().get_queryset(request).defer("definition")
        return rows.annotate(is_current=is_current)

    def get_urls(self) -> list[URLPattern]:
        compare = path(
            "<path:object_id>/compare/",
            self.admin_site.admin_view(self.compare_view),
            name="workflows_workflowrevision_compare",
        )
        return [compare, *super().get_urls()]

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        revision = self.get_object(request, object_id) if self.has_view_permission(request) else None
        if revision is None:
            raise Http404("There is no such revision.")
        return compare_view(request, self.admin_site, revision)

    @admin.display(boolean=True, description="Current", ordering="is_current")
    def is_current(self, revision: WorkflowRevision) -> bool:
        return bool(getattr(revision, "is_current", False))

    @admin.display(description="Warnings")
    def warning_count(self, revision: WorkflowRevision) -> int:
        return len(revision.warnings)

    @admin.display(description="Steps")
    def steps(self, revision: WorkflowRevision) -> SafeString:
        return _list(revision.parsed().steps)

    @admin.display(description="Warnings")
    def warnings_found(self, revision: WorkflowRevision) -> SafeString | str:
        if not revision.warnings:
            return "None"
        rows = ((row["code"], row["path"], row["detail"]) for row in revision.warnings)
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{} <code>{}</code>: {}</li>", rows))

    @admin.display(description="Definition")
    def definition_text(self, revision: WorkflowRevision) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(revision.definition, indent=2, ensure_ascii=False))


def _has_role(request: HttpRequest) -> bool:
    """Whether whoever asks may see workflows: administrators, and members of any group."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return False
    if not hasattr(request, "_has_any_role"):
        request._has_any_role = user.is_superuser or user.groups.exists()  # type: ignore[attr-defined]
    found: bool = request._has_any_role  # type: ignore[attr-defined]
    return found


def _list(steps: tuple[Step, ...]) -> SafeString:
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{}{}</li>", ((_line(s), _inner(s)) for s in steps)))


def _line(step: Step) -> str:
    if isinstance(step, IterationStep):
        return f"{step.step_id}: for each {step.entity_type} in {step.doc_type}"
    return f"{step.step_id}: {step.role} produces {step.produces}"


def _inner(step: Step) -> SafeString | str:
    return _list(step.steps) if isinstance(step, IterationStep) else ""
