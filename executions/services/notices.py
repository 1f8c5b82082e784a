"""Whom to tell about gates, and the mail that is to be sent: rows here, the sending in ``executions.postman``.

Whom to tell about budgets is said by ``executions.services.budget_notices``; their notices are sent like these.

A notice is sent once, or not at all. One whose sending was refused is tried again, later and later; one whose worker
died while it was being sent may have arrived, and is not sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from documents import database
from documents.canonical import storable_text
from executions.exceptions import FieldError, Invalid
from executions.models import (
    Execution,
    Gate,
    GateKind,
    GateNotice,
    MailWish,
    NoticeKind,
    NoticePreference,
    NoticeStatus,
)
from executions.models.notices import wants_mail
from executions.services import budget_notices
from executions.services.access import OPERATOR, gates_waiting_for

if TYPE_CHECKING:
    from django.db.models import QuerySet

Recipient = tuple[UUID, int]  # a gate, and the account that is to be told of it

# One message tells of so many gates at most; the others follow in the next one.
GATES_PER_MESSAGE = 50
# Longer than sending can take.
LEASE = timedelta(minutes=5)
# How long after each try that was refused the next one is made: three days in all.
DELAYS: tuple[timedelta, ...] = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=24),
    timedelta(hours=30),
)
KEPT_FOR = timedelta(days=30)
FORGET_BATCH = 5_000
MAX_PROBLEM = 300

# All that is due for one person, whose turn it is.
_CLAIM = """
WITH who AS (
    SELECT user_id FROM executions_gatenotice
     WHERE status = 'pending' AND next_attempt_at <= %(at)s AND lease_until IS NULL
     ORDER BY next_attempt_at, id LIMIT 1
), due AS (
    SELECT n.id FROM executions_gatenotice n JOIN who w ON w.user_id = n.user_id
     WHERE n.status = 'pending' AND n.next_attempt_at <= %(at)s AND n.lease_until IS NULL
     ORDER BY n.id LIMIT %(limit)s FOR UPDATE OF n SKIP LOCKED
)
UPDATE executions_gatenotice n SET tries = n.tries + 1, lease_until = %(until)s
  FROM due WHERE due.id = n.id RETURNING n.id
"""

_GIVE_UP_LOST = """
UPDATE executions_gatenotice
   SET status = 'failed', next_attempt_at = NULL, lease_until = NULL, finished_at = %(at)s,
       problem = 'The worker ended while it was being sent: it may have arrived, and is not sent again.'
 WHERE status = 'pending' AND lease_until < %(at)s
