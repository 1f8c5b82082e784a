"""The inbox of the desk: what is open, and whether it waits for the person or for somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet

from executions.models import Gate, Project
from executions.services.access import undecided_gates, waits_for

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What is open, oldest first: what the person may decide, and what somebody else must."""

    mine: list[Gate]
    mine_count: int
    others: list[Gate]
    others_count: int


def inbox(user: User) -> Inbox:
    """Return the open gates that ``user`` may see, split by who can act."""
    gates = undecided_gates(Gate.objects.all())
    if not user.is_superuser:
        gates = gates.filter(execution__project__in=Project.objects.visible_to(user))
    counts = gates.aggregate(all=Count("pk"), mine=Count("pk", filter=waits_for(user)))
    shown = gates.select_related("execution").defer("execution__brief").order_by("opened_at", "id")
    return Inbox(
        mine=list(shown.filter(waits_for(user))[:SHOWN]),
        mine_count=counts["mine"],
        others=list(shown.exclude(waits_for(user))[:SHOWN]),
        others_count=counts["all"] - counts["mine"],
    )


def waiting_for_others(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the open gates that wait for somebody else."""
    return undecided_gates(gates).exclude(waits_for(user))
