"""Documents: the list, one exact version, and the address of a document that goes on to its newest version."""

from __future__ import annotations

import logging
import re
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from documents.canonical import canonical_json, text_problem
from documents.models import Document, DocumentStatus
from executions.models import Project
from executions.pages import words
from executions.pages.definitions import Definitions
from executions.pages.document_view import SETTLED, document_view, versions_of, visible_documents
from executions.pages.execution_list import MOST_CHOICES
from executions.pages.paging import Order, page_of
from executions.pages.viewers import page, viewer
from workflows.models import Workflow

logger = logging.getLogger(__name__)

NEWEST_FIRST = Order(columns=("created_at", "id"))
MOST_WORKFLOWS = 100
MOST_LISTED = 200

_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


class DocumentFilters(forms.Form):
    """What the list can be narrowed to. Older versions are left out, unless they are asked for."""

    type = forms.ChoiceField(label=_("Type"), required=False)
    status = forms.ChoiceField(label=_("Status"), required=False)
    project = forms.CharField(label=_("Project"), required=False, max_length=64)
    versions = forms.ChoiceField(
        label=_("Versions"), required=False, choices=[("", _("Newest only")), ("all", _("All versions"))]
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.GET)
        fields: dict[str, Any] = self.fields
        fields["type"].choices = [("", _("Any")), *_type_choices()]
        fields["status"].choices = [("", _("Any")), *((each, words.label(each)) for each in DocumentStatus.values)]
        fields["project"].widget.attrs = {"list": "projects", "autocomplete": "off"}

    @property
    def is_narrowed(self) -> bool:
        return any(str(self.data.get(name, "")).strip() for name in self.fields)

    def condition(self) -> Q:
        """Return what rows must fulfil; a wrong value fits none, so that it is not taken for no filter."""
        if not self.is_valid():
            return Q(pk__in=[])
        row = self.cleaned_data
        found = Q() if row["versions"] else Q(is_latest=True)
        for column, name in (("document_type", "type"), ("status", "status"), ("project_id", "project")):
            if row[name]:
                found &= Q(**{column: row[name]})
        return found


@page()
def document_list(request: HttpRequest) -> HttpResponse:
    filters = DocumentFilters(request)
    rows = visible_documents(viewer(request)).filter(filters.condition()).defer("content", "summary")
    found = page_of(request, rows, NEWEST_FIRST)
    definitions = Definitions(found.rows)
    context = {
        "filters": filters,
        "page": found,
        "rows": [(document, definitions.type_name(document)) for document in found.rows],
        "projects": Project.objects.visible_to(viewer(request)).values_list("pk", flat=True)[:MOST_CHOICES],
    }
    return render(request, "pages/documents/list.html", context)


@page()
def document_page(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Show one exact version."""
    return _show(request, _visible(request, document_id))


@page()
def document_content(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Give the content as a file of canonical JSON: its SHA-256 is the one that the page shows."""
    document = _visible(request, document_id)
    etag = f'"{document.content_sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    logger.info(
        "A document was downloaded",
        extra={
            "action": "document_downloaded",
            "execution_id": str(document.execution_id),
            "document_id": str(document.pk),
            "user_id": viewer(request).pk,
        },
    )
    name = f"{_UNSAFE.sub('-', document.scope_id)}-{_UNSAFE.sub('-', document.document_type)}-v{document.version}.json"
    return HttpResponse(
        canonical_json(document.content).encode(),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "ETag": etag},
    )


@page()
def series_page(request: HttpRequest, scope_type: str, scope_id: str, document_type: str) -> HttpResponse:
    """Show the newest version that counts; with ``?version=`` the one of that number."""
    series = _series(request, scope_type, scope_id, document_type)
    asked = request.GET.get("version")
    if asked is not None:
        found = series.filter(version=int(asked)).first() if _VERSION.fullmatch(asked) else None
        if found is None:
            raise Http404("There is no such version.")
        return _show(request, found)
    found = series.filter(status__in=SETTLED).order_by("-version").first()
    if found is not None:
        return _show(request, found, follows="settled")
    newest = series.filter(is_latest=True).defer("content").first()
    if newest is None:
        raise Http404("There is no such document.")
    return render(request, "pages/documents/unsettled.html", {"document": newest})


@page()
def latest_page(request: HttpRequest, scope_type: str, scope_id: str, document_type: str) -> HttpResponse:
    """Show the newest version, whatever people said of it."""
    found = _series(request, scope_type, scope_id, document_type).filter(is_latest=True).first()
    if found is None:
        raise Http404("There is no such document.")
    return _show(request, found, follows="latest")


@page()
def versions_page(request: HttpRequest, scope_type: str, scope_id: str, document_type: str) -> HttpResponse:
    newest = _series(request, scope_type, scope_id, document_type).filter(is_latest=True).defer("content").first()
    if newest is None:
        raise Http404("There is no such document.")
    context = {
        "document": newest,
        "type_name": Definitions([newest]).type_name(newest),
        "versions": versions_of(newest)[:MOST_LISTED],
        "limit": MOST_LISTED,
    }
    return render(request, "pages/documents/versions.html", context)


def _show(request: HttpRequest, document: Document, *, follows: str = "") -> HttpResponse:
    """Answer with a version; ``follows`` says what its address stands for, if not for this very version."""
    context = {"view": document_view(document, viewer(request)), "document": document, "follows": follows}
    return render(request, "pages/documents/page.html", context)


def _visible(request: HttpRequest, document_id: UUID) -> Document:
    """:raises Http404: also for a document that may not be seen."""
    found = visible_documents(viewer(request)).filter(pk=document_id).first()
    if found is None:
        raise Http404("There is no such document.")
    return found


def _series(request: HttpRequest, scope_type: str, scope_id: str, document_type: str) -> QuerySet[Document]:
    """Return the versions of one document. :raises Http404: its name is none that could be stored."""
    if any(text_problem(part) for part in (scope_type, scope_id, document_type)):
        raise Http404("There is no such document.")
    rows = visible_documents(viewer(request))
    return rows.filter(scope_type=scope_type, scope_id=scope_id, document_type=document_type)


def _type_choices() -> list[tuple[str, str]]:
    """Return the document types of the workflows that can be started now."""
    workflows = Workflow.objects.select_related("current_revision").defer(
        "current_revision__definition", "current_revision__warnings"
    )
    names: dict[str, str] = {}
    for workflow in workflows[:MOST_WORKFLOWS]:
        for type_id, doc_type in workflow.current_revision.parsed().document_types.items():
            names.setdefault(type_id, doc_type.name)
    return sorted(names.items(), key=lambda each: each[1].casefold())
