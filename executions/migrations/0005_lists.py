"""Indexes of the lists. Built beside the work that goes on: nobody waits for them, so they may wait for others."""

import datetime

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce

BEYOND_COMPLETED = ("pending", "running", "waiting_clarification", "waiting_acceptance", "failed", "cancelled")
END_OF_TIME = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)

# What an earlier try, broken off, has left would be in the way.
LEFTOVERS = ("execution_workflow_idx", "execution_status_idx", "execution_over_idx")


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("executions", "0004_webhooks"),)

    operations = (
        migrations.RunSQL(["SET lock_timeout = 0"], ["SET lock_timeout = '2s'"]),
        migrations.RunSQL([f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for name in LEFTOVERS], []),
        AddIndexConcurrently(
            model_name="execution",
            index=models.Index(fields=["workflow_id", "-started_at", "-id"], name="execution_workflow_idx"),
        ),
        AddIndexConcurrently(
            model_name="execution",
            index=models.Index(
                fields=["status", "-started_at", "-id"],
                condition=models.Q(status__in=list(BEYOND_COMPLETED)),
                name="execution_status_idx",
            ),
        ),
        AddIndexConcurrently(
            model_name="execution",
            index=models.Index(Coalesce("completed_at", models.Value(END_OF_TIME)), "id", name="execution_over_idx"),
        ),
        # Served by the one on the status now.
        RemoveIndexConcurrently(model_name="execution", name="execution_active_idx"),
        migrations.RunSQL(["SET lock_timeout = '2s'"], ["SET lock_timeout = 0"]),
    )
