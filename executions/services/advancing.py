"""What a worker asks of the database as it goes on: take wake-ups, claim steps, record what they brought.

Requests of several executions share a transaction; each is whole or not at all.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from documents.services import create_versions
from executions import wakeups
from executions.faultpoints import reach
from executions.transitions import budgets, outcomes
from executions.transitions.claims import claim_ready
from executions.transitions.rows import StepRow
from executions.transitions.unit import Unit, flush_all, lock_all
from executions.values import Claim, Outcome, Produced

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRequest:
    """Take up to ``limit`` wake-ups that are due off the queue, and claim one step of each of their executions.

    The queue's own worker fetches one at a time, too slow for a burst. A wake-up leaves the queue in the transaction
    that claims, so it cannot be lost with its worker.
    """

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """Claim up to ``limit`` steps of an execution that may start now."""

    execution_id: UUID
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRequest:
    """Record what a claimed step brought, and claim up to ``limit`` steps that may start then.

    With ``limit`` 0 a wake-up is left for another worker.
    """

    claim: Claim
    outcome: Outcome
    limit: int

    @property
    def execution_id(self) -> UUID:
        return self.claim.execution_id


Request = TakeRequest | ClaimRequest | RecordRequest


@dataclass(slots=True)
class Claimed:
    """What a request has brought: steps to work on, and the executions that have more which may start now.

    ``taken`` counts the wake-ups; ``is_superseded`` says of a record that the step was no longer the attempt's: its
    result is dropped, its cost is kept.
    """

    claims: list[Claim] = field(default_factory=list)
    more: list[UUID] = field(default_factory=list)
    taken: int = 0
    is_superseded: bool = False


def transact(requests: Sequence[Request], *, worker_id: int | None) -> list[Claimed]:
    """Carry out several requests, each whole or not at all, in one transaction; return what each has brought."""
    with transaction.atomic():
        wanted = [_wanted(request) for request in requests]
        if not any(wanted):
            return [Claimed() for _ in requests]
        units = lock_all({execution_id for limits in wanted for execution_id in limits})
        dropped = _record_all(units, requests)
        if any(isinstance(request, RecordRequest) for request in requests):
            reach("inside_transaction")
        limits: Counter[UUID] = Counter()
        for request, each in zip(requests, wanted, strict=True):
            if id(request) not in dropped:
                limits.update(each)
        for unit in units.values():
            budgets.warn_of_own(unit)
        active = [(unit, limits[execution_id]) for execution_id, unit in units.items() if not unit.is_over]
        ready = claim_ready(active, worker_id=worker_id)
        flush_all(list(units.values()))
        for request in requests:
            if isinstance(request, RecordRequest):
                _leave_wakeups(units[request.execution_id], request)
    for request in requests:
        reach("after_commit" if isinstance(request, RecordRequest) else "attempt_committed")
    claims = {execution_id: list(each.claims) for execution_id, each in ready.items()}
    more = {execution_id for execution_id, each in ready.items() if each.has_more}
    return [
        Claimed(is_superseded=True) if id(request) in dropped else _share(request, each, claims, more)
        for request, each in zip(requests, wanted, strict=True)
    ]


def _wanted(request: Request) -> dict[UUID, int]:
    """Return how many steps may be claimed for a request, by execution. Wake-ups are taken off the queue here."""
    if isinstance(request, TakeRequest):
        return dict.fromkeys(wakeups.take(request.limit), 1)
    return {request.execution_id: request.limit}


def _record_all(units: Mapping[UUID, Unit], requests: Sequence[Request]) -> set[int]:
    """Write what was brought; return which requests (by ``id``) came too late."""
    dropped: set[int] = set()
    current: list[tuple[Unit, StepRow, RecordRequest]] = []
    for request in requests:
        if isinstance(request, RecordRequest):
            unit = units[request.execution_id]
            step = unit.steps.get(request.claim.path)
            if step is None or step.token != request.claim.token:
                dropped.add(id(request))
            else:
                current.append((unit, step, request))
    produced = [
        (request, outcomes.new_document(unit, step, request.claim, request.outcome))
        for unit, step, request in current
        if isinstance(request.outcome, Produced)
    ]
    stored = create_versions([document for _, document in produced]) if produced else []
    versions = {id(request): version for (request, _), version in zip(produced, stored, strict=True)}
    for unit, step, request in current:
        outcomes.record(unit, step, request.claim, request.outcome, versions.get(id(request)))
    return dropped


def _leave_wakeups(unit: Unit, request: RecordRequest) -> None:
    if unit.is_over:
        return
    if not request.limit:
        wakeups.tx_defer(request.execution_id)
    step = unit.steps.get(request.claim.path)
    if step is not None and step.due_at is not None:
        wakeups.tx_defer(request.execution_id, at=step.due_at)


def _share(
    request: Request, wanted: Mapping[UUID, int], claims: Mapping[UUID, list[Claim]], more: set[UUID]
) -> Claimed:
    """Take the request's part of what was claimed in its executions."""
    mine: list[Claim] = []
    for execution_id, limit in wanted.items():
        available = claims.get(execution_id, [])
        mine += available[:limit]
        del available[:limit]
    taken = len(wanted) if isinstance(request, TakeRequest) else 0
    return Claimed(claims=mine, more=[execution_id for execution_id in wanted if execution_id in more], taken=taken)


