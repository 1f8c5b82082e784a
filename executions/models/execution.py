"""Executions, their steps and the events of their history."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from executions.engine import state
from executions.models.project import Project
from workflows.models import WorkflowRevision

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ExecutionStatus(models.TextChoices):
    """Mirrors :class:`executions.engine.state.ExecutionStatus`; a test compares them."""

    PENDING = state.ExecutionStatus.PENDING.value
    RUNNING = state.ExecutionStatus.RUNNING.value
    WAITING_CLARIFICATION = state.ExecutionStatus.WAITING_CLARIFICATION.value
    WAITING_ACCEPTANCE = state.ExecutionStatus.WAITING_ACCEPTANCE.value
    COMPLETED = state.ExecutionStatus.COMPLETED.value
    FAILED = state.ExecutionStatus.FAILED.value
    CANCELLED = state.ExecutionStatus.CANCELLED.value


class StepStatus(models.TextChoices):
    PENDING = state.StepStatus.PENDING.value
    RUNNING = state.StepStatus.RUNNING.value
    WAITING_CLARIFICATION = state.StepStatus.WAITING_CLARIFICATION.value
    WAITING_ACCEPTANCE = state.StepStatus.WAITING_ACCEPTANCE.value
    COMPLETED = state.StepStatus.COMPLETED.value
    FAILED = state.StepStatus.FAILED.value
    CANCELLED = state.StepStatus.CANCELLED.value


class EventType(models.TextChoices):
    EXECUTION_STARTED = "execution_started"
    STEP_STARTED = "step_started"
    STEP_RETRYING = "step_retrying"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    CLARIFICATION_NEEDED = "clarification_needed"
    CLARIFICATION_ANSWERED = "clarification_answered"
    ACCEPTANCE_NEEDED = "acceptance_needed"
    ACCEPTANCE_DECIDED = "acceptance_decided"
    DOCUMENT_CREATED = "document_created"
    ITERATION_EXPANDED = "iteration_expanded"
    EXECUTION_RETRIED = "execution_retried"
    BUDGET_WARNING = "budget_warning"
    EXECUTION_COMPLETED = "execution_completed"
    EXECUTION_FAILED = "execution_failed"
    EXECUTION_CANCELLED = "execution_cancelled"


# When what is not over will be, for the order of lists.
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def visible_to(self, user: User) -> ExecutionQuerySet:
        """Keep the executions whose project ``user`` may see."""
        if user.is_superuser:
            return self
        return self.filter(project__in=Project.objects.visible_to(user))


class Execution(models.Model):
    """One run of a workflow revision for a project.

    ``cost_usd`` is the sum of its ledger rows that have a price; ``reserved_usd`` what calls in flight may
    still cost. ``last_seq`` is the number of its newest event, ``budget_warned`` the highest share of its budget, in
    per cent, that people were warned of.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="executions", db_index=False)
    revision = models.ForeignKey(WorkflowRevision, on_delete=models.PROTECT, related_name="+", db_index=False)
    workflow_id = models.CharField(max_length=64)
    status = models.CharField(max_length=24, choices=ExecutionStatus, default=ExecutionStatus.PENDING)
    brief = models.JSONField(null=True, blank=True)
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    reserved_usd = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    budget_warned = models.PositiveSmallIntegerField(default=0, db_default=0)
    model_ids = models.JSONField(default=dict, help_text="What each model alias meant when the run was started.")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()
    last_seq = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_detail = models.TextField(blank=True, default="")

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        ordering = ("-started_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(status__in=ExecutionStatus.values), name="execution_status_known"),
            models.CheckConstraint(condition=Q(reserved_usd__gte=0), name="execution_reserved_not_negative"),
        )
        indexes = (
            models.Index(fields=("-started_at", "-id"), name="execution_newest_idx"),
            models.Index(fields=("project", "-started_at", "-id"), name="execution_project_idx"),
            models.Index(fields=("workflow_id", "-started_at", "-id"), name="execution_workflow_idx"),
            # No column that a step changes is in an index, but for the status: so most updates touch no index at all.
            # Completed ones are many, and found without; the sweeper finds by it what is active.
            models.Index(
                fields=("status", "-started_at", "-id"),
                condition=Q(
                    status__in=[each.value for each in state.ExecutionStatus if each != state.ExecutionStatus.COMPLETED]
                ),
                name="execution_status_idx",
            ),
            models.Index(Coalesce("completed_at", Value(END_OF_TIME)), "id", name="execution_over_idx"),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.id}"


class Step(models.Model):
    """One node of an execution. The row is the step's whole state; events are its history.

    ``attempt`` counts content attempts (the API's number), ``tries`` all attempts, ``failures`` the content
    attempts that failed since the last fresh budget;
    ``token`` is the running attempt's, NULL when none holds the step (fencing); ``carry`` is what the next
    attempt must be told (see ``executions.transitions.carry``).
    """

    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="steps", db_index=False)
    path = models.CharField(max_length=2000)
    step_id = models.CharField(max_length=64)
    is_iteration = models.BooleanField(default=False)
    scope_type = models.CharField(max_length=64)
    scope_id = models.CharField(max_length=1000)
    sort_key = models.CharField(max_length=255)
    status = models.CharField(max_length=24, choices=StepStatus, default=StepStatus.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    provider_failures = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    question_rounds = models.PositiveIntegerField(default=0)
    rework_rounds = models.PositiveIntegerField(default=0)
    token = models.UUIDField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    carry = models.JSONField(default=dict, blank=True)
    document_id = models.UUIDField(null=True, blank=True)
    total_items = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_detail = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("execution", "sort_key")
        constraints = (
            models.UniqueConstraint(fields=("execution", "path"), name="step_path_once"),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="step_status_known"),
        )

    def __str__(self) -> str:
        return self.path


class Event(models.Model):
    """One row of an execution's history, numbered ``seq`` 1, 2, 3 ... without gaps. Never changed, never removed."""

    # Written under the execution's lock, and never removed: no foreign key has to be checked for each row.
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="events", db_index=False, db_constraint=False
    )
    seq = models.PositiveIntegerField()
    event_type = models.CharField(max_length=32, choices=EventType)
    step_id = models.CharField(max_length=64, blank=True, default="")
    path = models.CharField(max_length=2000, blank=True, default="")
    timestamp = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("execution", "seq")
        constraints = (models.UniqueConstraint(fields=("execution", "seq"), name="event_seq_once"),)
        indexes = (
            # Few are: so it is quickly known whether a step had failed between two of its attempts.
            models.Index(
                fields=("execution",),
                condition=Q(event_type__in=("step_failed", "execution_retried")),
                name="event_failed_idx",
            ),
        )

    def __str__(self) -> str:
        return f"{self.seq} {self.event_type}"
