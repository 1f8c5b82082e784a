"""Mail about gates and budgets: one message to one person about all that there is to tell them, with links.

Nothing that a model wrote is in it. The database is asked before and after, never while the mail server is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from documents.rendering import visible
from executions import budget_words
from executions.models import Gate, GateKind, GateNotice, NoticeKind
from executions.pages.home import gate_url
from executions.services import notices
from executions.services.notices import Parcel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What is said of one gate, or of one budget."""

    what: str
    run: str
    due: str
    url: str


def send_due(*, at: datetime | None = None) -> int:
    """Send what is due, a message for each person, and return how many were sent.

    Where the mail server refuses, the others wait for the next time: it would keep each of them waiting as well.
    """
    sent = 0
    while (parcel := notices.claim(at=at or timezone.now())) is not None:
        problem = _send(parcel) if parcel.notices else ""
        notices.record(parcel, at=at or timezone.now(), problem=problem)
        if problem:
            break
        sent += bool(parcel.notices)
    return sent


def _send(parcel: Parcel) -> str:
    """Send a parcel; return what the mail server had against it, or nothing."""
    try:
        message_to(parcel).send()
    except (OSError, SMTPException, ValueError) as error:  # ValueError: an address or a header that cannot be sent
        facts = {"action": "mail_refused", "account": parcel.user.get_username(), "error": type(error).__name__}
        logger.warning("Mail could not be sent", extra=facts)
        return f"{type(error).__name__}: {error}"
    facts = {"action": "mail_sent", "account": parcel.user.get_username(), "count": str(len(parcel.notices))}
    logger.info("Mail was sent", extra=facts)
    return ""


def message_to(parcel: Parcel) -> EmailMessage:
    """Return the message for a parcel."""
    context = {
        "user": parcel.user,
        "lines": [_line(parcel, each) for each in parcel.notices],
        "account_url": _absolute(reverse("account-page")),
    }
    body = render_to_string("mail/notice.txt", context)
    subject = " ".join(_subject(parcel.notices).split())
    # Of a machine: no out-of-office answers, please.
    headers = {"Auto-Submitted": "auto-generated"}
    return EmailMessage(subject, body, to=[parcel.user.email], headers=headers)


def _subject(told: Sequence[GateNotice]) -> str:
    if len(told) == 1:
        return _headline(told[0])
    gates = len({each.gate_id for each in told} - {None})
    warnings = sum(each.warning_id is not None for each in told)
    parts = []
    if gates:
        parts.append(ngettext("%(count)s gate needs you", "%(count)s gates need you", gates) % {"count": gates})
    if warnings:
        counted = ngettext("%(count)s budget is used to a mark", "%(count)s budgets are used to a mark", warnings)
        parts.append(counted % {"count": warnings})
    return ", ".join(parts)


def _headline(notice: GateNotice) -> str:
    if notice.warning is not None:
        return budget_words.headline(notice.warning)
    return f"{_lead(notice, _gate(notice))}: {_name(_gate(notice))}"


def _gate(notice: GateNotice) -> Gate:
    assert notice.gate is not None
    return notice.gate


def _line(parcel: Parcel, notice: GateNotice) -> _Line:
    if (warning := notice.warning) is not None:
        url = _absolute(budget_words.place(warning, parcel.user))
        return _Line(what=_headline(notice), run=budget_words.standing(warning), due="", url=url)
    gate = _gate(notice)
    run = _("%(workflow)s, project %(project)s, %(scope)s")
    names = {
        "workflow": visible(gate.execution.revision.name),
        "project": gate.execution.project_id,
        "scope": gate.scope_id,
    }
    due = ""
    if gate.due_at is not None and notice.kind != NoticeKind.ENDED:
        due = _("Due %(when)s UTC") % {"when": f"{gate.due_at:%Y-%m-%d %H:%M}"}
    return _Line(what=_headline(notice), run=run % names, due=due, url=_absolute(gate_url(gate, parcel.user)))


def _lead(notice: GateNotice, gate: Gate) -> str:
    is_review = gate.kind == GateKind.ACCEPTANCE
    match notice.kind:
        case NoticeKind.OPENED:
            return _("Waits for your decision") if is_review else _("Waits for your answers")
        case NoticeKind.ESCALATED:
            return _("Overdue, and you may decide now")
        case NoticeKind.ENDED:
            is_failed = gate.policy.get("on_timeout") == "fail"
            return _("Not decided in time, the run has failed") if is_failed else _("Not decided in time, so accepted")
    is_overdue = gate.due_at is not None and gate.due_at <= notice.created_at
    return _("Overdue, still waits for you") if is_overdue else _("Still waits for you")


def _name(gate: Gate) -> str:
    name = visible(gate.document_type)
    if gate.kind == GateKind.CLARIFICATION:
        return _("questions about %(name)s") % {"name": name}
    return _("%(name)s, version %(version)s") % {"name": name, "version": gate.document_version}


def _absolute(path: str) -> str:
    return f"{settings.COMBINE_BASE_URL}{path}"