"""

# Materialized: a plan that ran the subquery once per row would take more than the limit.
_FORGET = """
WITH old AS MATERIALIZED (
    SELECT id FROM executions_gatenotice WHERE status <> 'pending' AND finished_at < %(before)s
     ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
DELETE FROM executions_gatenotice n USING old WHERE n.id = old.id
"""


# What is read with notices: the run of a gate, or of a warning about its own budget, or the budget that others share.
_RUNS = ("gate__execution", "warning__execution")
_AT_GATES = ("gate__execution__revision",)
_OF_BUDGETS = ("warning__execution__revision", "warning__account__budget")
_DEFINITIONS = tuple(f"{path}__revision__definition" for path in _RUNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What one person is to be told in one message. Those of ``moot`` need not be told any more."""

    user: User
    notices: Sequence[GateNotice]
    moot: Sequence[GateNotice]


def recipients(gate_ids: Collection[UUID]) -> set[Recipient]:
    """Return who is waited for at open gates, may see them, and can be mailed and wants it."""
    if not gate_ids:
        return set()
    gates = Gate.objects.filter(pk__in=gate_ids)
    return {
        (gate_id, user.pk)
        for user in _mailable(gates)
        for gate_id in _waiting_for(user, gates).values_list("pk", flat=True)
    }


def _mailable(gates: QuerySet[Gate]) -> list[User]:
    """Return the people with mail who may have something to do with ``gates``: one condition for all, so too many."""
    roles, names = set(), set()
    concerned = Q(absences__ended_at__isnull=True, absences__isnull=False)
    for gate in gates.only("kind", "roles", "users", "escalated_to"):
        roles.update(gate.deciding_roles)
        names.update(gate.users)
        if gate.kind == GateKind.CLARIFICATION or not (gate.roles or gate.users):
            roles.add(OPERATOR)
            concerned |= Q(is_superuser=True)
    concerned |= Q(groups__name__in=roles) | Q(username__in=names)
    people = User.objects.filter(concerned, is_active=True).exclude(email="").order_by("pk").distinct()
    return [user for user in people.select_related("notice_preference") if wants_mail(user)]


def _waiting_for(user: User, gates: QuerySet[Gate]) -> QuerySet[Gate]:
    return gates_waiting_for(gates, user).filter(execution__in=Execution.objects.visible_to(user))


def claim(*, at: datetime) -> Parcel | None:
    """Take all that is due for one person; nobody else sends it meanwhile."""
    database.execute(_GIVE_UP_LOST, {"at": at})
    params = {"at": at, "until": at + LEASE, "limit": GATES_PER_MESSAGE}
    claimed = [row[0] for row in database.rows(_CLAIM, params)]
    if not claimed:
        return None
    rows = GateNotice.objects.filter(pk__in=claimed).order_by("gate__due_at", "gate__opened_at", "id")
    rows = rows.select_related("user__notice_preference", *_AT_GATES, *_OF_BUDGETS)
    notices = list(rows.defer("gate__questions", *(f"{path}__brief" for path in _RUNS), *_DEFINITIONS))
    user = notices[0].user
    at_gates = [each for each in notices if each.gate_id is not None]
    relevant = _still_relevant(user, at_gates) if at_gates and wants_mail(user) else set()
    relevant |= budget_notices.still_relevant(user, notices, at=at)
    return Parcel(
        user=user,
        notices=[each for each in notices if each.pk in relevant],
        moot=[each for each in notices if each.pk not in relevant],
    )


def _still_relevant(user: User, notices: Sequence[GateNotice]) -> set[int]:
    gates = Gate.objects.filter(pk__in=[each.gate_id for each in notices])
    waiting = set(_waiting_for(user, gates).values_list("pk", flat=True))
    visible = gates.filter(execution__in=Execution.objects.visible_to(user)).values_list("pk", flat=True)
    ended = set(visible)
    return {each.pk for each in notices if each.gate_id in (ended if each.kind == NoticeKind.ENDED else waiting)}


def record(parcel: Parcel, *, at: datetime, problem: str = "") -> None:
    """Store what came of a parcel: sent, or (with ``problem``) to be tried again later, or given up."""
    with transaction.atomic():
        _finish(parcel.moot, NoticeStatus.CANCELLED, at)
        if not problem:
            _finish(parcel.notices, NoticeStatus.SENT, at)
            return
        text = storable_text(problem, MAX_PROBLEM)
        _finish([each for each in parcel.notices if each.tries > len(DELAYS)], NoticeStatus.FAILED, at, text)
        for each in parcel.notices:
            if each.tries <= len(DELAYS):
                GateNotice.objects.filter(pk=each.pk).update(
                    next_attempt_at=at + DELAYS[each.tries - 1], lease_until=None, problem=text
                )


def _finish(notices: Sequence[GateNotice], status: NoticeStatus, at: datetime, problem: str = "") -> None:
    GateNotice.objects.filter(pk__in=[each.pk for each in notices]).update(
        status=status, next_attempt_at=None, lease_until=None, finished_at=at, problem=problem
    )


def forget_old(*, at: datetime, limit: int = FORGET_BATCH) -> int:
    """Remove notices that were over long ago; return how many."""
    return database.execute(_FORGET, {"before": at - KEPT_FOR, "limit": limit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """When a person wants mail: about gates that wait for them, and about budgets."""

    mail: MailWish = MailWish.AT_ONCE
    budgets: MailWish = MailWish.AT_ONCE


def mail_wishes(user: User) -> Wishes:
    """Return when ``user`` wants mail about what."""
    row = NoticePreference.objects.filter(user=user).first()
    return Wishes() if row is None else Wishes(mail=MailWish(row.mail), budgets=MailWish(row.budgets))


def set_mail_wish(*, actor: User, wish: str, budgets: str | None = None) -> None:
    """Store when ``actor`` wants mail; what is not given stays. :raises Invalid: there is no such choice."""
    wanted = {"mail": wish} if budgets is None else {"mail": wish, "budgets": budgets}
    detail = f"must be one of {', '.join(MailWish.values)}"
    errors = [
        FieldError(path=f"/{name}", code="INVALID_CHOICE", detail=detail)
        for name, value in wanted.items()
        if value not in MailWish.values
    ]
    if errors:
        raise Invalid(errors)
    NoticePreference.objects.update_or_create(user=actor, defaults=wanted)
