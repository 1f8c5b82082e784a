"""The page on which a document is read and decided on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from documents.models import Document
from documents.rendering import render
from executions.admin.display import in_words
from executions.admin.gate_page import GatePage, load_gate
from executions.admin.people import person
from executions.admin.review_forms import MORE_ROWS, ReviewForms, with_values
from executions.exceptions import Conflict, Invalid, NotPermitted
from executions.models import DecisionChannel
from executions.offers import closed_because, standing
from executions.services.decisions import record_decision
from workflows.schemas import InvalidSchema, build_validator

_TEMPLATE = "admin/executions/gate/review.html"
_NOT_SHOWN = "The form that was sent is not about the document of this gate. Read this one, then decide."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What the page has to say beside the document: a conflict, a refusal, or nothing."""

    status: int = 200
    conflict: str = ""


def review_document(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    """Show a document at its gate, and take a decision on it."""
    document_id = page.gate.document_id
    document = Document.objects.filter(pk=document_id).first() if document_id is not None else None
    content = document.content if document is not None else None
    shown = {"document_id": document_id, "content_sha256": document.content_sha256 if document else ""}
    if request.method != "POST":
        return _answer(request, site, page, document, ReviewForms(content=content, initial=shown), _Reply())
    forms = ReviewForms(content=content, initial=shown, data=request.POST)
    reply = _decide(request, page, forms)
    if isinstance(reply, HttpResponse):
        return reply
    if reply.status != 200:
        page = load_gate(request, str(page.gate.pk))
        # What the form is about from now on is what this answer shows.
        forms = ReviewForms(content=content, initial=shown, data=with_values(request.POST, shown))
    return _answer(request, site, page, document, forms, reply)


def _decide(request: HttpRequest, page: GatePage, forms: ReviewForms) -> HttpResponse | _Reply:
    user, gate = person(request), page.gate
    if standing(user, gate, page.votes).is_forbidden:
        return _Reply(status=403)
    if MORE_ROWS in request.POST:
        return _Reply()
    is_valid = forms.is_valid()
    if not forms.names(gate):
        return _Reply(status=409, conflict=_NOT_SHOWN)
    if not is_valid:
        closed = closed_because(gate, page.votes)
        return _Reply(status=409, conflict=closed) if closed else _Reply()
    verdict = forms.to_verdict()
    try:
        decision = record_decision(
            actor=user, gate=gate, verdict=verdict, channel=DecisionChannel.ADMIN, at=timezone.now()
        )
    except NotPermitted:
        return _Reply(status=403)
    except Conflict as conflict:
        return _Reply(status=409, conflict=conflict.detail)
    except Invalid as invalid:
        for error in invalid.errors:
            forms.verdict.add_error("comment" if error.path == "/comment" else None, f"{error.path} {error.detail}")
        return _Reply()
    said = in_words(decision.decision)
    messages.success(request, f"Recorded: {said}, {gate.document_type} v{gate.document_version} ({gate.scope_id}).")
    return HttpResponseRedirect(reverse("admin:index"))


def _answer(
    request: HttpRequest,
    site: admin.AdminSite,
    page: GatePage,
    document: Document | None,
    forms: ReviewForms,
    reply: _Reply,
) -> HttpResponse:
    gate = page.gate
    doc_type = page.definition.document_types.get(gate.document_type)
    schema = doc_type.schema if doc_type is not None else {}
    where = standing(person(request), gate, page.votes)
    reason, places = forms.typed()
    is_kept = not where.offers
    context: dict[str, Any] = {
        **site.each_context(request),
        **page.context(),
        "title": f"{page.context()['document_name']} v{gate.document_version}",
        "document": document,
        "rendered": render(document.content, schema) if document is not None else None,
        "findings": _findings(document, schema),
        "offers": where.offers,
        "reason_against": where.reason_against,
        "is_forbidden": reply.status == 403,
        "conflict": reply.conflict,
        "forms": forms,
        "problems": forms.problems() if reply.status == 200 and MORE_ROWS not in request.POST else (),
        "kept_reason": reason if is_kept else "",
        "kept_places": places if is_kept else (),
        "kept_open": bool(places) or MORE_ROWS in request.POST,
        "more_rows": MORE_ROWS,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=reply.status)


def _findings(document: Document | None, schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Say where the document does not fit its schema; it is shown in full all the same."""
    if document is None or not schema:
        return []
    try:
        found = build_validator(schema).problems(document.content, limit=10)
    except InvalidSchema as error:
        return [("", f"The schema of this document type cannot be used: {error}")]
    return [(problem.path, problem.detail) for problem in found]
