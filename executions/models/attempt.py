"""Attempts and the ledger of model calls."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from executions.engine import state
from executions.models.execution import Execution, Step


class AttemptStatus(models.TextChoices):
    RUNNING = state.AttemptStatus.RUNNING.value
    SUCCEEDED = state.AttemptStatus.SUCCEEDED.value
    FAILED = state.AttemptStatus.FAILED.value
    SUPERSEDED = state.AttemptStatus.SUPERSEDED.value


class CallStatus(models.TextChoices):
    IN_FLIGHT = state.CallStatus.IN_FLIGHT.value
    SUCCEEDED = state.CallStatus.SUCCEEDED.value
    FAILED = state.CallStatus.FAILED.value
    CANCELLED = state.CallStatus.CANCELLED.value
    LOST = state.CallStatus.LOST.value


class Attempt(models.Model):
    """One try of a step. Its id is the fencing token: a result counts only while the step still holds it.

    ``worker_id`` is the queue's worker (``procrastinate_workers.id``), whose heartbeat says whether it lives.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    n = models.PositiveIntegerField()
    content_attempt = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=AttemptStatus)
    worker_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=40, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    findings = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("step", "n")
        constraints = (
            models.UniqueConstraint(fields=("step", "n"), name="attempt_number_once"),
            models.UniqueConstraint(fields=("step",), condition=Q(status="running"), name="attempt_one_running"),
            models.CheckConstraint(condition=Q(status__in=AttemptStatus.values), name="attempt_status_known"),
        )

    def __str__(self) -> str:
        return f"{self.step_id} try {self.n}"


class LLMCall(models.Model):
    """One request to the model: what it used and what it cost, at the price of that moment.

    Written before the request is sent. ``cost_usd`` NULL means that no price is known, never zero.
    ``response_text`` is the model's text as an ASCII JSON string, so that any text can be kept; it is there
    as soon as the answer is whole, before it is looked at: a crash then repeats the reading, not the call.
    ``budget_accounts`` are the accounts that it is reserved in, and settled with; NULL where no shared budget applies.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="calls", db_constraint=False)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="calls", db_index=False, db_constraint=False)
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="calls", db_index=False)
    status = models.CharField(max_length=12, choices=CallStatus)
    model = models.CharField(max_length=100)
    request_sha256 = models.CharField(max_length=64)
    request_chars = models.PositiveIntegerField(default=0)
    max_tokens = models.PositiveIntegerField()
    reserved_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True)
    budget_accounts = ArrayField(models.BigIntegerField(), null=True, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cache_read_tokens = models.PositiveIntegerField(default=0)
    cache_write_5m_tokens = models.PositiveIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveIntegerField(default=0)
    thinking_tokens = models.PositiveIntegerField(default=0)
    usage = models.JSONField(default=dict, blank=True)
    is_estimated = models.BooleanField(default=False)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    unit_prices = models.JSONField(default=dict, blank=True)
    price_version = models.CharField(max_length=40, blank=True, default="")
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    time_to_first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    stop_reason = models.CharField(max_length=40, blank=True, default="")
    message_id = models.CharField(max_length=100, blank=True, default="")
    request_id = models.CharField(max_length=100, blank=True, default="")
    error_class = models.CharField(max_length=60, blank=True, default="")
    response_text = models.TextField(blank=True, default="")
    is_offline = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "model call"
        ordering = ("-started_at", "-id")
        constraints = (models.CheckConstraint(condition=Q(status__in=CallStatus.values), name="llmcall_status_known"),)
        indexes = (
            models.Index(fields=("started_at",), name="llmcall_time_idx"),
            models.Index(fields=("attempt",), condition=Q(status="in_flight"), name="llmcall_in_flight_idx"),
            # Calls that are over and have no price. Those that have one are never in it.
            models.Index(
                fields=("execution",),
                condition=Q(cost_usd__isnull=True) & ~Q(status="in_flight"),
                name="llmcall_unpriced_idx",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.status}"
