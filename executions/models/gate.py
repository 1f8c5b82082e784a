"""Gates, where an execution waits for people, and what they decided."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from executions.engine import state
from executions.models.execution import Execution, Step


class GateKind(models.TextChoices):
    CLARIFICATION = state.GateKind.CLARIFICATION.value
    ACCEPTANCE = state.GateKind.ACCEPTANCE.value


class GateStatus(models.TextChoices):
    OPEN = state.GateStatus.OPEN.value
    DECIDED = state.GateStatus.DECIDED.value
    CANCELLED = state.GateStatus.CANCELLED.value
    EXPIRED = state.GateStatus.EXPIRED.value


class DecisionKind(models.TextChoices):
    ACCEPT = "accept"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    ANSWER = "answer"


class DecisionChannel(models.TextChoices):
    API = "api"
    ADMIN = "admin"
    TERMINAL = "terminal"
    POLICY = "policy"  # a time-out that the definition asks for; no person decided


class Gate(models.Model):
    """A point that waits for people. An acceptance gate names the document version and hash it is about.

    The policy (roles, users, quorum, four eyes, due date) is copied here when the gate opens. ``escalated_to`` are the
    groups that may decide as well since ``escalated_at``. ``act_at`` is when the policy has something to do next
    (remind, escalate, end); NULL: it has not been looked at yet (see ``executions.services.policies``).
    ``edited_by`` is the person who wrote the version that the gate is about, if a person did. ``cost_usd`` is what the
    step's calls had cost when it was decided, in US dollars, as far as was known then; NULL where one of them had no
    price.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="gates")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="gates")
    path = models.CharField(max_length=2000)
    kind = models.CharField(max_length=16, choices=GateKind)
    status = models.CharField(max_length=12, choices=GateStatus, default=GateStatus.OPEN)
    document_type = models.CharField(max_length=64)
    scope_type = models.CharField(max_length=64)
    scope_id = models.CharField(max_length=1000)
    document_id = models.UUIDField(null=True, blank=True)
    document_version = models.PositiveIntegerField(null=True, blank=True)
    content_sha256 = models.CharField(max_length=64, blank=True, default="")
    questions = models.JSONField(default=list, blank=True)
    answers = models.JSONField(null=True, blank=True)
    roles = models.JSONField(default=list)
    users = models.JSONField(default=list, blank=True)
    quorum = models.PositiveIntegerField(default=1)
    four_eyes = models.BooleanField(default=False)
    policy = models.JSONField(default=dict, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    escalated_to = models.JSONField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)
    act_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("step",), condition=Q(status="open"), name="gate_one_open"),
            models.CheckConstraint(condition=Q(status__in=GateStatus.values), name="gate_status_known"),
            models.CheckConstraint(condition=Q(kind__in=GateKind.values), name="gate_kind_known"),
        )
        indexes = (
            models.Index(fields=("opened_at",), condition=Q(status="open"), name="gate_open_idx"),
            models.Index(fields=("-opened_at", "-id"), name="gate_newest_idx"),
            models.Index(fields=("-closed_at", "-id"), condition=Q(closed_at__isnull=False), name="gate_closed_idx"),
            models.Index(fields=("act_at",), condition=Q(status="open"), name="gate_act_idx"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.path}"

    @property
    def deciding_roles(self) -> list[str]:
        """The groups whose members may decide now: those of the policy, and those it was escalated to.

        None are named where operators decide, as long as there are no others beside them.
        """
        if not self.escalated_to:
            return list(self.roles)
        own = self.roles if self.roles or self.users else ["operator"]
        return list(dict.fromkeys([*own, *self.escalated_to]))


class Decision(models.Model):
    """What one person said at a gate, with the version and hash of what they saw. Never changed, never removed.

    ``on_behalf_of``: ``user`` was the deputy of this person, and had no right of their own to decide.
    """

    gate = models.ForeignKey(Gate, on_delete=models.CASCADE, related_name="decisions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    by = models.CharField(max_length=150)
    decision = models.CharField(max_length=16, choices=DecisionKind)
    comment = models.TextField(blank=True, default="")
    comments = models.JSONField(default=list, blank=True)
    answers = models.JSONField(null=True, blank=True)
    document_id = models.UUIDField(null=True, blank=True)
    document_version = models.PositiveIntegerField(null=True, blank=True)
    content_sha256 = models.CharField(max_length=64, blank=True, default="")
    channel = models.CharField(max_length=10, choices=DecisionChannel)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ("gate", "decided_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("gate", "user"), name="decision_once_per_person"),
            models.UniqueConstraint(
                fields=("gate", "on_behalf_of"),
                condition=Q(on_behalf_of__isnull=False),
                name="decision_once_on_behalf",
            ),
            models.CheckConstraint(condition=Q(decision__in=DecisionKind.values), name="decision_kind_known"),
        )

    def __str__(self) -> str:
        return f"{self.by}: {self.decision}"
