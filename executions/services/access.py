"""Who may do what. One place for every door: API, admin, terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection
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


# An account's own rights, and those of everybody whose deputy it is today. In one statement: every request asks.
_RIGHTS = """
SELECT u.id, u.username, u.is_superuser, g.name FROM auth_user u
  LEFT JOIN auth_user_groups m ON m.user_id = u.id LEFT JOIN auth_group g ON g.id = m.group_id
 WHERE u.id = %(user)s OR (u.is_active AND u.id IN (
       SELECT absent_id FROM executions_deputy
        WHERE deputy_id = %(user)s AND ended_at IS NULL
          AND (statement_timestamp() AT TIME ZONE 'UTC')::date BETWEEN first_day AND last_day))
 ORDER BY u.id <> %(user)s, u.id
"""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one account may do by its own roles, whoever uses them: the account itself, or its deputy."""

    user_id: int | None
    username: str
    is_superuser: bool
    roles: frozenset[str]

    @property
    def is_operator(self) -> bool:
        return self.is_superuser or OPERATOR in self.roles


def rights_of(user: User) -> tuple[Rights, ...]:
    """Return the rights of ``user``, then those of the people for whom they are the deputy today.

    Those people's own deputyships are not among them: there are no chains.
    """
    cached: tuple[Rights, ...] | None = getattr(user, "_combine_roles", None)
    if cached is None:
        cached = _read_rights(user)
        user._combine_roles = cached  # type: ignore[attr-defined]
    return cached


def _read_rights(user: User) -> tuple[Rights, ...]:
    own: tuple[int | None, str, bool] = (user.pk, user.get_username(), user.is_superuser)
    roles: dict[tuple[int | None, str, bool], set[str]] = {own: set()}
    if user.pk is not None:
        with connection.cursor() as cursor:
            cursor.execute(_RIGHTS, {"user": user.pk})
            for user_id, username, is_superuser, role in cursor.fetchall():
                held = roles.setdefault(own if user_id == user.pk else (user_id, username, is_superuser), set())
                held.update({role} - {None})
    return tuple(Rights(*who, roles=frozenset(names)) for who, names in roles.items())


def role_names(user: User) -> frozenset[str]:
    """Return the names of the groups that ``user`` is in."""
    return rights_of(user)[0].roles


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
    """Say why ``user`` may not answer or decide at ``gate``, neither for themselves nor as a deputy; or ``None``."""
    own, *absent = rights_of(user)
    reason = _refusal(own, gate)
    if reason is None or any(_may_for(own, each, gate) for each in absent):
        return None
    return reason


def voice(user: User, gate: Gate, votes: Iterable[Decision]) -> Rights | None:
    """Return by whose rights ``user`` can still decide at ``gate``, where ``votes`` are there: theirs come first.

    Everybody has one vote, cast by them or by their deputy, and nobody casts two.
    """
    cast = [(vote.user_id, vote.on_behalf_of_id) for vote in votes]
    own, *absent = rights_of(user)
    if own.user_id in {by for by, _ in cast}:
        return None
    spoken = {who for pair in cast for who in pair}
    if own.user_id not in spoken and _refusal(own, gate) is None:
        return own
    return next((each for each in absent if each.user_id not in spoken and _may_for(own, each, gate)), None)


def _may_for(deputy: Rights, absent: Rights, gate: Gate) -> bool:
    """Whether a deputy may decide for somebody who is away: four eyes are asked of both."""
    return _four_eyes(deputy, gate) is None and _refusal(absent, gate) is None


def _refusal(rights: Rights, gate: Gate) -> str | None:
    is_named = rights.username in gate.users
    roles = gate.deciding_roles
    has_role = not rights.roles.isdisjoint(roles)
    if gate.kind == GateKind.CLARIFICATION:
        if is_named or rights.is_operator or has_role:
            return None
        return f"To answer you need one of the roles: {', '.join([OPERATOR, *roles])}."
    if reason := _four_eyes(rights, gate):
        return reason
    if is_named or has_role:
        return None
    if gate.roles or gate.users:
        needed = ", ".join(roles) or ", ".join(gate.users)
        return f"To decide on this {gate.document_type} you need one of the roles: {needed}."
    if rights.is_operator:
        return None
    return f"To decide on this {gate.document_type} you need the role {OPERATOR}."


def _four_eyes(rights: Rights, gate: Gate) -> str | None:
    if gate.kind == GateKind.ACCEPTANCE and gate.four_eyes and gate.execution.started_by_id == rights.user_id:
        return "Four eyes: whoever started the run may not decide on its documents; somebody else must."
    # With a quorum others decide as well, so that nobody reads their own words alone.
    if gate.kind == GateKind.ACCEPTANCE and gate.four_eyes and gate.quorum == 1 and gate.edited_by_id == rights.user_id:
        return "Four eyes: you wrote this version yourself; somebody else must decide on it."
    return None


def undecided_gates(gates: QuerySet[Gate]) -> QuerySet[Gate]:
    """Keep the gates at which a decision would be taken now. Those of a failed run wait for its retry first."""
    return gates.filter(status=GateStatus.OPEN, execution__status__in=_NOT_OVER)


def gates_waiting_for(gates: QuerySet[Gate], user: User) -> QuerySet[Gate]:
    """Keep the gates that wait for ``user``: who may decide or answer there, and has not yet."""
    return undecided_gates(gates).filter(waits_for(user))


def waits_for(user: User) -> Q:
    """Say of undecided gates, in SQL, whether :func:`voice` finds anything.

    A list must not load every open gate to ask about each; a test holds both forms together. Where the condition
    does not hold it is false, never NULL, so that it splits the gates in two.
    """
    own, *absent = rights_of(user)
    allowed = _allowed(own) & Q(~_has_spoken(own))
    for each in absent:
        allowed |= _allowed(each) & _keeps_four_eyes(own) & Q(~_has_spoken(each))
    voted = Exists(Decision.objects.filter(gate=OuterRef("pk"), user=user))
    return Q(Case(When(allowed & Q(~voted), then=Value(True)), default=Value(False)))


def _allowed(rights: Rights) -> Q:
    named = Q(users__contains=[rights.username])
    if roles := sorted(rights.roles):
        named |= Q(roles__has_any_keys=roles) | Q(escalated_to__has_any_keys=roles)
    answers = decides = named
    if rights.is_operator:
        answers, decides = Q(), named | Q(roles=[], users=[])
    is_answer = Q(kind=GateKind.CLARIFICATION) & answers
    return is_answer | (Q(kind=GateKind.ACCEPTANCE) & decides & _keeps_four_eyes(rights))


def _keeps_four_eyes(rights: Rights) -> Q:
    is_theirs = Q(execution__started_by=rights.user_id) | Q(quorum=1, edited_by=rights.user_id)
    return ~(Q(kind=GateKind.ACCEPTANCE, four_eyes=True) & is_theirs)


def _has_spoken(rights: Rights) -> Exists:
    cast = Q(user=rights.user_id) | Q(on_behalf_of=rights.user_id)
    return Exists(Decision.objects.filter(cast, gate=OuterRef("pk")))
