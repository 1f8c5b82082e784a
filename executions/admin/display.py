"""How single values look on the desk's pages.

Text that a model or a person wrote is only ever passed to templates, which escape it. :func:`link` and
:func:`badge` make the little HTML that lists need, out of our own words and of ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from documents.rendering import humanised, raw_json, visible
from executions.amounts import NOTHING

# Icon and colour class of each status; the word itself is always beside them.
_LOOKS = {
    "pending": ("○", "idle"),
    "running": ("▶", "busy"),
    "in_flight": ("▶", "busy"),
    "waiting_clarification": ("?", "wait"),
    "waiting_acceptance": ("!", "wait"),
    "open": ("!", "wait"),
    "in_review": ("!", "wait"),
    "completed": ("✓", "good"),
    "succeeded": ("✓", "good"),
    "accepted": ("✓", "good"),
    "accept": ("✓", "good"),
    "answer": ("✓", "good"),
    "final": ("✓", "good"),
    "decided": ("✓", "good"),
    "changes_requested": ("↻", "wait"),
    "request_changes": ("↻", "wait"),
    "failed": ("✕", "bad"),
    "rejected": ("✕", "bad"),
    "reject": ("✕", "bad"),
    "refused": ("✕", "bad"),
    "lost": ("✕", "bad"),
    "expired": ("✕", "bad"),
    "cancelled": ("■", "idle"),
    "superseded": ("■", "idle"),
}


def in_words(status: str) -> str:
    """Return a status as people say it: ``waiting_acceptance`` is ``waiting for acceptance``."""
    return status.replace("waiting_", "waiting for ").replace("_", " ")


def badge(status: str) -> SafeString:
    """Show a status as icon, word and colour."""
    icon, look = _LOOKS.get(status, ("○", "idle"))
    return format_html(
        '<span class="badge badge-{}"><span aria-hidden="true">{}</span> {}</span>', look, icon, in_words(status)
    )


def link(view: str, key: UUID | str | int | None, label: str) -> SafeString:
    """Link to an admin page; without a key there is nothing to link to."""
    if key is None:
        return format_html("{}", NOTHING)
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{view}", args=(key,)), label)


def short_id(key: UUID | None) -> str:
    """Return the first part of a UUID, enough to tell rows of a list apart."""
    return str(key)[:8] if key is not None else NOTHING


def moment(value: datetime | None) -> str:
    """Show a point in time with its zone."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value is not None else NOTHING


def readable_json(name: str, label: str = "") -> Callable[[Any, Model], SafeString | str]:
    """Return a method for an admin class: a read-only column that shows a JSON field indented, as text."""

    @admin.display(description=label or humanised(name).lower())
    def shown(self: Any, row: Model) -> SafeString | str:
        value = getattr(row, name)
        return NOTHING if value in (None, "", [], {}) else as_text(raw_json(value))

    return shown


def readable_text(name: str, label: str = "") -> Callable[[Any, Model], SafeString | str]:
    """Return a method for an admin class: a read-only column that shows a long text line by line."""

    @admin.display(description=label or humanised(name).lower())
    def shown(self: Any, row: Model) -> SafeString | str:
        text = getattr(row, name)
        return as_text(visible(text)) if text else NOTHING

    return shown


def as_text(text: str) -> SafeString:
    """Show a text as it is, in a box of its own; the template escapes it."""
    return render_to_string("admin/executions/_text.html", {"text": text})


def model_text(stored: str) -> str:
    """Return the text of a model's answer from its stored form, an ASCII JSON string."""
    try:
        text = json.loads(stored) if stored else ""
    except ValueError:
        text = stored
    # Half a surrogate pair can be stored, but not sent to a browser.
    return visible(str(text).encode("utf-8", "backslashreplace").decode())
