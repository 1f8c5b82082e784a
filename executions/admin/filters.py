"""Filters of lists. None of them names anything that the person may not see."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from executions.admin.people import person
from executions.admin.waiting import waiting_for_others
from executions.models import Project
from executions.services.access import gates_waiting_for
from workflows.models import Workflow

_MOST_CHOICES = 200


class ProjectFilter(admin.SimpleListFilter):
    """By project, among those that the person may see. ``field`` leads from the row to the project's id."""

    title = "project"
    parameter_name = "project"
    field = "execution__project"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        visible = Project.objects.visible_to(person(request))
        return [(key, key) for key in visible.values_list("pk", flat=True)[:_MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class OwnProjectFilter(ProjectFilter):
    field = "project"


class DocumentProjectFilter(ProjectFilter):
    field = "project_id"


class WorkflowFilter(admin.SimpleListFilter):
    """By workflow, by its id."""

    title = "workflow"
    parameter_name = "workflow"
    field = "execution__workflow_id"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(key, key) for key in Workflow.objects.values_list("pk", flat=True)[:_MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class OwnWorkflowFilter(WorkflowFilter):
    field = "workflow_id"


class WaitingFilter(admin.SimpleListFilter):
    """Open gates by whom they wait for."""

    title = "who it waits for"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("me", "me"), ("others", "others")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "me":
            return gates_waiting_for(queryset, person(request))
        if self.value() == "others":
            return waiting_for_others(queryset, person(request))
        return queryset


class ValuesFilter(admin.AllValuesFieldListFilter):
    """By the values that occur in the rows that the person may see; stock Django asks for them scoped already."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_choices = self.lookup_choices[:_MOST_CHOICES]
