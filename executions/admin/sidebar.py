"""What stands on top of the desk's side bar: the places that people go to all day, with how much is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from executions.admin.waiting import visible_gates
from executions.models import Execution, ExecutionStatus
from executions.services.access import is_operator, role_names, undecided_gates, waits_for

RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """Where a link leads. ``count`` is shown where there is something; ``is_urgent`` gives it a colour."""

    label: str
    url: str
    count: int = 0
    is_urgent: bool = False


def shortcuts(user: User, at: datetime) -> list[Shortcut]:
    """Return the shortcuts of ``user``, found with two statements however much there is; none without a role."""
    if not user.is_superuser and not role_names(user):
        return []
    gates, failed = undecided_gates(visible_gates(user)), _failed(user, at)
    late = Q(due_at__lt=at)
    mine = waits_for(user)
    counts = gates.aggregate(mine=Count("pk", filter=mine), late=Count("pk", filter=late & mine), all=Count("pk"))
    found = [
        Shortcut(label="Needs you", url=_inbox_url("mine"), count=counts["mine"], is_urgent=True),
        Shortcut(label="Needs others", url=_inbox_url("all"), count=counts["all"] - counts["mine"]),
        Shortcut(label="Failed this week", url=_failed_url(at), count=failed.count()),
    ]
    if counts["late"]:
        found.insert(1, Shortcut(label="Overdue", url=_inbox_url("mine"), count=counts["late"], is_urgent=True))
    if is_operator(user):
        found.append(Shortcut(label="Health", url=reverse("admin:executions_health")))
    return found


def _failed(user: User, at: datetime) -> QuerySet[Execution]:
    failed = Execution.objects.filter(status=ExecutionStatus.FAILED, started_at__gte=_since(at))
    return failed.visible_to(user)


def _since(at: datetime) -> datetime:
    """Return the beginning of the week that lies behind: a whole day, so that the link stays the same all day."""
    return (at.astimezone(timezone.get_default_timezone()) - RECENT).replace(hour=0, minute=0, second=0, microsecond=0)


def _inbox_url(tab: str) -> str:
    return f"{reverse('admin:executions_gate_inbox')}?{urlencode({'tab': tab})}"


def _failed_url(at: datetime) -> str:
    query = {"status__exact": ExecutionStatus.FAILED.value, "started_at__gte": f"{_since(at)}"}
    return f"{reverse('admin:executions_execution_changelist')}?{urlencode(query)}"
