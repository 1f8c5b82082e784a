"""Naming a deputy for the time in which somebody is away. What deputies may do is in ``executions.services.access``.

A person has one deputy at a time. A deputy decides by the rights of the one who is away, not by those of people whose
deputy that one is: there are no chains. A deputy sees no more than before: they need a role of their own, access to
the desk, and the projects.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User as Account
from django.db import transaction

from executions.exceptions import Conflict, FieldError, Invalid, InvalidState, NotFound, NotPermitted
from executions.models import AuditAct, Deputy
from executions.services import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

LONGEST = timedelta(days=366)


def name_deputy(*, actor: User, absent: User, deputy: str, first_day: date, last_day: date, at: datetime) -> Deputy:
    """Have the account ``deputy`` decide for ``absent`` on these days of UTC, both included.

    People do it for themselves, administrators for anybody.
    :raises Invalid: a field is wrong. :raises Conflict: there is a deputy on one of these days already.
    """
    about = audit.About(subject=absent.get_username())
    with audit.refusals(act=AuditAct.DEPUTY_NAME, actor=actor, about=about, at=at):
        _require_own(actor, absent)
    found = Account.objects.filter(username=deputy).first()
    if errors := _errors(absent, found, first_day, last_day, at):
        raise Invalid(errors)
    assert found is not None
    with transaction.atomic():
        # Locked, so that two at a time do not both become the deputy.
        Account.objects.select_for_update(no_key=True).get(pk=absent.pk)
        others = Deputy.objects.filter(
            absent=absent, ended_at__isnull=True, first_day__lte=last_day, last_day__gte=first_day
        )
        if other := others.select_related("deputy").first():
            raise Conflict(
                f"{other.deputy.get_username()} is the deputy from {other.first_day} to {other.last_day} already;"
                " end that first, or choose other days."
            )
        row = Deputy.objects.create(
            absent=absent, deputy=found, first_day=first_day, last_day=last_day, named_by=actor, created_at=at
        )
        days = {"deputy": deputy, "first_day": first_day.isoformat(), "last_day": last_day.isoformat()}
        audit.record(act=AuditAct.DEPUTY_NAME, actor=actor, about=about, at=at, after=days)
    _log("A deputy was named", "deputy_named", row, actor)
    return row


def end_deputy(*, actor: User, deputy_id: int, at: datetime) -> Deputy:
    """End it now; what the deputy has decided stays. :raises InvalidState: it is over already."""
    with transaction.atomic():
        row = Deputy.objects.select_for_update(of=("self",)).select_related("absent").filter(pk=deputy_id).first()
        if row is None or not (actor.is_superuser or actor.pk in (row.absent_id, row.deputy_id)):
            raise NotFound("There is no such deputy.")
        if row.ended_at is not None or row.last_day < at.date():
            raise InvalidState("This is over already.")
        row.ended_at = at
        row.save(update_fields=["ended_at"])
        about, before = audit.About(subject=row.absent.get_username()), {"last_day": row.last_day.isoformat()}
        audit.record(act=AuditAct.DEPUTY_END, actor=actor, about=about, at=at, before=before)
    _log("A deputy was ended", "deputy_ended", row, actor)
    return row


def deputies_of(user: User, *, at: datetime) -> QuerySet[Deputy]:
    """Return who decides for ``user``, now or later, and for whom they do, the next one first."""
    current = Deputy.objects.filter(ended_at__isnull=True, last_day__gte=at.date())
    rows = current.filter(absent=user) | current.filter(deputy=user)
    return rows.select_related("absent", "deputy").order_by("first_day", "id")


def _require_own(actor: User, absent: User) -> None:
    if actor.pk != absent.pk and not actor.is_superuser:
        raise NotPermitted("You name a deputy for yourself; for others an administrator does.")


def _errors(absent: User, deputy: User | None, first_day: date, last_day: date, at: datetime) -> list[FieldError]:
    errors = []
    if deputy is None or not deputy.is_active:
        errors.append(FieldError(path="/deputy", code="UNKNOWN_ACCOUNT", detail="there is no active account so called"))
    elif deputy.pk == absent.pk:
        errors.append(FieldError(path="/deputy", code="SAME_PERSON", detail="a deputy is somebody else"))
    elif not deputy.is_staff:
        detail = "has no access to the review desk, which a deputy needs; ask an administrator to give it"
        errors.append(FieldError(path="/deputy", code="NO_ACCESS", detail=detail))
    if last_day < first_day:
        errors.append(FieldError(path="/last_day", code="INVALID_DATE", detail="must not be before the first day"))
    elif last_day < at.date():
        errors.append(FieldError(path="/last_day", code="INVALID_DATE", detail="is over already (days are of UTC)"))
    elif last_day - first_day > LONGEST:
        errors.append(FieldError(path="/last_day", code="INVALID_DATE", detail="a year is the longest"))
    return errors


def _log(message: str, action: str, row: Deputy, actor: User) -> None:
    facts = {"absent": row.absent.get_username(), "deputy": row.deputy.get_username(), "by": actor.get_username()}
    logger.info(message, extra={"action": action, **facts})
