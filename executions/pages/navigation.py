"""The main navigation: the same entries on our own pages and in the admin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from executions.models import Execution, Gate
from executions.pages.viewers import has_role
from executions.services.access import gates_waiting_for

_API_DOCS = "/api/v1/docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    label: str | Promise
    url: str
    is_current: bool
    count: int | None = None


def entries(request: HttpRequest) -> list[Entry]:
    """Return what somebody may go to; parts of the site that are not there have no entry."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_active:
        return []
    is_admin = request.path.startswith(reverse("admin:index"))
    found = [
        _entry(request, _("Runs"), reverse("executions-page")),
        _entry(request, _("Projects"), reverse("projects-page")),
        _needs_you(request, user),
        _entry(request, _("Documents"), reverse("documents-page")),
    ]
    if (user.is_staff or user.is_superuser) and (costs := _reversed("costs-page")) is not None:
        found.append(_entry(request, _("Costs"), costs))
    if user.is_staff:
        found.append(Entry(label=_("Admin"), url=reverse("admin:index"), is_current=is_admin))
    if _has_api_docs():
        found.append(_entry(request, _("API"), _API_DOCS))
    return found


def _entry(request: HttpRequest, label: str | Promise, url: str) -> Entry:
    return Entry(label=label, url=url, is_current=request.path.startswith(url))


def _needs_you(request: HttpRequest, user: User) -> Entry:
    """Lead to what waits for ``user``, which the home page lists. The admin's pages have a count of their own."""
    home = reverse("home")
    is_ours = not request.path.startswith(reverse("admin:index"))
    count = waiting_for(user).count() if is_ours and has_role(user) else None
    return Entry(label=_("Needs you"), url=home, is_current=request.path == home, count=count)


def waiting_for(user: User) -> QuerySet[Gate]:
    """Return the gates that ``user`` may see and decide or answer now."""
    gates = gates_waiting_for(Gate.objects.all(), user)
    return gates if user.is_superuser else gates.filter(execution__in=Execution.objects.visible_to(user))


@cache
def _reversed(name: str) -> str | None:
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


@cache
def _has_api_docs() -> bool:
    """Whether there is a page at that address; what catches unknown addresses has no name."""
    try:
        return resolve(_API_DOCS).url_name is not None
    except Resolver404:
        return False
