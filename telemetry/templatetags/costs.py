"""What templates of the cost pages ask for by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

from telemetry.pages import words
from telemetry.pages.drawings import Figure
from telemetry.pages.tables import Table

register = template.Library()


@register.inclusion_tag("pages/costs/_table.html", takes_context=True)
def figures(context: dict[str, Any], table: Table[Any], look: str = "") -> dict[str, Any]:
    """Show a table in the zone of the page. ``look`` is a class of its own."""
    return {"table": table, "lines": table.lines(context["zone"]), "look": look}


@register.inclusion_tag("pages/costs/_file.html", takes_context=True)
def file_link(context: dict[str, Any], slug: str, caption: str) -> dict[str, Any]:
    """Offer a table as CSV, with the filter of the page."""
    return {"url": context["links"].file(slug), "caption": caption}


@register.inclusion_tag("pages/costs/_figure.html", takes_context=True)
def chart(context: dict[str, Any], figure: Figure) -> dict[str, Any]:
    """Show a drawing, its legend, its caption, and the same as a table."""
    return {"figure": figure, "zone": context["zone"]}


@register.filter
def share(value: float | None) -> str:
    return words.share(value)


@register.filter
def count(value: int | None) -> str:
    return words.count(value)


@register.filter
def signed_money(value: Decimal) -> str:
    return words.signed_money(value)
