"""The page on which a reviewer changes a document themselves and accepts it as they wrote it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from documents.diff import compare, is_same
from documents.models import Document
from documents.rendering import raw_json
from executions.admin.edit_fields import MAX_FIELDS, Typed, is_too_large, text_fields, typed_content
from executions.admin.gate_page import GatePage, Reply, load_gate
from executions.admin.people import person
from executions.admin.review_acts import refused, same_votes
from executions.admin.waiting import place_of
from executions.exceptions import Conflict, FieldError, Invalid, NotPermitted
from executions.models import DecisionChannel
from executions.offers import closed_because, standing
from executions.run_acts import CommentField
from executions.services.audit import AuditAct
from executions.services.decisions import MAX_COMMENT
from executions.services.edits import Edited, edit_and_accept

_TEMPLATE = "admin/executions/gate/edit.html"
ACCEPT_EDIT, TO_JSON, TO_FIELDS = "accept_edit", "to_json", "to_fields"
_TOO_LARGE = "This document is too large to be edited in a browser. Request changes instead, and say what to change."
_NOT_SHOWN = "The form that was sent is not about the document of this gate. Your text is kept below."


class EditForm(forms.Form):
    """What goes with an edit: why, and which version it was made from."""

    comment = CommentField(
        label="Why (kept with the decision)",
        required=False,
        max_length=MAX_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": False}),
    )
    content_sha256 = forms.RegexField("^[0-9a-f]{64}$", widget=forms.HiddenInput)
    votes = forms.IntegerField(required=False, min_value=0, max_value=100_000, widget=forms.HiddenInput)


def edit_document(request: HttpRequest, site: admin.AdminSite, page: GatePage, document: Document) -> HttpResponse:
    """Show the document as a form, and take what was typed."""
    shown = {"content_sha256": document.content_sha256, "votes": len(page.votes)}
    as_json = request.GET.get("as") == "json"
    if request.method != "POST":
        text = raw_json(document.content) if as_json else ""
        typed = Typed(content=document.content, as_json=as_json, text=text)
        return _answer(request, site, page, document, EditForm(initial=shown), typed, Reply())
    form = EditForm(request.POST, initial=shown)
    typed = typed_content(request.POST.dict(), document.content, as_json=as_json)
    reply = _act(request, page, form, typed)
    if isinstance(reply, HttpResponse):
        return reply
    if reply.status != 200:
        page = load_gate(request, str(page.gate.pk))
    return _answer(request, site, page, document, form, typed, reply)


def _act(request: HttpRequest, page: GatePage, form: EditForm, typed: Typed) -> HttpResponse | Reply:
    user, gate = person(request), page.gate
    if standing(user, gate, page.votes).is_forbidden:
        return refused(request, page, AuditAct.GATE_EDIT)
    if typed.problems:
        return Reply()
    if TO_JSON in request.POST or TO_FIELDS in request.POST:
        typed.as_json = TO_JSON in request.POST
        typed.text = raw_json(typed.content) if typed.as_json else ""
        return Reply()
    closed = closed_because(gate, page.votes)
    if closed:
        return Reply(status=409, conflict=closed)
    if not form.is_valid():
        return Reply(status=409, conflict=_NOT_SHOWN) if form.has_error("content_sha256") else Reply()
    return _accept(request, page, form, typed) if ACCEPT_EDIT in request.POST else Reply()


def _accept(request: HttpRequest, page: GatePage, form: EditForm, typed: Typed) -> HttpResponse | Reply:
    user, gate = person(request), page.gate
    following = place_of(user, gate).next
    try:
        edited = edit_and_accept(
            actor=user,
            gate=gate,
            content=typed.content,
            content_sha256=form.cleaned_data["content_sha256"],
            comment=form.cleaned_data["comment"],
            channel=DecisionChannel.ADMIN,
            at=timezone.now(),
            precondition=same_votes(gate, form.cleaned_data["votes"], user.pk),
        )
    except NotPermitted:
        return Reply(status=403)
    except Conflict as conflict:
        return Reply(status=409, conflict=conflict.detail)
    except Invalid as invalid:
        _take_over(form, typed, invalid.errors)
        return Reply()
    messages.success(request, _said(page, edited))
    # Where others must accept it, it is seen at its new gate that it waits for them.
    where = following if edited.is_accepted else edited.gate_id
    url = reverse("admin:executions_gate_decide", args=(where,)) if where else reverse("admin:index")
    return HttpResponseRedirect(url)


def _take_over(form: EditForm, typed: Typed, errors: tuple[FieldError, ...] | list[FieldError]) -> None:
    for error in errors:
        if error.path == "/comment":
            form.add_error("comment", error.detail)
        else:
            typed.problems.append((error.path.removeprefix("/content"), error.detail))


def _said(page: GatePage, edited: Edited) -> str:
    count = len(edited.paths)
    places = "1 place" if count == 1 else f"{count} places"
    name = f"{page.gate.document_type} v{edited.version} ({page.gate.scope_id})"
    if edited.is_accepted:
        return f"Recorded: your version is stored and accepted, {name}, {places} changed."
    return f"Recorded: your version is stored, {name}, {places} changed. It waits for others to accept it."


def _answer(
    request: HttpRequest,
    site: admin.AdminSite,
    page: GatePage,
    document: Document,
    form: EditForm,
    typed: Typed,
    reply: Reply,
) -> HttpResponse:
    doc_type = page.definition.document_types.get(page.gate.document_type)
    schema = doc_type.schema if doc_type is not None else {}
    where = standing(person(request), page.gate, page.votes)
    by_place: dict[str, list[str]] = {}
    for place, detail in typed.problems:
        by_place.setdefault(place, []).append(detail)
    fields = [] if typed.as_json else text_fields(typed.content, schema, by_place)
    beside = {each.pointer: f"text-{each.number}" for each in fields}
    base = page.context()
    context: dict[str, Any] = {
        **site.each_context(request),
        **base,
        "title": f"Edit {base['document_name']} v{page.gate.document_version}",
        "document": document,
        "form": form,
        "typed": typed,
        "fields": fields,
        "is_cut": len(fields) == MAX_FIELDS,
        "base": "" if is_same(typed.content, document.content) else raw_json(typed.content),
        "preview": compare(document.content, typed.content, schema) if request.method == "POST" else None,
        "problems": [(beside.get(place, ""), place, detail) for place, detail in typed.problems],
        "too_large": _TOO_LARGE if is_too_large(document.content) else "",
        "may_edit": bool(where.offers),
        "reason_against": where.reason_against,
        "is_forbidden": reply.status == 403,
        "conflict": reply.conflict,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=reply.status)
