"""Statuses in the words of the pages, each with its icon and colour; times as distances from now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

Look = Literal["good", "bad", "wait", "busy", "idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one status looks: never by its colour alone."""

    label: str | Promise
    icon: str
    look: Look


def _of(label: str | Promise, icon: str, look: Look) -> Wording:
    return Wording(label=label, icon=icon, look=look)


STATUSES: dict[str, Wording] = {
    "pending": _of(_("Pending"), "clock", "idle"),
    "running": _of(_("Running"), "play", "busy"),
    "waiting_clarification": _of(_("Waiting for answers"), "question", "wait"),
    "waiting_acceptance": _of(_("Waiting for acceptance"), "person", "wait"),
    "completed": _of(_("Completed"), "check", "good"),
    "failed": _of(_("Failed"), "cross", "bad"),
    "cancelled": _of(_("Cancelled"), "stop", "idle"),
    "final": _of(_("Final"), "check", "good"),
    "in_review": _of(_("In review"), "person", "wait"),
    "accepted": _of(_("Accepted"), "check", "good"),
    "changes_requested": _of(_("Changes requested"), "again", "wait"),
    "rejected": _of(_("Rejected"), "cross", "bad"),
    "accept": _of(_("Accepted"), "check", "good"),
    "request_changes": _of(_("Changes requested"), "again", "wait"),
    "reject": _of(_("Rejected"), "cross", "bad"),
    "answer": _of(_("Answered"), "check", "good"),
    "open": _of(_("Open"), "person", "wait"),
    "decided": _of(_("Decided"), "check", "good"),
    "succeeded": _of(_("Succeeded"), "check", "good"),
    "superseded": _of(_("Superseded"), "stop", "idle"),
    "in_flight": _of(_("Under way"), "play", "busy"),
    "lost": _of(_("Lost"), "cross", "bad"),
    "expired": _of(_("Expired"), "cross", "bad"),
}
_UNKNOWN_ICON = "clock"


def wording(status: str) -> Wording:
    """Return how ``status`` looks; one that has no entry is shown by its own name."""
    return STATUSES.get(status) or _of(status.replace("_", " "), _UNKNOWN_ICON, "idle")


def label(status: str) -> str:
    return str(wording(status).label)


def distance(at: datetime, now: datetime) -> str:
    """Say how long ago something was, or in how long it will be, in the largest unit that fits."""
    length = abs(now - at)
    if length < timedelta(seconds=45):
        return gettext("just now") if at <= now else gettext("in a moment")
    words = _length(length)
    return gettext("%(length)s ago") % {"length": words} if at <= now else gettext("in %(length)s") % {"length": words}


def _length(length: timedelta) -> str:
    minutes = max(round(length.total_seconds() / 60), 1)
    if minutes < 60:
        return ngettext("%(count)d min", "%(count)d min", minutes) % {"count": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    days = round(hours / 24)
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
