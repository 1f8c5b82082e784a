"""Figures in words: what the cost pages say of causes, kinds of tokens, shares and changes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from executions.amounts import NOTHING, money, span
from telemetry.dashboard.values import Cause, Kind

_CENT = Decimal("0.01")

CAUSES: dict[Cause, str | Promise] = {
    Cause.FIRST: gettext_lazy("First tries"),
    Cause.ANSWER: gettext_lazy("Going on after answers"),
    Cause.CORRECTION: gettext_lazy("Corrections of invalid output"),
    Cause.REWORK: gettext_lazy("Changes that people asked for"),
    Cause.PROVIDER: gettext_lazy("Repeats after an error of the provider"),
    Cause.WORKER: gettext_lazy("Repeats after a lost worker"),
    Cause.RETRY: gettext_lazy("Retries of failed runs"),
}
KINDS: dict[Kind, str | Promise] = {
    Kind.INPUT: gettext_lazy("Input"),
    Kind.OUTPUT: gettext_lazy("Output"),
    Kind.CACHE_READ: gettext_lazy("Cache read"),
    Kind.CACHE_WRITE_5M: gettext_lazy("Cache write, 5 minutes"),
    Kind.CACHE_WRITE_1H: gettext_lazy("Cache write, 1 hour"),
    Kind.OTHER: gettext_lazy("Beyond tokens"),
}


def cause_words(cause: str) -> str:
    return str(CAUSES.get(Cause(cause), cause))


def kind_words(kind: str) -> str:
    return str(KINDS.get(Kind(kind), kind))


def share(value: float | None) -> str:
    """Show a share as per cent, with one decimal where it is small."""
    if value is None:
        return NOTHING
    count = value * 100
    return f"{count:.0f} %" if count == 0 or count >= 10 else f"{count:.1f} %"


def milliseconds(value: int | None) -> str:
    return NOTHING if value is None else span(timedelta(milliseconds=value))


def count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def exact(value: Decimal | None) -> str:
    """Show an amount with all its places; nothing where the rounded one has them."""
    if value is None:
        return ""
    places = "0.01" if value == 0 or abs(value) >= _CENT else "0.0001"
    return "" if value == value.quantize(Decimal(places)) else f"${value.normalize():,f}"


def signed_money(value: Decimal) -> str:
    return money(value) if value >= 0 else f"−{money(-value)}"


def change(now: Decimal | None, before: Decimal | None) -> str:
    """Say how an amount or a number compares with that of the period before."""
    if before is None or now is None:
        return ""
    if now == before:
        return _("as before")
    if not before:
        return ""
    part = abs(now - before) / abs(before)
    size = f"{now / before:.0f}-fold" if part >= 3 and now > before else share(float(part))
    return (_("up %(size)s") if now > before else _("down %(size)s")) % {"size": size}


def points(now: float | None, before: float | None) -> str:
    """Say how a rate compares with that of the period before."""
    if before is None or now is None:
        return ""
    difference = round((now - before) * 100, 1)
    if not difference:
        return _("as before")
    words = _("up %(size)s points") if difference > 0 else _("down %(size)s points")
    return words % {"size": f"{abs(difference):g}"}
