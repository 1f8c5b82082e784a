"""What waits at the desk: for the person, and for somebody else; and the order in which it is worked off."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from executions.models import Gate, Project
from executions.models.execution import END_OF_TIME
from executions.pages.paging import Order
from executions.services.access import gates_waiting_for, undecided_gates, waits_for

SHOWN = 20

# Overdue, then by the due time, then by age: what has no due time comes after all that has one.
QUEUE_ORDER = Order(columns=("due_order", "opened_at", "id"), is_descending=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What is open, in the order of the queue: what the person may decide, and what somebody else must."""

    mine: list[Gate]
    mine_count: int
    others: list[Gate]
    others_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a gate stands among those that wait for somebody. ``number`` counts from 1; 0: it is not among them."""

    number: int
    total: int
    previous: UUID | None
    next: UUID | None


def inbox(user: User) -> Inbox:
    """Return the open gates that ``user`` may see, split by who can act."""
    gates = undecided_gates(visible_gates(user))
    counts = gates.aggregate(all=Count("pk"), mine=Count("pk", filter=waits_for(user)))
    shown = in_queue_order(gates.select_related("execution").defer("execution__brief"))
    return Inbox(
        mine=list(shown.filter(waits_for(user))[:SHOWN]),
        mine_count=counts["mine"],
        others=list(shown.exclude(waits_for(user))[:SHOWN]),
        others_count=counts["all"] - counts["mine"],
    )


def visible_gates(user: User) -> QuerySet[Gate]:
    """Return the gates of the projects that ``user`` may see."""
    gates = Gate.objects.all()
    return gates if user.is_superuser else gates.filter(execution__project__in=Project.objects.visible_to(user))


def with_due_order(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    """Give each gate the column ``due_order`` that :data:`QUEUE_ORDER` sorts by."""
    return gates.annotate(due_order=Coalesce("due_at", Value(END_OF_TIME)))


def in_queue_order(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    return QUEUE_ORDER.sorted(with_due_order(gates), backward=False)


def place_of(user: User, gate: Gate) -> Place:
    """Say where ``gate`` stands in the queue of ``user``, and what comes before and after it there.

    A gate that does not wait for them (any more) has no number, but still a next one: what would stand after it.
    """
    queue = with_due_order(gates_waiting_for(visible_gates(user), user))
    values = [gate.due_at or END_OF_TIME, gate.opened_at, gate.pk]
    before, after = (QUEUE_ORDER.beyond(values, backward=is_before) for is_before in (True, False))
    counts = queue.aggregate(
        total=Count("pk"), before=Count("pk", filter=before), own=Count("pk", filter=Q(pk=gate.pk))
    )
    previous = QUEUE_ORDER.sorted(queue.filter(before), backward=True).values_list("pk", flat=True).first()
    following = QUEUE_ORDER.sorted(queue.filter(after), backward=False).values_list("pk", flat=True).first()
    if following is None:
        # At the end of the queue it goes on with the first one.
        rest = in_queue_order(queue.exclude(pk=gate.pk)).values_list("pk", flat=True)
        following = rest.first() if counts["before"] else None
    return Place(
        number=counts["before"] + 1 if counts["own"] else 0,
        total=counts["total"],
        previous=previous,
        next=following,
    )


def waiting_for_others(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the open gates that wait for somebody else."""
    return undecided_gates(gates).exclude(waits_for(user))
