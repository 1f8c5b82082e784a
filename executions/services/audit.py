"""The audit log: who did what, when, from where, what they saw, and how it was before and after.

:func:`record` writes into the caller's transaction: no act without its entry, no entry without its act.
:func:`refusals` has a refusal written down although all that was tried is rolled back. Where the act comes from is
known already (``executions.origin``). Each entry is sealed into a chain later (``executions.services.audit_chain``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error as DatabaseFault
from django.db import transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from documents import database
from documents.canonical import storable_text
from executions.exceptions import NotPermitted
from executions.models import AuditAct, AuditOutcome, Gate
from executions.origin import current_origin

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from executions.transitions.unit import Unit

__all__ = ["POLICY", "About", "AuditAct", "Entry", "record", "refusals", "write_refused"]

logger = logging.getLogger(__name__)

# What acts where no person does: a time-out, a reminder.
POLICY = "policy"
MAX_DETAIL = 2_000
_MAX_NAME, _MAX_PROJECT, _MAX_SUBJECT = 150, 64, 300

_INSERT = """
INSERT INTO executions_auditentry (at, act, outcome, user_id, by, channel, address, request_id, project_id,
    execution_id, gate_id, document_id, document_version, content_sha256, subject, before, after, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an act was about. ``gate`` brings its run and the version that was to be seen there with it.

    ``subject`` names what has no id of its own here: an account, a token, a path.
    """

    gate: Gate | None = None
    execution_id: UUID | None = None
    project_id: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row to be written."""

    params: tuple[Any, ...]


def record(
    *,
    act: AuditAct,
    actor: User | None,
    about: About,
    at: datetime | None = None,
    channel: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: str = "",
    unit: Unit | None = None,
    by: str = "",
) -> None:
    """Write what ``actor`` (``None``: a policy, or ``by``) has done into the caller's transaction.

    ``before`` and ``after`` hold only what was changed, as JSON; ``channel`` is given where the caller knows better
    than the door. With ``unit`` the entry is written with what else that unit writes, in no round trip of its own, and
    is of that unit's time where none is given.
    """
    if at is None and unit is not None:
        at = unit.now
    entry = _entry(
        act, AuditOutcome.DONE, actor, about, at=at, channel=channel, before=before, after=after, detail=detail, by=by
    )
    if unit is not None:
        unit.write(_INSERT, entry.params)
    else:
        database.execute(_INSERT, entry.params)
    transaction.on_commit(partial(_log, act, actor, about), robust=True)


def _log(act: AuditAct, actor: User | None, about: About) -> None:
    """Say in the log that it was done, where the id of the request joins those of what it was about."""
    gate = about.gate
    execution_id = about.execution_id if gate is None else gate.execution_id
    facts = {
        "action": "acted",
        "act": act.value,
        "user_id": None if actor is None else actor.pk,
        "project_id": about.project_id,
        "execution_id": None if execution_id is None else str(execution_id),
        "gate_id": None if gate is None else str(gate.pk),
    }
    logger.info("Something was done", extra={name: value for name, value in facts.items() if value})


@contextmanager
def refusals(
    *, act: AuditAct, actor: User | None, about: About, channel: str = "", at: datetime | None = None
) -> Iterator[None]:
    """Have it written down if what is done inside is not permitted to ``actor``; the refusal goes on to the caller.

    Put it around the transaction: that is rolled back, and the entry must not be. A door of the web may hold a
    transaction of its own around that, so the entry waits until the door's request is over (see :func:`write_refused`).
    """
    try:
        yield
    except NotPermitted as error:
        entry = _entry(act, AuditOutcome.REFUSED, actor, about, at=at, channel=channel, detail=error.detail)
        waiting = current_origin().refused
        if waiting is not None:
            waiting.append(entry)
        else:
            write_refused([entry])
        raise


def write_refused(entries: Sequence[Entry]) -> None:
    """Write refusals, outside what was rolled back. The log has them too where the database does not take them."""
    if not entries:
        return
    try:
        with transaction.atomic():
            for entry in entries:
                database.execute(_INSERT, entry.params)
    except DatabaseFault:
        logger.exception("Refusals could not be written to the audit log", extra={"action": "audit_failed"})


def _entry(
    act: AuditAct,
    outcome: AuditOutcome,
    actor: User | None,
    about: About,
    *,
    at: datetime | None,
    channel: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: str = "",
    by: str = "",
) -> Entry:
    origin, gate = current_origin(), about.gate
    by = by or (POLICY if actor is None else actor.get_username())
    return Entry(
        params=(
            at or timezone.now(),
            act.value,
            outcome.value,
            None if actor is None else actor.pk,
            storable_text(by, _MAX_NAME),
            channel or (POLICY if by == POLICY and actor is None else origin.channel),
            origin.address,
            origin.request_id,
            storable_text(about.project_id, _MAX_PROJECT),
            about.execution_id if gate is None else gate.execution_id,
            None if gate is None else gate.pk,
            None if gate is None else gate.document_id,
            None if gate is None else gate.document_version,
            "" if gate is None else gate.content_sha256,
            storable_text(about.subject or ("" if gate is None else gate.path), _MAX_SUBJECT),
            None if before is None else Jsonb(dict(before)),
            None if after is None else Jsonb(dict(after)),
            storable_text(detail, MAX_DETAIL),
        )
    )
