"""Amounts as people read them: money and lengths of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

NOTHING = "–"
_CENT = Decimal("0.01")


def money(value: Decimal | None) -> str:
    """Show an amount: two decimals, more below one cent. What is not known is never shown as zero."""
    if value is None:
        return "unknown"
    if value == 0 or abs(value) >= _CENT:
        return f"${value.quantize(_CENT, ROUND_HALF_UP):,}"
    return f"${value.quantize(Decimal('0.0001'), ROUND_HALF_UP)}" if abs(value) >= Decimal("0.00005") else "<$0.0001"


def duration(start: datetime | None, end: datetime | None) -> str:
    """Show how long something took, to the precision that a reader needs."""
    if start is None or end is None:
        return NOTHING
    return span(end - start)


def span(length: timedelta) -> str:
    """Show a length of time in its two largest units."""
    seconds = max(length.total_seconds(), 0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((at for at, part in enumerate(parts) if part[0]), len(parts) - 1)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value)