def transact_each(requests: Sequence[Request], *, worker_id: int | None) -> list[Claimed | Exception]:
    """As :func:`transact`; where one request cannot be carried out, the others are, each by itself.

    :raises OperationalError: the database is away; nothing of this was carried out.
    """
    try:
        return list(transact(requests, worker_id=worker_id))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(requests) == 1 and not isinstance(requests[0], TakeRequest):
            return [error]
        ids = [str(each.execution_id) for each in requests if not isinstance(each, TakeRequest)]
        facts = {"action": "batch_failed", "execution_ids": ids}
        logger.exception("A transaction of several is taken apart", extra=facts)
    return [_by_itself(request, worker_id) for request in requests]


def _by_itself(request: Request, worker_id: int | None) -> Claimed | Exception:
    if isinstance(request, TakeRequest):
        return _taken_apart(request, worker_id)
    try:
        return transact([request], worker_id=worker_id)[0]
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - handed to whoever asked
        return error


def _taken_apart(request: TakeRequest, worker_id: int | None) -> Claimed:
    """Take wake-ups and look at each execution by itself: one that cannot be claimed must not stay first in the queue.

    Its wake-up is lost; the sweeper sends another.
    """
    with transaction.atomic():
        execution_ids = wakeups.take(request.limit)
    together = Claimed(taken=len(execution_ids))
    for execution_id in execution_ids:
        try:
            found = claim(execution_id=execution_id, worker_id=worker_id, limit=1)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            extra = {"action": "wakeup_failed", "execution_id": str(execution_id)}
            logger.exception("An execution could not be claimed", extra=extra)
        else:
            together.claims += found.claims
            together.more += found.more
    return together


def claim(*, execution_id: UUID, worker_id: int | None, limit: int) -> Claimed:
    """Claim up to ``limit`` steps of an execution that may start now."""
    return transact([ClaimRequest(execution_id=execution_id, limit=limit)], worker_id=worker_id)[0]


def take(*, worker_id: int | None, limit: int) -> Claimed:
    """Take up to ``limit`` wake-ups and claim one step of each of their executions."""
    return transact([TakeRequest(limit=limit)], worker_id=worker_id)[0]


def record(*, claim: Claim, outcome: Outcome, worker_id: int | None, limit: int) -> Claimed:
    """Record the outcome of a claimed step and claim what it made runnable, in one transaction."""
    return transact([RecordRequest(claim=claim, outcome=outcome, limit=limit)], worker_id=worker_id)[0]
