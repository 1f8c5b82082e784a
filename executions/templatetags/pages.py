"""What templates of our pages ask for by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from documents.rendering import visible
from executions import amounts
from executions.pages import words
from executions.pages.navigation import Entry, entries

register = template.Library()

# Drawn for us on a grid of 16, as strokes.
_ICONS = {
    "again": "M12.6 8a4.6 4.6 0 1 1-1.5-3.4M12.7 2.8v2.7H10",
    "check": "m3.3 8.5 3.1 3.1 6.3-7.2",
    "chevron": "M6 3.5 10.5 8 6 12.5",
    "clock": "M8 2.3a5.7 5.7 0 1 1 0 11.4A5.7 5.7 0 0 1 8 2.3zM8 4.9v3.3l2.1 1.4",
    "cross": "m4 4 8 8m0-8-8 8",
    "document": "M4 2.3h5l3 3v8.4H4zM9 2.3v3h3",
    "dot": "M8 6.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6zM4 4a5.7 5.7 0 0 0 0 8m8-8a5.7 5.7 0 0 1 0 8",
    "download": "M8 2.5v7.4M4.8 6.9 8 10.1l3.2-3.2M3 13.2h10",
    "exit": "M6.3 13.4H3V2.6h3.3M10 11l3-3-3-3m3 3H6.4",
    "link": "m6.5 9.5 3-3M7.1 4.7l1.1-1.1a2.7 2.7 0 0 1 3.8 3.8L10.9 8.5m-2 2.8-1.1 1.1A2.7 2.7 0 0 1 4 8.6l1.1-1.1",
    "menu": "M2.5 4.3h11M2.5 8h11m-11 3.7h11",
    "person": "M8 8.1a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM2.9 13.6c.5-2.5 2.6-3.8 5.1-3.8s4.6 1.3 5.1 3.8",
    "play": "M5.4 3.5v9l7-4.5z",
    "plus": "M8 3v10M3 8h10",
    "question": "M5.7 6a2.3 2.3 0 1 1 3.3 2.1c-.6.3-1 .8-1 1.4v.2M8 12.6v.1",
    "stop": "M4.3 4.3h7.4v7.4H4.3z",
    "warning": "M8 3.2v6M8 12.4v.1",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon. It says nothing by itself: the word beside it does."""
    return format_html(
        '<svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.7"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        _ICONS[name],
    )


@register.filter
def badge(status: str) -> SafeString:
    """Show a status as icon, word and colour."""
    how = words.wording(status)
    return format_html('<span class="badge badge-{}">{}{}</span>', how.look, icon(how.icon), how.label)


@register.filter
def status_word(status: str) -> str:
    return words.label(status)


@register.filter
def status_icon(status: str) -> SafeString:
    return icon(words.wording(status).icon)


@register.filter
def look(status: str) -> str:
    """Return which of the colours a status has."""
    return words.wording(status).look


@register.filter
def money(value: Decimal | None) -> str:
    return amounts.money(value)


@register.filter
def when(at: datetime | None) -> SafeString | str:
    """Show a point in time, exactly. The page's script puts it into the reader's zone."""
    if at is None:
        return amounts.NOTHING
    utc = at.astimezone(UTC)
    return format_html('<time datetime="{}">{}</time>', _machine(utc), f"{utc:%Y-%m-%d %H:%M} UTC")


@register.filter
def clock(at: datetime) -> SafeString:
    """Show a point in time by day and second, for lines that follow each other closely."""
    utc = at.astimezone(UTC)
    text = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    shown = f"{utc:%H:%M:%S}"
    return format_html('<time datetime="{}" title="{}" data-clock>{}</time>', _machine(utc), text, shown)


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """Show a point in time by its distance from now; the exact time is in the title."""
    if at is None:
        return amounts.NOTHING
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        _machine(utc),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
        words.distance(at, timezone.now()),
    )


@register.filter
def is_past(at: datetime | None) -> bool:
    return at is not None and at < timezone.now()


@register.filter(name="visible")
def visible_text(text: object) -> str:
    """Spell out what a reader could not see; the result is escaped like any other text."""
    return visible(str(text))


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> list[Entry]:
    """Return the entries of the main navigation for whoever looks; a page shows them twice, and finds them once."""
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        return []
    found: list[Entry] | None = getattr(request, "_combine_navigation", None)
    if found is None:
        found = request._combine_navigation = entries(request)  # type: ignore[attr-defined]
    return found


def _machine(utc: datetime) -> str:
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
