"""Who may do what. One place for every door: API, admin, terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from executions.engine.state import TERMINAL, ExecutionStatus
from executions.exceptions import ExecutionNotFound, NotPermitted
from executions.models import Decision, Execution, Gate, GateKind, GateStatus

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

_NOT_OVER = [each.value for each in ExecutionStatus if each not in TERMINAL]

OPERATOR = "operator"
VIEWER = "viewer"


def role_names(user: User) -> frozenset[str]:
    """Return the names of the groups that ``user`` is in."""
    cached: frozenset[str] | None = getattr(user, "_combine_roles", None)
    if cached is None:
        cached = frozenset(user.groups.values_list("name", flat=True))
        user._combine_roles = cached  # type: ignore[attr-defined]
    return cached


def is_operator(user: User) -> bool:
    """Whether ``user`` may start, cancel, retry and answer: operators, and administrators."""
    return user.is_superuser or OPERATOR in role_names(user)


def require_operator(user: User, act: str) -> None:
    """:raises NotPermitted: unless ``user`` may do what operators do."""
    if not is_operator(user):
        raise NotPermitted(f"To {act} you need the role {OPERATOR}; ask an administrator to add you to that group.")


def require_staff(user: User, act: str) -> None:
    """:raises NotPermitted: unless ``user`` may work at the review desk."""
    if not (user.is_staff or user.is_superuser):
        raise NotPermitted(f"To {act} you need access to the review desk, which an acceptance role brings with it.")


def visible_execution(user: User, execution_id: UUID) -> Execution:
    """:raises ExecutionNotFound: also for an execution that ``user`` may not see."""
    execution = Execution.objects.visible_to(user).filter(pk=execution_id).first()
    if execution is None:
        raise ExecutionNotFound(str(execution_id))
    return execution


def may_decide(user: User, gate: Gate) -> bool:
    """Whether ``user`` may answer or decide at ``gate``, as far as roles go (not: whether it is open).

    Superusers do not get round the roles of an acceptance. Operators may answer questions.
    """
    return refusal(user, gate) is None


def refusal(user: User, gate: Gate) -> str | None:
    """Say why ``user`` may not answer or decide at ``gate``, or return ``None``."""
    is_named = user.username in gate.users
    if gate.kind == GateKind.CLARIFICATION:
        if is_named or is_operator(user) or not role_names(user).isdisjoint(gate.roles):
            return None
        return f"To answer you need one of the roles: {', '.join([OPERATOR, *gate.roles])}."
    if gate.four_eyes and gate.execution.started_by_id == user.pk:
        return "Four eyes: whoever started the run may not decide on its documents; somebody else must."
    if gate.roles or gate.users:
        if is_named or not role_names(user).isdisjoint(gate.roles):
            return None
        needed = ", ".join(gate.roles) or ", ".join(gate.users)
        return f"To decide on this {gate.document_type} you need one of the roles: {needed}."
    if OPERATOR in role_names(user) or user.is_superuser:
        return None
    return f"To decide on this {gate.document_type} you need the role {OPERATOR}."


def undecided_gates(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    """Keep the gates at which a decision would be taken now. Those of a failed run wait for its retry first."""
    return gates.filter(status=GateStatus.OPEN, execution__status__in=_NOT_OVER)


def gates_waiting_for(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the gates that wait for ``user``: who may decide or answer there, and has not yet."""
    return undecided_gates(gates).filter(waits_for(user))


def waits_for(user: User) -> Q:
    """Say of undecided gates, in SQL, what :func:`refusal` says of one, and that there is no vote of ``user`` yet.

    A list must not load every open gate to ask about each; a test holds both forms together. Where the condition
    does not hold it is false, never NULL, so that it splits the gates in two.
    """
    named = Q(users__contains=[user.username])
    if roles := sorted(role_names(user)):
        named |= Q(roles__has_any_keys=roles)
    answers = decides = named
    if is_operator(user):
        answers, decides = Q(), named | Q(roles=[], users=[])
    started = Q(four_eyes=True, execution__started_by=user)
    allowed = (Q(kind=GateKind.CLARIFICATION) & answers) | (Q(kind=GateKind.ACCEPTANCE) & decides & ~started)
    voted = Exists(Decision.objects.filter(gate=OuterRef("pk"), user=user))
    return Q(Case(When(allowed & ~voted, then=Value(True)), default=Value(False)))
