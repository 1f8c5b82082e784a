"""Figures and other people's texts as a terminal may show them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

_JOINERS = "\u200c\u200d"  # invisible, but part of words in several scripts


def clean(text: str) -> str:
    """Return a text in one line, without what could steer a terminal or hide from its reader."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable() or char in _JOINERS)


def clean_lines(text: str) -> list[str]:
    """Return the lines of a text, each as :func:`clean` leaves it."""
    return [clean(line) for line in text.splitlines()] or [""]


def short(text: str, limit: int = 300) -> str:
    """Return a text in one line of at most ``limit`` characters."""
    text = clean(text[: limit * 4])
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def money(amount: Decimal) -> str:
    """Return an amount for people; what is more than nothing never reads as nothing."""
    if 0 < amount < Decimal("0.0001"):
        return "under $0.0001"
    return f"${amount:.4f}" if amount < 100 else f"${amount:,.2f}"


def exact(amount: Decimal) -> str:
    """Return an amount for programs: a decimal text, all digits that count and no others."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Return ``0:07``, ``12:30`` or ``1:02:03``."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 step`` or ``2 steps``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Return names separated by commas, the first ones where there are many."""
    shown = ", ".join(clean(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
