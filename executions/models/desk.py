"""What people at the desk are in the middle of: drafts, claims, and gates handed from one to another.

None of this decides anything, and none of it stops anybody: decisions are rows of their own.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from executions.models.gate import Gate


class GateDraft(models.Model):
    """What one person has typed at a gate and not sent yet. It is gone with their decision."""

    gate = models.ForeignKey(Gate, on_delete=models.CASCADE, related_name="drafts", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    data = models.JSONField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "draft"
        ordering = ("gate", "updated_at", "id")
        constraints = (models.UniqueConstraint(fields=("gate", "user"), name="gatedraft_once_per_person"),)
        indexes = (models.Index(fields=("updated_at",), name="gatedraft_age_idx"),)

    def __str__(self) -> str:
        return f"draft of {self.user_id} at {self.gate_id}"


class GateClaim(models.Model):
    """Who is looking at a gate, until when. It warns others, and blocks nobody."""

    gate = models.OneToOneField(Gate, primary_key=True, on_delete=models.CASCADE, related_name="claim")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    by = models.CharField(max_length=150)
    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "claim"

    def __str__(self) -> str:
        return f"{self.by} at {self.gate_id}"


class GateAssignment(models.Model):
    """A gate was handed to somebody by name. The newest row of a gate counts; rows are never changed.

    It gives no right: whoever it names could decide already.
    """

    gate = models.ForeignKey(Gate, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=150)
    by = models.CharField(max_length=150)
    by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    note = models.TextField(blank=True, default="")
    assigned_at = models.DateTimeField()

    class Meta:
        verbose_name = "assignment"
        ordering = ("gate", "-id")
        indexes = (models.Index(fields=("gate", "-id"), name="gateassignment_newest_idx"),)

    def __str__(self) -> str:
        return f"{self.gate_id} to {self.name}"
