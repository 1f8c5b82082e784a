"""Finds the calls without a known price. A call that has one is never in this index, so writing it costs nothing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# What an earlier try, broken off, has left would be in the way.
LEFTOVER = "DROP INDEX CONCURRENTLY IF EXISTS llmcall_unpriced_idx"


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("executions", "0005_lists"),)

    operations = (
        migrations.RunSQL(["SET lock_timeout = 0"], ["SET lock_timeout = '2s'"]),
        migrations.RunSQL([LEFTOVER], []),
        AddIndexConcurrently(
            model_name="llmcall",
            index=models.Index(
                fields=["execution"],
                condition=models.Q(("cost_usd__isnull", True), models.Q(("status", "in_flight"), _negated=True)),
                name="llmcall_unpriced_idx",
            ),
        ),
        migrations.RunSQL(["SET lock_timeout = '2s'"], ["SET lock_timeout = 0"]),
    )
