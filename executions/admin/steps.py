"""Steps and their attempts."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.admin.display import badge, link, moment, readable_json, readable_text, short_id
from executions.admin.filters import ProjectFilter, WorkflowFilter
from executions.admin.rows import ExecutionPartAdmin
from executions.amounts import duration
from executions.models import Attempt, Step


@admin.register(Step)
class StepAdmin(ExecutionPartAdmin[Step]):
    list_display = ("path", "state", "attempt", "execution_link", "took", "document_link")
    list_filter = ("status", "is_iteration", ProjectFilter, WorkflowFilter)
    list_select_related = ("execution",)
    search_fields = ("=execution__id", "path")
    ordering = ("-id",)
    readonly_fields = (
        "execution_link", "path", "state", "attempt", "scope_type", "scope_id", "document_link", "total_items",
        "started", "completed", "took", "error_code", "error_detail_shown",
        "failures", "provider_failures", "crashes", "question_rounds", "rework_rounds",
        "carry_shown",
    )  # fmt: skip
    fields = readonly_fields
    error_detail_shown = readable_text("error_detail", "error")
    carry_shown = readable_json("carry", "told to the next attempt")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        return super().get_queryset(request).defer("execution__brief", "execution__model_ids")

    @admin.display(description="status", ordering="status")
    def state(self, step: Step) -> SafeString:
        return badge(step.status)

    @admin.display(description="execution")
    def execution_link(self, step: Step) -> SafeString:
        label = f"{step.execution.workflow_id} {short_id(step.execution_id)}"
        return link("executions_execution_change", step.execution_id, label)

    @admin.display(description="document")
    def document_link(self, step: Step) -> SafeString:
        return link("documents_document_change", step.document_id, short_id(step.document_id))

    @admin.display(description="took")
    def took(self, step: Step) -> str:
        return duration(step.started_at, step.completed_at)

    @admin.display(description="started")
    def started(self, step: Step) -> str:
        return moment(step.started_at)

    @admin.display(description="completed")
    def completed(self, step: Step) -> str:
        return moment(step.completed_at)


@admin.register(Attempt)
class AttemptAdmin(ExecutionPartAdmin[Attempt]):
    list_display = ("id_short", "step_link", "n", "state", "outcome", "started", "took")
    list_filter = ("status", ProjectFilter, WorkflowFilter)
    list_select_related = ("execution", "step")
    search_fields = ("=id", "=execution__id", "step__path")
    ordering = ("-started_at", "-id")
    readonly_fields = (
        "id", "step_link", "n", "content_attempt", "state", "outcome", "detail_shown",
        "findings_shown", "worker_id", "started", "took",
    )  # fmt: skip
    fields = readonly_fields
    detail_shown = readable_text("detail", "detail")
    findings_shown = readable_json("findings", "findings")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        rows = super().get_queryset(request)
        return rows.defer("findings", "detail", "execution__brief", "execution__model_ids", "step__carry")

    @admin.display(description="attempt", ordering="id")
    def id_short(self, attempt: Attempt) -> str:
        return short_id(attempt.pk)

    @admin.display(description="step")
    def step_link(self, attempt: Attempt) -> SafeString:
        return link("executions_step_change", attempt.step_id, attempt.step.path)

    @admin.display(description="status", ordering="status")
    def state(self, attempt: Attempt) -> SafeString:
        return badge(attempt.status)

    @admin.display(description="started", ordering="started_at")
    def started(self, attempt: Attempt) -> str:
        return moment(attempt.started_at)

    @admin.display(description="took")
    def took(self, attempt: Attempt) -> str:
        return duration(attempt.started_at, attempt.finished_at)
