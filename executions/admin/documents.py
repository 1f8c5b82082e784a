"""Documents, as people read them. They are registered here and not in ``documents``: who may see one is decided by
its project, and projects belong to this app."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from documents.models import Document
from documents.rendering import Rendered, render
from executions.admin.display import badge, link, moment, readable_text, short_id
from executions.admin.filters import DocumentProjectFilter, ValuesFilter
from executions.admin.rows import VisibleAdmin
from executions.models import Execution, Gate, Project


@admin.register(Document)
class DocumentAdmin(VisibleAdmin[Document]):
    change_form_template = "admin/documents/document/change_form.html"
    list_display = ("title", "document_type", "version", "state", "is_latest", "scope_id", "is_offline", "created")
    list_filter = ("status", "is_latest", "is_offline", ("document_type", ValuesFilter), DocumentProjectFilter)
    search_fields = ("=id", "title", "scope_id", "document_type", "=execution_id")
    readonly_fields = (
        "id", "document_type", "version", "state", "is_latest", "project_link", "scope_type", "scope_id",
        "execution_link", "created", "created_by", "created_by_step", "is_offline", "content_sha256",
        "summary_shown",
    )  # fmt: skip
    fields = readonly_fields
    summary_shown = readable_text("summary", "summary")

    def visible_rows(self, rows: QuerySet[Document], user: User) -> QuerySet[Document]:
        if user.is_superuser:
            return rows
        return rows.filter(project_id__in=Project.objects.visible_to(user).values("pk"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return super().get_queryset(request).defer("content", "summary")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        document = self.get_object(request, object_id)
        more = {
            "rendered": _rendered(document),
            "document": document,
            "gates": Gate.objects.filter(document_id=document.pk).order_by("opened_at", "id"),
            "versions": _versions(document),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, more)

    @admin.display(description="status", ordering="status")
    def state(self, document: Document) -> SafeString:
        return badge(document.status)

    @admin.display(description="created", ordering="created_at")
    def created(self, document: Document) -> str:
        return moment(document.created_at)

    @admin.display(description="project")
    def project_link(self, document: Document) -> SafeString:
        return link("executions_project_change", document.project_id, document.project_id)

    @admin.display(description="execution")
    def execution_link(self, document: Document) -> SafeString:
        return link("executions_execution_change", document.execution_id, short_id(document.execution_id))


def _rendered(document: Document) -> Rendered:
    """Arrange the content by the schema of the revision that the document was made with."""
    if document.execution_id is None:
        return render(document.content)
    execution = Execution.objects.select_related("revision").defer("revision__definition").get(pk=document.execution_id)
    doc_type = execution.revision.parsed().document_types.get(document.document_type)
    return render(document.content, doc_type.schema if doc_type is not None else None)


def _versions(document: Document) -> QuerySet[Document]:
    series = Document.objects.filter(
        scope_type=document.scope_type, scope_id=document.scope_id, document_type=document.document_type
    )
    return series.order_by("-version").only("id", "version", "status", "created_at", "is_latest")[:50]
