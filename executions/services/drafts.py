"""What somebody has typed at a gate and not sent yet, kept on the server: for whoever typed it, and beside them.

``data`` is any JSON object; each screen says itself what is in it. A decision takes the draft of whoever decided with
it (:func:`drop_draft`, in its transaction). Drafts of others stay readable to them, so that nothing typed is lost to
a faster colleague, and are swept away a month after they were last touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone

from documents.canonical import NotStorable, normalise
from executions.engine.state import GateStatus
from executions.exceptions import FieldError, Invalid, InvalidState, NotPermitted
from executions.models import Gate, GateDraft
from executions.services.access import refusal

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

MAX_DRAFT_BYTES = 1_000_000
KEPT_FOR = timedelta(days=30)
_SWEEP_LOT = 50


def save_draft(user: User, gate: Gate, data: Mapping[str, Any], *, at: datetime | None = None) -> GateDraft:
    """Keep ``data`` as the one draft of ``user`` at ``gate``; an earlier one is replaced.

    :raises NotPermitted: this person could not send it either. :raises InvalidState: the gate is not open any more.
    :raises Invalid: it is too large, or holds what the database cannot keep.
    """
    reason = refusal(user, gate)
    if reason is not None:
        raise NotPermitted(reason)
    stored = _storable(data)
    at = at or timezone.now()
    # Asked of the row, not of what the caller has read: it may have been decided since.
    if not Gate.objects.filter(pk=gate.pk, status=GateStatus.OPEN.value).exists():
        raise InvalidState("This gate is closed; a draft is kept only while it is open.")
    _sweep(at)
    draft, _ = GateDraft.objects.update_or_create(
        gate_id=gate.pk, user=user, defaults={"data": stored, "updated_at": at}
    )
    return draft


def draft_of(user: User, gate: Gate) -> GateDraft | None:
    """Return what ``user`` has kept at ``gate``, if anything."""
    return GateDraft.objects.filter(gate_id=gate.pk, user=user).first()


def drafts_at(gate: Gate) -> QuerySet[GateDraft]:
    """Return everybody's drafts at ``gate``, with their authors, those touched first leading."""
    return GateDraft.objects.filter(gate_id=gate.pk).select_related("user").order_by("updated_at", "id")


def drop_draft(user: User, gate: Gate | UUID) -> None:
    """Forget what ``user`` has kept at ``gate``; where there is nothing, nothing happens."""
    GateDraft.objects.filter(gate_id=gate.pk if isinstance(gate, Gate) else gate, user=user).delete()


def _storable(data: Mapping[str, Any]) -> Any:
    try:
        stored = normalise(dict(data))
    except NotStorable as error:
        raise Invalid(
            [FieldError(path=each.path, code=each.code, detail=each.detail) for each in error.problems]
        ) from None
    size = len(json.dumps(stored, ensure_ascii=False).encode())
    if size > MAX_DRAFT_BYTES:
        detail = f"the draft has {size:,} bytes, at most {MAX_DRAFT_BYTES:,} are kept; send it, or make it shorter"
        raise Invalid([FieldError(path="", code="TOO_LARGE", detail=detail)])
    return stored


def _sweep(at: datetime) -> None:
    """Remove a few drafts that nobody has touched for long and that cannot be sent any more."""
    old = GateDraft.objects.filter(updated_at__lt=at - KEPT_FOR).exclude(gate__status=GateStatus.OPEN.value)
    GateDraft.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_SWEEP_LOT])).delete()
