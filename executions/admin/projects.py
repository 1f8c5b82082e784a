"""Projects: the one thing that is edited here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.models import Project
from executions.services.access import is_operator
from executions.services.executions import PROJECT_ID


class ProjectForm(forms.ModelForm[Project]):
    """A project's id names it in addresses, so it is chosen once."""

    def clean_id(self) -> str:
        project_id: str = self.cleaned_data["id"]
        if not PROJECT_ID.fullmatch(project_id):
            raise ValidationError("Use 1 to 64 letters, digits, dots, dashes or underscores.")
        return project_id


@admin.register(Project)
class ProjectAdmin(VisibleAdmin[Project]):
    """Its creator, the operators in it and administrators may change a project."""

    form = ProjectForm
    list_display = ("id", "name", "executions_of", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("id", "name")
    filter_horizontal = ("users", "groups")
    fieldsets = (
        (None, {"fields": ("id", "name", "created_by", "created_at")}),
        (
            "Members",
            {
                "fields": ("users", "groups"),
                "description": "Without members, everybody with a role sees the project. With members, only they and"
                " administrators do: for all others it does not exist.",
            },
        ),
    )

    def visible_rows(self, rows: QuerySet[Project], user: User) -> QuerySet[Project]:
        seen = rows if user.is_superuser else rows.filter(pk__in=Project.objects.visible_to(user))
        return seen.annotate(execution_count=Count("executions"))

    @admin.display(description="executions", ordering="execution_count")
    def executions_of(self, project: Project) -> int:
        count: int = project.execution_count  # type: ignore[attr-defined]
        return count

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        return ("created_by", "created_at") if obj is None else ("id", "created_by", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and is_operator(person(request))

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        if not self.has_view_permission(request):
            return False
        user = person(request)
        return is_operator(user) or (obj is not None and obj.created_by_id == user.pk)

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        if not change:
            obj.created_by, obj.created_at = person(request), timezone.now()
        super().save_model(request, obj, form, change)
