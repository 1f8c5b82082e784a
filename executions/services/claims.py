"""Who is looking at a gate, and to whom it was handed. For people's sake only: neither stops a decision.

A claim lasts five minutes and is renewed by whoever holds it; others see it, and may take it over. Handing a gate on
names somebody who may decide there already, with a note; it gives no right and takes none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet

from documents.canonical import text_problem
from executions.engine.state import GateStatus
from executions.exceptions import FieldError, Invalid, InvalidState, NotPermitted
from executions.models import AuditAct, Execution, Gate, GateAssignment, GateClaim, GateKind
from executions.services import audit
from executions.services.access import OPERATOR, is_operator, refusal

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

CLAIMED_FOR = timedelta(minutes=5)
MAX_NOTE = 1_000

# One statement, so that of two people at the same moment one has it. The claim of somebody else is taken only where it
# has run out, or is taken over on purpose; the moment of the first claim stays while it is renewed in time.
_CLAIM = """
INSERT INTO executions_gateclaim AS held (gate_id, user_id, by, claimed_at, expires_at)
SELECT gate.id, %(user)s, %(by)s, %(at)s, %(until)s FROM executions_gate gate
 WHERE gate.id = %(gate)s AND gate.status = 'open'
ON CONFLICT (gate_id) DO UPDATE
   SET user_id = excluded.user_id, by = excluded.by, expires_at = excluded.expires_at,
       claimed_at = CASE WHEN held.user_id = excluded.user_id AND held.expires_at > %(at)s
                         THEN held.claimed_at ELSE excluded.claimed_at END
 WHERE held.user_id = excluded.user_id OR held.expires_at <= %(at)s OR %(takes_over)s
"""


def claim(*, actor: User, gate: Gate, at: datetime, takes_over: bool = False) -> GateClaim:
    """Say that ``actor`` is looking at ``gate`` for five minutes from now, and return whose claim holds.

    It is somebody else's where they were first, unless ``takes_over``. Claiming again renews.
    :raises NotPermitted: the actor may not decide there. :raises InvalidState: nothing waits there any more.
    """
    about = audit.About(gate=gate)
    with audit.refusals(act=AuditAct.GATE_CLAIM, actor=actor, about=about, at=at):
        reason = refusal(actor, gate)
        if reason is not None:
            raise NotPermitted(reason)
    values: dict[str, Any] = {
        "user": actor.pk,
        "by": actor.get_username(),
        "at": at,
        "until": at + CLAIMED_FOR,
        "gate": gate.pk,
        "takes_over": takes_over,
    }
    with transaction.atomic():
        before = claim_of(gate, at)
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, values)
        holder = claim_of(gate, at)
        # Renewing is no act of its own; it happens every minute.
        if holder is not None and holder.user_id == actor.pk and holder.claimed_at == at:
            held_by = {"claimed_by": before.by} if before is not None else None
            after = {"claimed_by": holder.by}
            audit.record(act=AuditAct.GATE_CLAIM, actor=actor, about=about, at=at, before=held_by, after=after)
    if holder is None:
        raise InvalidState("This gate is closed; nobody has to look at it any more.")
    return holder


def release(*, actor: User, gate: Gate, at: datetime) -> bool:
    """Give up the actor's own claim of ``gate``; return whether there was one."""
    with transaction.atomic():
        removed, _ = GateClaim.objects.filter(gate_id=gate.pk, user=actor).delete()
        if removed:
            audit.record(act=AuditAct.GATE_RELEASE, actor=actor, about=audit.About(gate=gate), at=at)
    return removed > 0


def claim_of(gate: Gate, at: datetime) -> GateClaim | None:
    """Return who is looking at ``gate`` now."""
    return GateClaim.objects.filter(gate_id=gate.pk, gate__status=GateStatus.OPEN.value, expires_at__gt=at).first()


