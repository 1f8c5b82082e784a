"""Sums of the ledger, kept so that a year of calls answers fast. Only :mod:`telemetry.rollup` writes them.

Every ledger row is in exactly one of three places: it was started at ``Watermark.rolled_until`` or later, or it is an
:class:`OpenCall`, or it is in the sums. A reader adds the three up, in one statement, and so gets the ledger's own
figures, whenever the sums were last brought up to date.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models

# No call is older; days are counted from here.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Stands for all projects together. No project can be called that.
ALL_PROJECTS = "*"


class Span(models.TextChoices):
    """How long a stretch of time is that begins at ``starts_at`` (UTC). A third of a month begins on its 1st, 11th or
    21st day."""

    DAY = "day"
    THIRD = "third"
    MONTH = "month"


def _money() -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(max_digits=30, decimal_places=10)


class Watermark(models.Model):
    """How far the sums go: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    rolled_until = models.DateTimeField(default=BEGINNING)

    def __str__(self) -> str:
        return f"rolled until {self.rolled_until.isoformat()}"


class TraceMark(models.Model):
    """The last execution that the collector of traces was told of: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    ended_at = models.DateTimeField()
    execution_id = models.UUIDField(null=True)

    def __str__(self) -> str:
        return f"told until {self.ended_at.isoformat()}"


class OpenCall(models.Model):
    """A call from before the watermark that may still change: it is in flight, or was lost not long ago."""

    call_id = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.call_id)


class LostCall(models.Model):
    """A call that is in the sums as lost. Should its worker come back after all, its day is added up anew."""

    call_id = models.UUIDField(primary_key=True)

    def __str__(self) -> str:
        return str(self.call_id)


class Sums(models.Model):
    """What calls used and cost that were started in one stretch of time, from ``starts_at`` (UTC) on.

    ``cost_usd`` adds up what has a price, ``unpriced_count`` says how many have none. ``latency_ms`` is of the
    succeeded ones, ``timed_count`` of which have one. ``first_at`` is when the first of them was started. The rest is
    for the cost pages (``telemetry.measures.DETAILS``): what tokens of each kind cost, what calls cost that did not
    succeed, and those that were not first tries.
    """

    id = models.BigAutoField(primary_key=True)
    starts_at = models.DateTimeField()
    project_id = models.CharField(max_length=64)
    succeeded_count = models.BigIntegerField()
    failed_count = models.BigIntegerField()
    cancelled_count = models.BigIntegerField()
    lost_count = models.BigIntegerField()
    unpriced_count = models.BigIntegerField()
    estimated_count = models.BigIntegerField()
    offline_count = models.BigIntegerField()
    cost_usd = models.DecimalField(max_digits=30, decimal_places=10)
    estimated_cost_usd = models.DecimalField(max_digits=30, decimal_places=10)
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cache_write_5m_tokens = models.BigIntegerField()
    cache_write_1h_tokens = models.BigIntegerField()
    thinking_tokens = models.BigIntegerField()
    latency_ms = models.BigIntegerField()
    timed_count = models.BigIntegerField()
    first_at = models.DateTimeField()
    input_cost_usd = _money()
    output_cost_usd = _money()
    cache_read_cost_usd = _money()
    cache_write_5m_cost_usd = _money()
    cache_write_1h_cost_usd = _money()
    cache_saved_usd = _money()
    failed_cost_usd = _money()
    cancelled_cost_usd = _money()
    lost_cost_usd = _money()
    answer_count = models.BigIntegerField()
    correction_count = models.BigIntegerField()
    rework_count = models.BigIntegerField()
    provider_count = models.BigIntegerField()
    worker_count = models.BigIntegerField()
    retry_count = models.BigIntegerField()
    answer_cost_usd = _money()
    correction_cost_usd = _money()
    rework_cost_usd = _money()
    provider_cost_usd = _money()
    worker_cost_usd = _money()
    retry_cost_usd = _money()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.starts_at.isoformat()} {self.project_id}"


class DaySums(Sums):
    """By UTC day and project; and of all projects together (:data:`ALL_PROJECTS`)."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project_id", "starts_at"), name="daysums_once"),)


class SlotSums(Sums):
    """As :class:`DaySums`, by quarter of an hour: every time zone's days begin at one."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project_id", "starts_at"), name="slotsums_once"),)


class WorkflowSums(Sums):
    """By quarter of an hour, project, workflow and model: for whoever asks for one of the last two."""

    workflow_id = models.CharField(max_length=64)
    model = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("workflow_id", "starts_at", "project_id", "model"), name="workflowsums_once"
            ),
        )
        indexes = (
            models.Index(fields=("model", "starts_at"), name="workflowsums_model_idx"),
            models.Index(fields=("starts_at",), name="workflowsums_time_idx"),
        )


class StepSums(Sums):
    """As :class:`WorkflowSums`, and by step: for whoever asks for one."""

    workflow_id = models.CharField(max_length=64)
    step_id = models.CharField(max_length=64)
    model = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("step_id", "starts_at", "workflow_id", "project_id", "model"), name="stepsums_once"
            ),
        )
        indexes = (models.Index(fields=("starts_at",), name="stepsums_time_idx"),)


class SpanSums(Sums):
    """By UTC day, third of a month and month, with workflow, step and model, of each project and of all
    (:data:`ALL_PROJECTS`)."""

    span = models.CharField(max_length=5, choices=Span)
    workflow_id = models.CharField(max_length=64)
    step_id = models.CharField(max_length=64)
    model = models.CharField(max_length=100)

    class Meta:
        constraints = (
            # With what days are stacked of: of a year, thousands of rows are read for nothing else.
            models.UniqueConstraint(
                fields=("project_id", "span", "starts_at", "workflow_id", "step_id", "model"),
                include=(
                    *("cost_usd", "unpriced_count"),
                    *("succeeded_count", "failed_count", "cancelled_count", "lost_count"),
                ),
                name="spansums_once",
            ),
        )


class Durations(models.Model):
    """How often something took how long, or cost how much, as :class:`SpanSums`.

    ``codes`` are buckets of what was measured (``telemetry.measures.MEASURES``, ``BUCKETS``) in their order, ``counts``
    how often each was found. Of gates (``people``, ``document_cost``) there is no model.
    """

    id = models.BigAutoField(primary_key=True)
    span = models.CharField(max_length=5, choices=Span)
    starts_at = models.DateTimeField()
    project_id = models.CharField(max_length=64)
    workflow_id = models.CharField(max_length=64)
    step_id = models.CharField(max_length=64)
    model = models.CharField(max_length=100)
    codes = ArrayField(models.SmallIntegerField())
    counts = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("project_id", "span", "starts_at", "workflow_id", "step_id", "model"), name="durations_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.starts_at.isoformat()} {self.project_id}"


class GateSums(models.Model):
    """Documents that people decided on, as :class:`SpanSums`, by when their gates were closed."""

    id = models.BigAutoField(primary_key=True)
    span = models.CharField(max_length=5, choices=Span)
    starts_at = models.DateTimeField()
    project_id = models.CharField(max_length=64)
    workflow_id = models.CharField(max_length=64)
    step_id = models.CharField(max_length=64)
    accepted_count = models.BigIntegerField()
    first_pass_count = models.BigIntegerField()
    returned_count = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("project_id", "span", "starts_at", "workflow_id", "step_id"), name="gatesums_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.starts_at.isoformat()} {self.project_id}"


# All of them: what is made anew is made anew in each.
TABLES: tuple[type[Sums], ...] = (DaySums, SlotSums, WorkflowSums, StepSums, SpanSums)
