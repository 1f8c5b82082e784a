"""Projects: the one thing that is edited here."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from executions.admin.display import moment
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.amounts import NOTHING
from executions.exceptions import CombineError
from executions.models import Project
from executions.services.access import is_operator
from executions.services.executions import PROJECT_ID
from executions.services.projects import Members, change_project, create_project


class UserNamesField(forms.CharField):
    """Users by name, one a line: a list of every account would be long, and nobody's business."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(user.get_username() for user in value) if isinstance(value, list | QuerySet) else value

    def clean(self, value: Any) -> Any:
        names = set(_names(super().clean(value)))
        users = User.objects.filter(username__in=names)
        unknown = names - {user.get_username() for user in users}
        if unknown:
            raise ValidationError(f"There is no account of this name: {', '.join(sorted(unknown))}.")
        return users

    def has_changed(self, initial: Any, data: Any) -> bool:
        return {user.get_username() for user in initial or ()} != set(_names(data or ""))


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[\s,]+", text) if name]


class ProjectForm(forms.ModelForm[Project]):
    """A project's id names it in addresses, so it is chosen once."""

    users = UserNamesField(
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 30, "maxlength": False}),
        help_text="User names, one a line.",
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def clean_id(self) -> str:
        project_id: str = self.cleaned_data["id"]
        if not PROJECT_ID.fullmatch(project_id):
            raise ValidationError("Use 1 to 64 letters, digits, dots, dashes or underscores.")
        return project_id


@admin.register(Project)
class ProjectAdmin(VisibleAdmin[Project]):
    """Its creator, the operators in it and administrators may change a project."""

    form = ProjectForm
    list_display = ("id", "name", "executions_of", "creator", "created")
    list_select_related = ("created_by",)
    search_fields = ("id", "name")
    fieldsets = (
        (None, {"fields": ("id", "name", "creator", "created")}),
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

    @admin.display(description="created by", ordering="created_by")
    def creator(self, project: Project) -> str:
        return project.created_by.get_username() if project.created_by is not None else NOTHING

    @admin.display(description="created", ordering="created_at")
    def created(self, project: Project) -> str:
        return moment(project.created_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        return ("creator", "created") if obj is None else ("id", "creator", "created")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and is_operator(person(request))

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        if not self.has_view_permission(request):
            return False
        user = person(request)
        return is_operator(user) or (obj is not None and obj.created_by_id == user.pk)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except CombineError as refused:  # what the service says after the form had nothing to say: a lost race
            self.message_user(request, refused.detail, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:executions_project_changelist"))

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        row = form.cleaned_data
        members = Members(
            users=[user.get_username() for user in row["users"]], groups=[group.name for group in row["groups"]]
        )
        user = person(request)
        if change:
            change_project(actor=user, project_id=obj.pk, name=row["name"], members=members)
        else:
            create_project(actor=user, project_id=obj.pk, name=row["name"], members=members, at=timezone.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Leave the members alone: the service has set them."""
