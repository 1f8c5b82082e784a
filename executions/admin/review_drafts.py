"""What a reviewer has typed and not sent yet, kept on the server by a button or by the script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from documents.rendering import has_place
from executions.admin.gate_page import GatePage, Reply
from executions.admin.people import person
from executions.admin.review_forms import ReviewForms
from executions.exceptions import CombineError, Invalid
from executions.services.decisions import MAX_COMMENTS
from executions.services.drafts import draft_of, save_draft

KEEP_DRAFT = "keep_draft"
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A draft as the form takes it."""

    reason: str = ""
    places: list[dict[str, str]] = field(default_factory=list)
    saved_at: datetime | None = None


def kept_for(request: HttpRequest, page: GatePage, content: Any) -> Kept:
    """Return what whoever asks has typed here before; a place named in the address gets a row of its own."""
    draft = draft_of(person(request), page.gate)
    data = draft.data if draft is not None else {}
    places = [_row(each) for each in data.get("places", ()) if isinstance(each, dict)]
    asked = request.GET.get("place", "")
    if asked and has_place(content, asked) and all(row["path"] != asked for row in places):
        places.append({"path": asked, "text": ""})
    saved_at = draft.updated_at if draft is not None else None
    return Kept(reason=str(data.get("reason", "")), places=places[:MAX_COMMENTS], saved_at=saved_at)


def keep(request: HttpRequest, page: GatePage, forms: ReviewForms) -> HttpResponse | Reply:
    """Keep what was typed. It is no decision, so nothing in it has to be right yet."""
    reason, places = forms.typed()
    rows = [{"path": path, "text": text} for path, text in places]
    try:
        draft = save_draft(person(request), page.gate, {"reason": reason, "places": rows})
    except Invalid as invalid:
        return _refused(request, 422, "; ".join(f"{each.path} {each.detail}" for each in invalid.errors))
    except CombineError as error:
        return _refused(request, 409, error.detail)
    return _done(request, f"Kept as a draft at {draft.updated_at:%H:%M} UTC.")


def _done(request: HttpRequest, text: str) -> HttpResponse:
    """Answer a script with a sentence, and a person with the page again."""
    if request.headers.get("Accept") == _JSON:
        return JsonResponse({"text": text})
    messages.success(request, text)
    return HttpResponseRedirect(request.get_full_path())


def _refused(request: HttpRequest, status: int, text: str) -> HttpResponse | Reply:
    """The page that a person gets still holds what they typed."""
    if request.headers.get("Accept") == _JSON:
        return JsonResponse({"text": text}, status=status)
    return Reply(status=status, conflict=text)


def _row(stored: Mapping[str, Any]) -> dict[str, str]:
    return {"path": str(stored.get("path", "")), "text": str(stored.get("text", ""))}
