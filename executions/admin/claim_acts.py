"""Claiming a gate, giving it up, handing it to somebody: the buttons beside a gate, and the page that asks whom."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from executions.admin.gate_page import load_gate
from executions.admin.people import person
from executions.exceptions import Conflict, Invalid, NotPermitted
from executions.models import Gate, GateClaim
from executions.offers import closed_because
from executions.run_acts import CommentField
from executions.services.access import is_operator, refusal
from executions.services.claims import MAX_NOTE, assign, claim, likely_receivers, release

_ASSIGN = "admin/executions/gate/assign.html"


class AssignForm(forms.Form):
    """To whom a gate is handed, and why."""

    username = forms.CharField(
        label="To whom",
        max_length=150,
        help_text="Their log-in name. It must be somebody who may decide here.",
        widget=forms.TextInput(attrs={"list": "receivers", "autocomplete": "off", "maxlength": False}),
    )
    note = CommentField(
        label="Note",
        required=False,
        max_length=MAX_NOTE,
        help_text="They read it beside the gate.",
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": False}),
    )


@require_POST
def claim_view(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Claim, renew, take over or release, as ``act`` says. A script gets JSON, a browser goes back where it was."""
    gate, user = load_gate(request, str(object_id)).gate, person(request)
    act = request.POST.get("act", "claim")
    try:
        if act == "release":
            was_held = release(actor=user, gate=gate, at=timezone.now())
            return _done(request, gate, None, "Given up; others see that it is free." if was_held else "")
        held = claim(actor=user, gate=gate, at=timezone.now(), takes_over=act == "take_over")
    except (NotPermitted, Conflict) as refused:
        status = 403 if isinstance(refused, NotPermitted) else 409
        if _wants_json(request):
            return JsonResponse({"detail": refused.detail}, status=status)
        messages.error(request, refused.detail)
        return HttpResponseRedirect(_back(request, gate))
    if held.user_id == user.pk:
        return _done(request, gate, held, "Others see for five minutes that you are at it.")
    return _done(request, gate, held, f"Claimed by {held.by} already. You may take it over, or decide all the same.")


def assign_gate(request: HttpRequest, site: admin.AdminSite, object_id: str) -> HttpResponse:
    """Ask to whom a gate is to be handed, and hand it on."""
    page = load_gate(request, object_id)
    gate, user = page.gate, person(request)
    form = AssignForm(request.POST if request.method == "POST" else None)
    against, status = closed_because(gate, page.votes), 409
    if not against and not form.is_bound and not is_operator(user):
        against = refusal(user, gate) or ""
    if form.is_bound and not against and form.is_valid():
        try:
            return _hand_on(request, gate, form)
        except NotPermitted as refused:
            against, status = refused.detail, 403
        except Conflict as conflict:
            against, status = conflict.detail, 409
        except Invalid as invalid:
            for error in invalid.errors:
                name = error.path.removeprefix("/")
                form.add_error(name if name in form.fields else None, f"{error.detail[:1].upper()}{error.detail[1:]}")
    context: dict[str, Any] = {
        **site.each_context(request),
        **page.context(),
        "title": f"Hand {gate.document_type} to somebody",
        "form": form,
        "against": against,
        "receivers": [name for name in likely_receivers(gate) if name != user.get_username()],
    }
    return TemplateResponse(request, _ASSIGN, context, status=status if against and form.is_bound else 200)


def _hand_on(request: HttpRequest, gate: Gate, form: AssignForm) -> HttpResponse:
    row = form.cleaned_data
    given = assign(actor=person(request), gate=gate, username=row["username"], note=row["note"], at=timezone.now())
    messages.success(request, f"Handed to {given.name}; the note stands beside the gate.")
    return HttpResponseRedirect(reverse("admin:executions_gate_decide", args=(gate.pk,)))


def _done(request: HttpRequest, gate: Gate, held: GateClaim | None, said: str) -> HttpResponse:
    if _wants_json(request):
        is_mine = held is not None and held.user_id == person(request).pk
        until = held.expires_at.isoformat() if held is not None else None
        return JsonResponse({"by": held.by if held is not None else None, "is_mine": is_mine, "expires_at": until})
    if said:
        messages.info(request, said)
    return HttpResponseRedirect(_back(request, gate))


def _back(request: HttpRequest, gate: Gate) -> str:
    """Return where the button was pressed, if that is a page of ours."""
    url = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return url
    return reverse("admin:executions_gate_decide", args=(gate.pk,))


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "application/json"
