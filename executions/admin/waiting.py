"""Which gates wait for whom: the rules of ``services.access.refusal``, as conditions on rows.

A page of the inbox must not load every open gate to ask about each; a test holds both forms together.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from executions.engine.state import TERMINAL
from executions.models import Decision, Execution, Gate, GateKind, GateStatus
from executions.services.access import is_operator, role_names

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
    gates = Gate.objects.select_related("execution").order_by("opened_at", "id")
    if not user.is_superuser:
        gates = gates.filter(execution__in=Execution.objects.visible_to(user))
    mine, others = waits_for(gates, user), others_decide(gates, user)
    return Inbox(
        mine=list(mine[:SHOWN]), mine_count=mine.count(), others=list(others[:SHOWN]), others_count=others.count()
    )


def open_gates(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    """Keep the gates at which a decision would be taken now. Those of a failed run wait for its retry first."""
    return gates.filter(status=GateStatus.OPEN).exclude(execution__status__in=[each.value for each in TERMINAL])


def waits_for(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the open gates that ``user`` may decide and has not yet voted at."""
    return open_gates(gates).filter(_allowed(user)).filter(~_has_voted(user))


def others_decide(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the open gates that wait for somebody else."""
    return open_gates(gates).exclude(Q(pk__in=waits_for(Gate.objects.order_by(), user).values("pk")))


def _has_voted(user: User) -> Exists:
    return Exists(Decision.objects.filter(gate=OuterRef("pk"), user=user))


def _allowed(user: User) -> Q:
    named = Q(users__contains=[user.get_username()])
    for role in role_names(user):
        named |= Q(roles__contains=[role])
    answers = decides = named
    if is_operator(user):
        answers = Q()
        decides = named | Q(roles=[], users=[])
    eyes = Q(four_eyes=True, execution__started_by=user)
    return Q(Q(kind=GateKind.CLARIFICATION) & answers) | Q(Q(kind=GateKind.ACCEPTANCE) & decides & ~eyes)
