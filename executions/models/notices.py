"""Mail to the people of gates and budgets: who wants it, and what is to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from executions.models.budget import BudgetWarning
from executions.models.gate import Gate

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class MailWish(models.TextChoices):
    AT_ONCE = "at_once", "at once"
    OFF = "off", "never"


class NoticeKind(models.TextChoices):
    OPENED = "opened"
    REMINDER = "reminder"
    ESCALATED = "escalated"  # the due time is over, and these people may decide as well from now on
    ENDED = "ended"  # it is over, and the policy has accepted, or failed the run
    BUDGET = "budget"  # so much of a budget is used


class NoticeStatus(models.TextChoices):
    """``cancelled``: nothing waited for the person any more when it was to be sent. ``failed``: given up."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NoticePreference(models.Model):
    """Which mail a person wants: about gates that wait for them, about budgets. Without a row they want both."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="notice_preference"
    )
    mail = models.CharField(
        "mail about what waits", max_length=10, choices=MailWish, default=MailWish.AT_ONCE,
        help_text="When a gate opens at which this person may decide, and when it is due. Sent to the account's"
        " e-mail address; without one nothing is sent.",
    )  # fmt: skip
    budgets = models.CharField(
        "mail about budgets", max_length=10, choices=MailWish, default=MailWish.AT_ONCE, db_default=MailWish.AT_ONCE,
        help_text="When 50, 80 and 100 % are used: of the budget of a run that this person has started, and of shared"
        " budgets that they have set or may change.",
    )  # fmt: skip

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(mail__in=MailWish.values), name="noticepreference_mail_known"),
            models.CheckConstraint(condition=Q(budgets__in=MailWish.values), name="noticepreference_budgets_known"),
        )

    def __str__(self) -> str:
        return f"mail {self.get_mail_display()}"


class GateNotice(models.Model):
    """One thing to tell one person about one gate, or about a budget (then there is a ``warning`` and no gate).

    Those of a person that are due go into one message.
    The row is the truth: it is due from ``next_attempt_at``, and while it is being sent nobody else takes it before
    ``lease_until``. ``n`` counts the reminders.
    """

    gate = models.ForeignKey(
        Gate, null=True, blank=True, on_delete=models.CASCADE, related_name="notices", db_index=False
    )
    warning = models.ForeignKey(
        BudgetWarning, null=True, blank=True, on_delete=models.CASCADE, related_name="notices", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=NoticeKind)
    n = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=NoticeStatus, default=NoticeStatus.PENDING)
    tries = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("gate", "user", "kind", "n"), name="gatenotice_once"),
            models.UniqueConstraint(
                fields=("warning", "user"), condition=Q(warning__isnull=False), name="gatenotice_warning_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="budget", warning__isnull=False, gate__isnull=True)
                | (~Q(kind="budget") & Q(warning__isnull=True, gate__isnull=False)),
                name="gatenotice_about_one",
            ),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="gatenotice_kind_known"),
            models.CheckConstraint(condition=Q(status__in=NoticeStatus.values), name="gatenotice_status_known"),
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False, finished_at__isnull=True)
                | (~Q(status="pending") & Q(next_attempt_at__isnull=True, finished_at__isnull=False)),
                name="gatenotice_due_or_over",
            ),
        )
        indexes = (
            models.Index(fields=("next_attempt_at",), condition=Q(status="pending"), name="gatenotice_due_idx"),
            models.Index(fields=("finished_at",), condition=~Q(status="pending"), name="gatenotice_over_idx"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"


def wants_mail(user: User) -> bool:
    """Whether ``user`` can be sent mail, and wants it; their preference is loaded with them."""
    if not (user.is_active and user.email):
        return False
    preference = getattr(user, "notice_preference", None)
    return preference is None or preference.mail != MailWish.OFF


def wants_budget_mail(user: User) -> bool:
    """As :func:`wants_mail`, about budgets."""
    if not (user.is_active and user.email):
        return False
    preference = getattr(user, "notice_preference", None)
    return preference is None or preference.budgets != MailWish.OFF
