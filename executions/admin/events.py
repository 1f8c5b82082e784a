"""The history of executions."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.admin.display import link, moment, readable_json, short_id
from executions.admin.filters import ProjectFilter, WorkflowFilter
from executions.admin.rows import ExecutionPartAdmin
from executions.models import Event


@admin.register(Event)
class EventAdmin(ExecutionPartAdmin[Event]):
    """Events are never changed and never removed; a database trigger holds that too."""

    list_display = ("event_type", "seq", "execution_link", "path", "time")
    list_filter = ("event_type", ProjectFilter, WorkflowFilter)
    list_select_related = ("execution",)
    search_fields = ("=execution__id", "path")
    ordering = ("-timestamp", "-id")
    fields = ("execution_link", "seq", "event_type", "step_id", "path", "time", "data_shown")
    readonly_fields = fields
    data_shown = readable_json("data", "data")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("execution__brief", "execution__model_ids")

    @admin.display(description="execution")
    def execution_link(self, event: Event) -> SafeString:
        label = f"{event.execution.workflow_id} {short_id(event.execution_id)}"
        return link("executions_execution_change", event.execution_id, label)

    @admin.display(description="time", ordering="timestamp")
    def time(self, event: Event) -> str:
        return moment(event.timestamp)
