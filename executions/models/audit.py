"""The audit log: what people did, or were refused, and the chain that seals it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AuditAct(models.TextChoices):
    """What was done, or tried: the kind of thing, a dot, and the act."""

    EXECUTION_START = "execution.start", "run started"
    EXECUTION_CANCEL = "execution.cancel", "run cancelled"
    EXECUTION_RETRY = "execution.retry", "run retried"
    EXECUTION_BUDGET = "execution.budget", "budget changed"
    GATE_ACCEPT = "gate.accept", "accepted"
    GATE_REQUEST_CHANGES = "gate.request_changes", "changes requested"
    GATE_REJECT = "gate.reject", "rejected"
    GATE_DECIDE = "gate.decide", "a decision"
    GATE_ANSWER = "gate.answer", "questions answered"
    GATE_EDIT = "gate.edit", "document edited"
    GATE_CLAIM = "gate.claim", "gate claimed"
    GATE_RELEASE = "gate.release", "claim given up"
    GATE_ASSIGN = "gate.assign", "gate handed on"
    GATE_EXPIRE = "gate.expire", "time ran out"
    GATE_ESCALATE = "gate.escalate", "escalated"
    DEPUTY_NAME = "deputy.name", "deputy named"
    DEPUTY_END = "deputy.end", "deputy ended"
    PROJECT_CREATE = "project.create", "project made"
    PROJECT_CHANGE = "project.change", "project or its members changed"
    ACCOUNT_CREATE = "account.create", "account made"
    ACCOUNT_CHANGE = "account.change", "account or its roles changed"
    ACCOUNT_DELETE = "account.delete", "account removed"
    TOKEN_CREATE = "token.create", "token made"
    TOKEN_REVOKE = "token.revoke", "token revoked"
    BUDGET_SET = "budget.set", "shared budget set"
    BUDGET_END = "budget.end", "shared budget ended"
    WORKFLOW_LOAD = "workflow.load", "workflow loaded"


class AuditOutcome(models.TextChoices):
    DONE = "done"
    REFUSED = "refused"


class AuditEntry(models.Model):
    """One act of one person, or one that was refused to them. Never changed, never removed.

    There are no foreign keys: an entry outlives what it names, and nothing else may change it. ``by`` is the name that
    the account had then; ``user_id`` is NULL where a policy acted. ``document_*`` say what the person saw.
    """

    at = models.DateTimeField()
    # No ``choices``: a new act is no change of the table.
    act = models.CharField(max_length=32)
    outcome = models.CharField(max_length=8, choices=AuditOutcome, default=AuditOutcome.DONE)
    user_id = models.BigIntegerField(null=True, blank=True)
    by = models.CharField(max_length=150)
    channel = models.CharField(max_length=12)
    address = models.CharField(max_length=64, blank=True, default="")
    request_id = models.CharField(max_length=128, blank=True, default="")
    project_id = models.CharField(max_length=64, blank=True, default="")
    execution_id = models.UUIDField(null=True, blank=True)
    gate_id = models.UUIDField(null=True, blank=True)
    document_id = models.UUIDField(null=True, blank=True)
    document_version = models.PositiveIntegerField(null=True, blank=True)
    content_sha256 = models.CharField(max_length=64, blank=True, default="")
    subject = models.CharField(max_length=300, blank=True, default="")
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    detail = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(outcome__in=AuditOutcome.values), name="auditentry_outcome_known"),
        )
        indexes = (
            models.Index(fields=("execution_id", "id"), name="auditentry_execution_idx"),
            models.Index(fields=("user_id", "id"), name="auditentry_user_idx"),
            models.Index(fields=("id",), condition=Q(outcome="refused"), name="auditentry_refused_idx"),
        )

    def __str__(self) -> str:
        return f"{self.pk} {self.act} by {self.by}"


class AuditSeal(models.Model):
    """Holds an entry in the chain: the hash of the entry and of the seal before (``executions.services.audit_chain``).

    A row of its own, so that both tables are only ever added to.
    """

    entry_id = models.BigIntegerField(primary_key=True)
    sha256 = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        ordering = ("entry_id",)

    def __str__(self) -> str:
        return f"{self.entry_id} {self.sha256}"