def claims_of(gates: Collection[UUID], at: datetime) -> dict[UUID, GateClaim]:
    """Return who is looking at each of ``gates`` now, by gate: one statement for a list."""
    return {each.gate_id: each for each in GateClaim.objects.filter(gate_id__in=gates, expires_at__gt=at)}


def assign(*, actor: User, gate: Gate, username: str, note: str = "", at: datetime) -> GateAssignment:
    """Hand ``gate`` to a named person who may decide there, with a note for them.

    :raises NotPermitted: the actor neither decides there nor operates. :raises InvalidState: the gate is closed.
    :raises Invalid: there is no such person, or they may not decide there either.
    """
    about = audit.About(gate=gate)
    with audit.refusals(act=AuditAct.GATE_ASSIGN, actor=actor, about=about, at=at):
        against = refusal(actor, gate)
        if against is not None and not is_operator(actor):
            raise NotPermitted(f"To hand it on you must be one of those who may decide, or an operator. {against}")
    errors, receiver = _receiver(gate, username)
    if problem := _note_problem(note):
        errors.append(FieldError(path="/note", code="INVALID_TEXT", detail=problem))
    if errors or receiver is None:
        raise Invalid(errors)
    with transaction.atomic():
        # The row is held, so that nothing is handed on that is being decided at this moment.
        if not Gate.objects.select_for_update(no_key=True).filter(pk=gate.pk, status=GateStatus.OPEN.value).exists():
            raise InvalidState("This gate is closed; there is nothing to hand on.")
        row = GateAssignment.objects.create(
            gate_id=gate.pk,
            user=receiver,
            name=receiver.get_username(),
            by=actor.get_username(),
            by_user=actor,
            note=note.strip(),
            assigned_at=at,
        )
        after = {"assigned_to": row.name, "note": row.note}
        audit.record(act=AuditAct.GATE_ASSIGN, actor=actor, about=about, at=at, after=after)
        # Whoever hands it on has stopped looking at it.
        release(actor=actor, gate=gate, at=at)
    return row


def assignment_of(gate: Gate) -> GateAssignment | None:
    """Return to whom ``gate`` was handed last."""
    return GateAssignment.objects.filter(gate_id=gate.pk).order_by("-id").first()


def assignments_of(gates: Collection[UUID]) -> dict[UUID, GateAssignment]:
    """Return to whom each of ``gates`` was handed last, by gate: one statement for a list."""
    newest = GateAssignment.objects.filter(gate_id__in=gates).order_by("gate_id", "-id").distinct("gate_id")
    return {each.gate_id: each for each in newest}


def likely_receivers(gate: Gate, limit: int = 100) -> list[str]:
    """Return names to suggest: active people of the gate's roles, and those it names. Others may be typed."""
    wanted: QuerySet[User] = User.objects.filter(is_active=True)
    roles = list(gate.deciding_roles)
    if gate.kind == GateKind.CLARIFICATION or not (roles or gate.users):
        roles.append(OPERATOR)
    named = wanted.filter(username__in=gate.users).values_list("username", flat=True)
    in_roles = wanted.filter(groups__name__in=roles).values_list("username", flat=True)
    return sorted(named.union(in_roles)[:limit])


def _receiver(gate: Gate, username: str) -> tuple[list[FieldError], User | None]:
    """Find the person who is meant, or say why it cannot be they."""
    found = None if text_problem(username) else User.objects.filter(username=username, is_active=True).first()
    if found is None:
        return [_wrong_name(f"there is nobody of the name {username!r}; take the name they log in with")], None
    against = refusal(found, gate)
    if against is None and not Execution.objects.visible_to(found).filter(pk=gate.execution_id).exists():
        against = "They do not see the project of this run."
    if against is not None:
        return [_wrong_name(f"{username} may not decide here. {against}")], None
    return [], found


def _wrong_name(detail: str) -> FieldError:
    return FieldError(path="/username", code="INVALID_CHOICE", detail=detail)


def _note_problem(note: str) -> str | None:
    if len(note) > MAX_NOTE:
        return f"is longer than {MAX_NOTE} characters"
    return text_problem(note)
