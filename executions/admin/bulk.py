"""Accepting several documents at once: a page that lists each of them, then one decision per document.

Every item is a transaction of its own and stands for itself: what was changed or decided meanwhile, or is not for this
person, is left out and named; the others are accepted all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone

from executions.admin.inbox import PAGE_SIZE, shown_gates
from executions.admin.inbox_rows import InboxRow, rows_of
from executions.admin.people import has_role, person
from executions.admin.waiting import in_queue_order, visible_gates
from executions.exceptions import AlreadyDecided, Conflict, Invalid, NotPermitted, StaleDocument
from executions.models import DecisionChannel, DecisionKind, Gate, GateKind, GateStatus
from executions.offers import standing
from executions.services.decisions import MAX_COMMENT, Verdict, record_decision

logger = logging.getLogger(__name__)

_CONFIRM = "admin/executions/gate/bulk.html"
_RESULT = "admin/executions/gate/bulk_result.html"
_NOT_SHOWN = "The form did not say which version it showed, so nothing was accepted."


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkItem:
    """One document on the page that asks for confirmation. ``against``: why it cannot be accepted by this person."""

    row: InboxRow
    against: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """What became of one item. ``newer`` is the gate at which the step waits now, if it is another one."""

    gate: Gate
    what: str
    is_done: bool
    said: str
    newer: Gate | None = None


def bulk_accept(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Ask whether all that was ticked is to be accepted (GET), or accept it item by item (POST)."""
    user = person(request)
    data = request.POST if request.method == "POST" else request.GET
    gates = _gates(data, user) if has_role(request) else []
    context: dict[str, Any] = {**site.each_context(request), "max_items": PAGE_SIZE}
    if request.method != "POST" or not gates or "confirmed" not in request.POST:
        return _ask(request, context, gates, user)
    comment = request.POST.get("comment", "").replace("\r\n", "\n").strip()
    if len(comment) > MAX_COMMENT or "\x00" in comment:
        problem = f"The comment must have at most {MAX_COMMENT:,} characters, and no NUL among them."
        return _ask(request, context, gates, user, problem=problem)
    results = [_accept(user, gate, request.POST, comment) for gate in gates]
    results = _with_newer(results)
    failed = [result for result in results if not result.is_done]
    done = len(results) - len(failed)
    context |= {
        "title": f"{done} of {len(results)} accepted",
        "done": [result for result in results if result.is_done],
        "failed": failed,
    }
    return TemplateResponse(request, _RESULT, context)


def _ask(
    request: HttpRequest, context: dict[str, Any], gates: Sequence[Gate], user: User, *, problem: str = ""
) -> HttpResponse:
    items = [_item(row, user) for row in rows_of(gates, user)]
    takeable = [item for item in items if not item.against]
    context |= {
        "title": f"Accept {len(takeable)} document{'' if len(takeable) == 1 else 's'}?",
        "items": takeable,
        "left_out": [item for item in items if item.against],
        "comment": request.POST.get("comment", ""),
        "problem": problem,
    }
    return TemplateResponse(request, _CONFIRM, context)


def _gates(data: QueryDict, user: User) -> list[Gate]:
    """Return the gates that were ticked and may be seen, at most a page of them, in the order of the queue."""
    keys: list[UUID] = []
    for text in data.getlist("gate"):
        try:
            keys.append(UUID(text))
        except ValueError:
            continue
    found = visible_gates(user).filter(pk__in=keys[:PAGE_SIZE], kind=GateKind.ACCEPTANCE)
    return list(in_queue_order(shown_gates(found, user)))


def _item(row: InboxRow, user: User) -> BulkItem:
    where = standing(user, row.gate, row.votes)
    accept = next((offer for offer in where.offers if offer.value == DecisionKind.ACCEPT.value), None)
    against = where.reason_against or (accept.reason_against if accept is not None else "")
    return BulkItem(row=row, against=against, effect=accept.effect if accept is not None else "")


def _accept(user: User, gate: Gate, data: QueryDict, comment: str) -> BulkResult:
    what = f"{gate.document_type} v{gate.document_version} ({gate.scope_id})"
    document_id, sha256 = data.get(f"document-{gate.pk}", ""), data.get(f"sha256-{gate.pk}", "")
    try:
        verdict = Verdict(
            decision=DecisionKind.ACCEPT, comment=comment, document_id=UUID(document_id), content_sha256=sha256
        )
    except ValueError:
        return BulkResult(gate=gate, what=what, is_done=False, said=_NOT_SHOWN)
    try:
        record_decision(actor=user, gate=gate, verdict=verdict, channel=DecisionChannel.ADMIN, at=timezone.now())
    except AlreadyDecided as late:
        said = f"{late.by} was faster: {late.decision.replace('_', ' ')}, at {late.at:%Y-%m-%d %H:%M} UTC."
        return BulkResult(gate=gate, what=what, is_done=False, said=said)
    except StaleDocument:
        said = "The document has changed since you were shown it. Read the version that waits now."
        return BulkResult(gate=gate, what=what, is_done=False, said=said)
    except (Conflict, NotPermitted, Invalid) as refused:
        return BulkResult(gate=gate, what=what, is_done=False, said=refused.detail)
    except DatabaseError:
        # The others must not be lost with it, and what has been recorded must be told.
        facts = {"action": "bulk_failed", "execution_id": str(gate.execution_id), "gate_id": str(gate.pk)}
        logger.exception("A document could not be accepted among others", extra=facts)
        said = "It could not be recorded now; nothing was changed. Try it again."
        return BulkResult(gate=gate, what=what, is_done=False, said=said)
    return BulkResult(gate=gate, what=what, is_done=True, said="Accepted.")


def _with_newer(results: Sequence[BulkResult]) -> list[BulkResult]:
    """Add where the steps of those that failed wait now."""
    steps = [result.gate.step_id for result in results if not result.is_done]
    opened = Gate.objects.filter(step__in=steps, status=GateStatus.OPEN).defer("questions", "answers")
    by_step = {gate.step_id: gate for gate in opened}
    found = []
    for result in results:
        newer = by_step.get(result.gate.step_id)
        if not result.is_done and newer is not None and newer.pk != result.gate.pk:
            result = BulkResult(gate=result.gate, what=result.what, is_done=False, said=result.said, newer=newer)
        found.append(result)
    return found
