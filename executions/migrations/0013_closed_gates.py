"""An index for what was decided last. Built beside the work that goes on: nobody waits for it, so it may wait."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("executions", "0012_edited_gates"),)

    operations = (
        migrations.RunSQL(["SET lock_timeout = 0"], ["SET lock_timeout = '2s'"]),
        # What an earlier try, broken off, has left would be in the way.
        migrations.RunSQL(["DROP INDEX CONCURRENTLY IF EXISTS gate_closed_idx"], []),
        AddIndexConcurrently(
            model_name="gate",
            index=models.Index(
                fields=["-closed_at", "-id"], condition=models.Q(closed_at__isnull=False), name="gate_closed_idx"
            ),
        ),
        migrations.RunSQL(["SET lock_timeout = '2s'"], ["SET lock_timeout = 0"]),
    )
