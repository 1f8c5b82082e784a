"""What the policy of a gate does by itself as time passes: tell people, remind them, escalate, end the wait.

A duty of every worker, at any time and as often as it likes: ``Gate.act_at`` says when there is something to do, NULL
that nobody has looked at the gate yet, and whoever acts holds the gate and moves it on. So each thing is done once,
however many workers look, and what was missed while none was there is made up for by one act, not by many.

People are reminded at half of the time that they have and at its end, then every ``remind_every``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Max

from documents import database
from executions import wakeups
from executions.exceptions import Conflict
from executions.models import (
    AuditAct,
    DecisionChannel,
    DecisionKind,
    Gate,
    GateNotice,
    GateStatus,
    NoticeKind,
)
from executions.models.execution import END_OF_TIME
from executions.services import audit
from executions.services.decisions import Verdict, record_decision
from executions.services.notices import Recipient, recipients
from executions.transitions import gates, lifecycle
from executions.transitions.unit import Unit, lock
from workflows.durations import parse_duration

logger = logging.getLogger(__name__)

BATCH = 200
# However often a definition wants it.
SHORTEST_REMINDER = timedelta(minutes=1)

_CLOCK = "SELECT statement_timestamp()"

# In a failed run nobody can decide, so nobody is told; its retry has its gates looked at anew. Its row is held as well:
# a retry of this very moment is seen. Materialized: a plan that ran the subquery once per row would take more than the
# limit.
_LEAVE_FAILED = """
WITH left_alone AS MATERIALIZED (
    SELECT g.id FROM executions_gate g JOIN executions_execution e ON e.id = g.execution_id
     WHERE g.status = 'open' AND (g.act_at IS NULL OR g.act_at <= %(at)s) AND e.status = 'failed'
     LIMIT %(limit)s FOR UPDATE OF g SKIP LOCKED FOR SHARE OF e SKIP LOCKED)
UPDATE executions_gate g SET act_at = %(never)s FROM left_alone WHERE g.id = left_alone.id
"""

_NEW = """
SELECT g.id FROM executions_gate g JOIN executions_execution e ON e.id = g.execution_id
 WHERE g.status = 'open' AND g.act_at IS NULL AND e.status <> 'failed'
 ORDER BY g.opened_at LIMIT %(limit)s FOR UPDATE OF g SKIP LOCKED
"""

_DUE = """
SELECT g.id, g.execution_id FROM executions_gate g JOIN executions_execution e ON e.id = g.execution_id
 WHERE g.status = 'open' AND g.act_at <= %(at)s AND e.status <> 'failed' ORDER BY g.act_at LIMIT %(limit)s
