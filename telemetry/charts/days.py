"""The axis of days: every day has its place, also one on which nothing happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.safestring import SafeString

from telemetry.charts.elements import element, joined, number, percent

_MOST_MARKS = 10
# Beyond this a name that has its middle below the middle of its place would leave the drawing.
_NEAR_END = 94


def day_words(day: date) -> str:
    """Return a day in full: Tuesday 3 March 2026."""
    return date_format(day, "l j F Y")


def day_marks(days: Sequence[date], *, y: int) -> SafeString:
    """Return the names of some days below their places: about ten, of which a phone shows every third."""
    if not days:
        return joined([])
    every = -(-len(days) // _MOST_MARKS)
    slot = Decimal(100) / len(days)
    # Counted from the last day, which is the one that people look for.
    shown = [at for at in range(len(days)) if (len(days) - 1 - at) % every == 0]
    names = []
    for rank, at in enumerate(reversed(shown)):
        middle = slot * at + slot / 2
        is_last = middle > _NEAR_END
        kinds = ["chart-day-name", *(["chart-minor"] if rank % 3 else []), *(["chart-end"] if is_last else [])]
        names.append(
            element(
                "text",
                date_format(days[at], "j M"),
                x=percent(slot * (at + 1) if is_last else middle),
                y=number(y),
                class_=" ".join(kinds),
            )
        )
    return joined(names)
