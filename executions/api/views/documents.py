"""Documents: by id, by what they are about, and lists of their versions."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, Func, IntegerField, QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents.canonical import text_problem
from documents.models import Document
from executions.api import queries
from executions.api.conditional import tagged
from executions.api.exceptions import DocumentNotFound
from executions.api.fields import shown
from executions.api.operations import documents as operations
from executions.api.reach import ProjectRows
from executions.api.serializers import DocumentSerializer, present
from executions.api.views.callers import caller, document_uuid

# As PostgreSQL stores it, that is compressed; the answer may be some times as long.
MAX_PAGE_BYTES = 4_000_000


class DocumentPages(GenericAPIView[Document]):
    """Pages of whole documents. A page of large ones is shorter than was asked for, so that none is huge."""

    def page_of(self, rows: QuerySet[Document]) -> Response:
        page = self.paginate_queryset(self.shown(rows)) or []
        contents = dict(Document.objects.filter(pk__in=[row.pk for row in page]).values_list("pk", "content"))
        for row in page:
            row.content = contents[row.pk]
        return self.get_paginated_response(present(DocumentSerializer, page))

    def shown(self, rows: QuerySet[Document]) -> QuerySet[Document]:
        """Load all but the content, and how large that is."""
        size = Func(F("content"), function="pg_column_size", output_field=IntegerField())
        return rows.annotate(size=size).defer("content")

    def count_that_fits(self, rows: Sequence[Document]) -> int:
        """Return how many of the rows make a page; one always does."""
        total = 0
        for count, row in enumerate(rows):
            total += row.size  # type: ignore[attr-defined]
            if total > MAX_PAGE_BYTES and count:
                return count
        return len(rows)


class DocumentList(DocumentPages, ProjectRows[Document]):
    filterset_class = queries.DocumentFilter
    orderings = {"created_at": ("created_at", "id")}
    default_ordering = "-created_at"

    @operations.LIST
    def get(self, request: Request) -> Response:
        return self.page_of(self.filter_queryset(self.within_reach(Document.objects.all())))


class DocumentDetail(APIView):
    @operations.GET
    def get(self, request: Request, document_id: str) -> Response:
        found = queries.documents(caller(request)).filter(pk=document_uuid(document_id)).first()
        if found is None:
            raise DocumentNotFound(document_id)
        return tagged(request, DocumentSerializer(found).data)


class DocumentByScope(GenericAPIView[Document]):
    """The newest version; of a status, if one is named, or the version that is named."""

    filterset_class = queries.VersionFilter
    pagination_class = None

    @operations.BY_SCOPE
    def get(self, request: Request, scope_type: str, scope_id: str, document_type: str) -> Response:
        series = _series(request, scope_type, scope_id, document_type)
        found = self.filter_queryset(series).order_by("-version").first()
        if found is None:
            raise DocumentNotFound(_name(scope_type, scope_id, document_type))
        return tagged(request, DocumentSerializer(found).data)


class DocumentVersions(DocumentPages):
    orderings = {"version": ("version",)}
    default_ordering = "-version"

    @operations.VERSIONS
    def get(self, request: Request, scope_type: str, scope_id: str, document_type: str) -> Response:
        series = _series(request, scope_type, scope_id, document_type)
        if not series.exists():
            raise DocumentNotFound(_name(scope_type, scope_id, document_type))
        return self.page_of(series)


def _series(request: Request, scope_type: str, scope_id: str, document_type: str) -> QuerySet[Document]:
    """Return the versions of one document, as far as the caller may see them."""
    if any(text_problem(part) for part in (scope_type, scope_id, document_type)):
        raise DocumentNotFound(_name(scope_type, scope_id, document_type))
    series = {"scope_type": scope_type, "scope_id": scope_id, "document_type": document_type}
    return queries.documents(caller(request)).filter(**series)


def _name(scope_type: str, scope_id: str, document_type: str) -> str:
    return shown(f"{scope_type}/{scope_id}/{document_type}")
