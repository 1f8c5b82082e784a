"""Pieces of SVG. Whatever is put in is escaped, and what is placed in per cent is written shortly.

The strict policy of our pages forbids inline styles: positions are attributes, colours are classes. Drawings have no
``viewBox``: across they are in per cent of whatever width there is, down in pixels, so that text keeps its size on a
phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

NOTHING: SafeString = mark_safe("")


def element(name: str, *children: str, **attributes: object) -> SafeString:
    """Return an element. ``class_`` stands for ``class``, ``aria_label`` for ``aria-label``; ``None`` is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{conditional_escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return mark_safe(f"<{name}{written}/>")  # noqa: S308 - every value is escaped above
    return mark_safe(f"<{name}{written}>{joined(children)}</{name}>")  # noqa: S308 - and so is every child


def joined(parts: Iterable[str]) -> SafeString:
    """Return the parts one after the other; those that are no markup are escaped."""
    return mark_safe("".join(conditional_escape(part) for part in parts))  # noqa: S308 - each is escaped


def number(value: Decimal | float) -> str:
    """Return a coordinate: three places at most, and none that say nothing."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(part: Decimal | float) -> str:
    """Return a place across, in per cent of the width."""
    return f"{number(part)}%"
