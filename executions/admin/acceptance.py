"""The page on which a document is read and decided on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from documents.models import Document
from executions.admin.display import in_words
from executions.admin.editing import edit_document
from executions.admin.gate_page import GatePage, Reply, load_gate
from executions.admin.people import person
from executions.admin.review_acts import refused, same_votes
from executions.admin.review_drafts import KEEP_DRAFT, keep, kept_for
from executions.admin.review_forms import MORE_ROWS, ReviewForms, with_values
from executions.admin.review_views import EDIT, view_context, with_costs
from executions.admin.waiting import place_of
from executions.exceptions import Conflict, Invalid, NotPermitted
from executions.models import DecisionChannel
from executions.offers import closed_because, standing
from executions.services.audit import AuditAct
from executions.services.decisions import record_decision

_TEMPLATE = "admin/executions/gate/review.html"
_ACTS = {
    "accept": AuditAct.GATE_ACCEPT,
    "request_changes": AuditAct.GATE_REQUEST_CHANGES,
    "reject": AuditAct.GATE_REJECT,
}
_NOT_SHOWN = "The form that was sent is not about the document of this gate. Read this one, then decide."


def review_document(request: HttpRequest, site: admin.AdminSite, page: GatePage) -> HttpResponse:
    """Show a document at its gate, and take a decision on it."""
    document_id = page.gate.document_id
    document = Document.objects.filter(pk=document_id).first() if document_id is not None else None
    content = document.content if document is not None else None
    if request.GET.get("view") == EDIT and document is not None:
        return edit_document(request, site, page, document)
    if request.method != "POST":
        kept = kept_for(request, page, content)
        initial = {**_shown(page, document), "comment": kept.reason}
        forms = ReviewForms(content=content, initial=initial, places=kept.places)
        return _answer(request, site, page, document, forms, Reply(), saved_at=kept.saved_at)
    forms = ReviewForms(content=content, initial=_shown(page, document), data=request.POST)
    reply = _act(request, page, forms)
    if isinstance(reply, HttpResponse):
        return reply
    if reply.status != 200:
        page = load_gate(request, str(page.gate.pk))
        # What the form is about from now on is what this answer shows.
        shown = _shown(page, document)
        forms = ReviewForms(content=content, initial=shown, data=with_values(request.POST, shown))
    return _answer(request, site, page, document, forms, reply)


def _shown(page: GatePage, document: Document | None) -> dict[str, Any]:
    """Return what the page is about, which comes back with whatever is sent from it."""
    return {
        "document_id": page.gate.document_id,
        "content_sha256": document.content_sha256 if document is not None else "",
        "votes": len(page.votes),
    }


def _act(request: HttpRequest, page: GatePage, forms: ReviewForms) -> HttpResponse | Reply:
    """Do what the pressed button says. Only those named ``decision`` decide."""
    if standing(person(request), page.gate, page.votes).is_forbidden:
        act = _ACTS.get(request.POST.get("decision", ""))
        return refused(request, page, act) if act is not None else Reply(status=403)
    if MORE_ROWS in request.POST:
        return Reply()
    if KEEP_DRAFT in request.POST:
        return keep(request, page, forms)
    return _decide(request, page, forms)


def _decide(request: HttpRequest, page: GatePage, forms: ReviewForms) -> HttpResponse | Reply:
    user, gate = person(request), page.gate
    is_valid = forms.is_valid()
    if not forms.names(gate):
        return Reply(status=409, conflict=_NOT_SHOWN)
    if not is_valid:
        closed = closed_because(gate, page.votes)
        return Reply(status=409, conflict=closed) if closed else Reply()
    following = place_of(user, gate).next
    try:
        decision = record_decision(
            actor=user,
            gate=gate,
            verdict=forms.to_verdict(),
            channel=DecisionChannel.ADMIN,
            at=timezone.now(),
            precondition=same_votes(gate, forms.votes, user.pk),
        )
    except NotPermitted:
        return Reply(status=403)
    except Conflict as conflict:
        return Reply(status=409, conflict=conflict.detail)
    except Invalid as invalid:
        for error in invalid.errors:
            forms.verdict.add_error("comment" if error.path == "/comment" else None, f"{error.path} {error.detail}")
        return Reply()
    said = in_words(decision.decision)
    messages.success(request, f"Recorded: {said}, {gate.document_type} v{gate.document_version} ({gate.scope_id}).")
    next_url = reverse("admin:executions_gate_decide", args=(following,)) if following else reverse("admin:index")
    return HttpResponseRedirect(next_url)


def _answer(
    request: HttpRequest,
    site: admin.AdminSite,
    page: GatePage,
    document: Document | None,
    forms: ReviewForms,
    reply: Reply,
    **more: Any,
) -> HttpResponse:
    user, gate = person(request), page.gate
    doc_type = page.definition.document_types.get(gate.document_type)
    schema = doc_type.schema if doc_type is not None else {}
    where = standing(user, gate, page.votes)
    base = page.context()
    context: dict[str, Any] = {
        **site.each_context(request),
        **base,
        **(view_context(request, page, document, schema) if document is not None else {}),
        **_typed(request, forms, reply, is_kept=not where.offers),
        "place": place_of(user, gate),
        "title": f"{base['document_name']} v{gate.document_version}",
        "document": document,
        "offers": with_costs(where.offers, page),
        "reason_against": where.reason_against,
        "is_forbidden": reply.status == 403,
        "conflict": reply.conflict,
        "forms": forms,
        **more,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=reply.status)


def _typed(request: HttpRequest, forms: ReviewForms, reply: Reply, *, is_kept: bool) -> dict[str, Any]:
    """Return what was typed: where there is no form any more that holds it, it stands on the page all the same."""
    reason, places = forms.typed()
    # A draft that is shown again is no problem to point out.
    is_sent = request.method == "POST" and MORE_ROWS not in request.POST and KEEP_DRAFT not in request.POST
    return {
        "problems": forms.problems() if reply.status == 200 and is_sent else (),
        "kept_reason": reason if is_kept else "",
        "kept_places": places if is_kept else (),
        "kept_open": bool(places) or MORE_ROWS in request.POST,
        "more_rows": MORE_ROWS,
        "keep_draft": KEEP_DRAFT,
    }
