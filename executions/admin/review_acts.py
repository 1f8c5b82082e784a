"""What deciding and editing have in common: the refusal that is written down, and the check that nobody voted since."""

from __future__ import annotations

from django.http import HttpRequest

from executions.admin.display import in_words
from executions.admin.gate_page import GatePage, Reply
from executions.admin.people import person
from executions.exceptions import Conflict, NotPermitted
from executions.models import DecisionChannel, Gate, GateStatus
from executions.offers import standing
from executions.services import audit
from executions.services.audit import AuditAct
from executions.services.preconditions import Precondition


def refused(request: HttpRequest, page: GatePage, act: AuditAct) -> Reply:
    """Refuse what somebody sent who may not decide here, and have it written down like any other refusal.

    The service is not asked: what was sent is not looked at any further.
    """
    user, about = person(request), audit.About(gate=page.gate)
    reason = standing(user, page.gate, page.votes).reason_against
    try:
        with audit.refusals(act=act, actor=user, about=about, channel=DecisionChannel.ADMIN):
            raise NotPermitted(reason)
    except NotPermitted:
        return Reply(status=403)


def same_votes(gate: Gate, shown: int | None, user_id: int) -> Precondition:
    """Refuse a decision where somebody has voted since the page was shown: the buttons said something else then."""

    def check() -> None:
        votes = list(gate.decisions.order_by("decided_at", "id"))
        if shown is None or len(votes) == shown or any(vote.user_id == user_id for vote in votes):
            return
        if not Gate.objects.filter(pk=gate.pk, status=GateStatus.OPEN).exists():
            return  # the service says who closed it
        last = votes[-1]
        raise Conflict(
            f"{last.by} decided meanwhile: {in_words(last.decision)}, at {last.decided_at:%Y-%m-%d %H:%M} UTC."
            " See below what each button leads to now, and decide again."
        )

    return check
