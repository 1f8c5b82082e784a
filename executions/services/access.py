"""Who may do what. One place for every door: API, admin, terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executions.exceptions import ExecutionNotFound, NotPermitted
from executions.models import Execution, Gate, GateKind

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

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
