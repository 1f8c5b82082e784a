"""The bar beside a gate: who is looking at it, to whom it was handed, and the buttons for both."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.utils import timezone

from executions.models import Gate, GateStatus
from executions.services.access import is_operator, refusal
from executions.services.claims import assignment_of, claim_of

register = template.Library()


@register.inclusion_tag("admin/executions/gate/_bar.html", takes_context=True)
def gate_bar(context: dict[str, Any], gate: Gate) -> dict[str, Any]:
    """Show who is at an open gate. Those who may not decide there see it too, without buttons."""
    request = context["request"]
    user: User = request.user
    is_open = gate.status == GateStatus.OPEN
    held = claim_of(gate, timezone.now()) if is_open else None
    may_decide = is_open and refusal(user, gate) is None
    return {
        "request": request,
        "csrf_token": context.get("csrf_token", ""),
        "gate": gate,
        "claim": held,
        "is_mine": held is not None and held.user_id == user.pk,
        "assignment": assignment_of(gate) if is_open else None,
        "may_claim": may_decide,
        "may_assign": is_open and (may_decide or is_operator(user)),
        "user": user,
    }
