"""What all lists of the desk have in common: who sees which rows, and that nobody edits them."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from executions.admin.people import has_role, person
from executions.models import Execution

M = TypeVar("M", bound=Model)


class VisibleAdmin(admin.ModelAdmin[M]):
    """Rows of the projects that somebody may see. A role is enough; Django's own permissions play no part."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200
    actions = None

    def visible_rows(self, rows: QuerySet[M], user: User) -> QuerySet[M]:
        """Keep the rows that ``user`` may see; each kind of row says how."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        return self.visible_rows(rows, person(request)) if has_role(request) else rows.none()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M:
        """:raises Http404: also for a row that may not be seen, with nothing to tell the two apart."""
        # PostgreSQL takes no NUL, not even to find nothing.
        found = None if "\x00" in object_id else super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if any("\x00" in text for pair in request.GET.lists() for text in (pair[0], *pair[1])):
            return HttpResponseRedirect(f"{request.path}?e=1")
        return super().changelist_view(request, extra_context)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return has_role(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class ExecutionPartAdmin(VisibleAdmin[M]):
    """Rows that hang on an execution by their field ``execution``."""

    execution_field = "execution"

    def visible_rows(self, rows: QuerySet[M], user: User) -> QuerySet[M]:
        if user.is_superuser:
            return rows
        return rows.filter(**{f"{self.execution_field}__in": Execution.objects.visible_to(user)})


def uuid_or_404(text: str) -> UUID:
    """:raises Http404: unless ``text`` is a UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise Http404("There is no such row.") from None
