"""An index of the few events that say a step failed. Built beside the work that goes on: nobody waits for it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("executions", "0014_budgets"),)

    operations = (
        migrations.RunSQL(["SET lock_timeout = 0"], ["SET lock_timeout = '2s'"]),
        # What an earlier try, broken off, has left would be in the way.
        migrations.RunSQL(["DROP INDEX CONCURRENTLY IF EXISTS event_failed_idx"], []),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                fields=["execution"],
                condition=models.Q(event_type__in=("step_failed", "execution_retried")),
                name="event_failed_idx",
            ),
        ),
        migrations.RunSQL(["SET lock_timeout = '2s'"], ["SET lock_timeout = 0"]),
    )
