"""Sums for the cost pages. All sums are made anew by the workers: until then the ledger itself is read, more slowly."""

from collections.abc import Callable
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

SUMS = ("daysums", "slotsums", "workflowsums", "stepsums")
COUNTS = ("answer", "correction", "rework", "provider", "worker", "retry")
COSTS = (
    *("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "failed", "cancelled", "lost"),
    *COUNTS,
)

# The watermark first: who brings the sums up to date locks it before all else.
EMPTY = """
UPDATE telemetry_watermark SET rolled_until = '1970-01-01 00:00+00';
TRUNCATE telemetry_daysums, telemetry_slotsums, telemetry_workflowsums, telemetry_stepsums, telemetry_opencall,
    telemetry_lostcall
"""


def money() -> Any:
    return models.DecimalField(max_digits=30, decimal_places=10)


def added() -> tuple[tuple[str, Callable[[], Any]], ...]:
    """Return the figures that every table of sums gets."""
    return (
        *((f"{name}_cost_usd", money) for name in COSTS),
        ("cache_saved_usd", money),
        *((f"{name}_count", models.BigIntegerField) for name in COUNTS),
    )


def with_default(make: Callable[[], Any]) -> Any:
    field = make()
    field.default = 0
    return field


def keys(*more: tuple[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("id", models.BigAutoField(primary_key=True, serialize=False)),
        ("span", models.CharField(choices=[("day", "Day"), ("month", "Month")], max_length=5)),
        ("starts_at", models.DateTimeField()),
        ("project_id", models.CharField(max_length=64)),
        ("workflow_id", models.CharField(max_length=64)),
        ("step_id", models.CharField(max_length=64)),
        *more,
    ]


def kept() -> list[tuple[str, Any]]:
    counts = ("succeeded", "failed", "cancelled", "lost", "unpriced", "estimated", "offline")
    tokens = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")
    return [
        *((f"{name}_count", models.BigIntegerField()) for name in counts),
        ("cost_usd", money()),
        ("estimated_cost_usd", money()),
        *((f"{name}_tokens", models.BigIntegerField()) for name in tokens),
        ("latency_ms", models.BigIntegerField()),
        ("timed_count", models.BigIntegerField()),
        ("first_at", models.DateTimeField()),
        *((name, make()) for name, make in added()),
    ]


class Migration(migrations.Migration):
    # Reads what the executions have; their index makes it quick.
    dependencies = (("telemetry", "0002_trace_mark"), ("executions", "0015_failed_events"))

    operations = (
        migrations.RunSQL(EMPTY, EMPTY),
        *(
            migrations.AddField(model_name=table, name=name, field=with_default(make), preserve_default=False)
            for table in SUMS
            for name, make in added()
        ),
        migrations.CreateModel(
            name="SpanSums",
            fields=keys(("model", models.CharField(max_length=100)), *kept()),
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project_id", "span", "starts_at", "workflow_id", "step_id", "model"),
                        name="spansums_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Durations",
            fields=keys(
                ("model", models.CharField(max_length=100)),
                ("codes", ArrayField(base_field=models.SmallIntegerField())),
                ("counts", ArrayField(base_field=models.BigIntegerField())),
            ),
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project_id", "span", "starts_at", "workflow_id", "step_id", "model"),
                        name="durations_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="GateSums",
            fields=keys(
                ("accepted_count", models.BigIntegerField()),
                ("first_pass_count", models.BigIntegerField()),
                ("returned_count", models.BigIntegerField()),
            ),
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project_id", "span", "starts_at", "workflow_id", "step_id"), name="gatesums_once"
                    )
                ],
            },
        ),
    )