"""


def act(*, at: datetime | None = None) -> int:
    """Do what is due at up to :data:`BATCH` gates, and as many new ones; return at how many something was done."""
    moment = at or database.rows(_CLOCK)[0][0]
    params = {"at": moment, "limit": BATCH, "never": END_OF_TIME}
    database.execute(_LEAVE_FAILED, params)
    done = _look_at_new(moment)
    for gate_id, execution_id in database.rows(_DUE, params):
        done += _guarded(gate_id, execution_id, partial(_act_at, gate_id, execution_id, moment))
    return done


def next_act(gate: Gate, *, after: datetime) -> datetime:
    """Return when the policy has something to do at ``gate`` next; :data:`END_OF_TIME`: never again."""
    every = gate.policy.get("remind_every")
    interval = max(parse_duration(every), SHORTEST_REMINDER) if every else None
    if gate.due_at is not None:
        half = gate.opened_at + (gate.due_at - gate.opened_at) / 2
        if after < gate.due_at:
            return half if after < half else gate.due_at
    if interval is None:
        return END_OF_TIME
    begin = gate.due_at or gate.opened_at
    return begin + interval * max((after - begin) // interval + 1, 1)


def _look_at_new(at: datetime) -> int:
    """Tell people of gates that nobody has looked at, and set their clocks."""
    with transaction.atomic():
        found = [row[0] for row in database.rows(_NEW, {"limit": BATCH})]
        new = list(Gate.objects.filter(pk__in=found).only("id", "opened_at", "due_at", "policy"))
        for gate in new:
            is_late = gate.due_at is not None and gate.due_at <= at
            gate.act_at = gate.due_at if is_late else next_act(gate, after=at)
        Gate.objects.bulk_update(new, ["act_at"])
        _tell(recipients(found), NoticeKind.OPENED, at)
    return len(new)


def _guarded(gate_id: UUID, execution_id: UUID, act_there: Callable[[], bool]) -> bool:
    """Act at one gate; where that fails, the others are not left alone with it."""
    facts = {"execution_id": str(execution_id), "gate_id": str(gate_id)}
    try:
        return act_there()
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing can be done anywhere
    except Conflict as lost:  # somebody decided at this very moment
        logger.info("A gate moved on by itself", extra={"action": "policy_late", "why": lost.code, **facts})
    except Exception:
        logger.exception("A policy could not act", extra={"action": "policy_failed", **facts})
    return False


def _act_at(gate_id: UUID, execution_id: UUID, at: datetime) -> bool:
    """Do what is due at one gate, unless somebody has meanwhile."""
    with transaction.atomic():
        unit = lock(execution_id)
        gate = Gate.objects.select_for_update(of=("self",)).select_related("execution").get(pk=gate_id)
        is_due = gate.status == GateStatus.OPEN and gate.act_at is not None and gate.act_at <= at
        if not is_due or unit.is_over:
            return False
        is_late = gate.due_at is not None and gate.due_at <= at
        told = recipients([gate_id])
        newcomers = _escalate(unit, gate, told) if is_late else set()
        if is_late and gate.policy.get("on_timeout"):
            _end_wait(unit, gate, at)
            _tell(told | newcomers, NoticeKind.ENDED, at)
            return True
        _tell(newcomers, NoticeKind.ESCALATED, at)
        _tell(told, NoticeKind.REMINDER, at, n=_next_number(gate))
        Gate.objects.filter(pk=gate_id).update(act_at=next_act(gate, after=at))
    return True


def _escalate(unit: Unit, gate: Gate, told: set[Recipient]) -> set[Recipient]:
    """Let the groups decide that the policy names for this, once; return who did not get here before."""
    roles = gate.policy.get("escalate_to")
    if not roles or gate.escalated_at is not None:
        return set()
    gates.escalate_gate(unit, gate.pk, roles)
    audit.record(
        act=AuditAct.GATE_ESCALATE, actor=None, about=audit.About(gate=gate), after={"roles": list(roles)}, unit=unit
    )
    unit.flush()
    facts = {"action": "gate_escalated", "execution_id": str(gate.execution_id), "gate_id": str(gate.pk)}
    logger.info("A gate was escalated", extra={**facts, "roles": roles})
    return recipients([gate.pk]) - told


def _end_wait(unit: Unit, gate: Gate, at: datetime) -> None:
    """Do what the definition says of a wait that was too long; it says so, or nothing is decided for people."""
    assert gate.due_at is not None
    when = f"{gate.due_at:%Y-%m-%d %H:%M} UTC"
    if gate.policy["on_timeout"] == DecisionKind.ACCEPT:
        detail = f"Not decided by {when}; the workflow accepts then."
        verdict = Verdict(decision=DecisionKind.ACCEPT, comment=detail)
        record_decision(actor=None, gate=gate, verdict=verdict, channel=DecisionChannel.POLICY, at=at)
    else:
        detail = f"Nobody decided on {gate.document_type} of {gate.scope_id} by {when}. A retry asks again."
        lifecycle.expired(unit, unit.steps[gate.path], gate_id=gate.pk, detail=detail)
        audit.record(
            act=AuditAct.GATE_EXPIRE, actor=None, about=audit.About(gate=gate), at=at, detail=detail, unit=unit
        )
        unit.settle_status()
        unit.flush()
        wakeups.tx_defer(gate.execution_id)
    facts = {"action": "gate_timed_out", "execution_id": str(gate.execution_id), "gate_id": str(gate.pk)}
    logger.info("A gate was not decided in time", extra={**facts, "on_timeout": gate.policy["on_timeout"]})


def _tell(people: set[Recipient], kind: NoticeKind, at: datetime, *, n: int = 0) -> None:
    rows = [
        GateNotice(gate_id=gate_id, user_id=user_id, kind=kind, n=n, next_attempt_at=at, created_at=at)
        for gate_id, user_id in sorted(people)
    ]
    # What somebody was told before, they are not told again: a retry has gates looked at anew.
    GateNotice.objects.bulk_create(rows, ignore_conflicts=True)


def _next_number(gate: Gate) -> int:
    last: int | None = GateNotice.objects.filter(gate=gate, kind=NoticeKind.REMINDER).aggregate(n=Max("n"))["n"]
    return (last or 0) + 1
