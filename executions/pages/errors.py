"""Pages that say what went wrong. They ask the database nothing: it may be what is wrong."""

from __future__ import annotations

from django.http import HttpResponse
from django.template.loader import render_to_string


def error_page(status: int, *, reference: str | None) -> HttpResponse:
    """Return the page of 400, 403, 404 or 500. ``reference`` is what the log has this request under."""
    # Without the request no context processor runs: none of them may fail here.
    return HttpResponse(render_to_string(f"{status}.html", {"reference": reference}), status=status)


def form_page(*, back: str, reference: str | None) -> HttpResponse:
    """Return the page for a form that is not taken, with the way back to it."""
    return HttpResponse(render_to_string("403_csrf.html", {"reference": reference, "back": back}), status=403)
