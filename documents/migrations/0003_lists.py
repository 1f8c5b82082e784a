"""Indexes of the lists: by type, and of what is undecided or was decided against. Built beside the work that goes on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# What an earlier try, broken off, has left would be in the way.
LEFTOVERS = ("document_type_idx", "document_status_idx")


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("documents", "0002_immutable"),)

    operations = (
        migrations.RunSQL(["SET lock_timeout = 0"], ["SET lock_timeout = '2s'"]),
        migrations.RunSQL([f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for name in LEFTOVERS], []),
        AddIndexConcurrently(
            model_name="document",
            index=models.Index(
                fields=["document_type", "-created_at", "-id"],
                include=("is_latest", "project_id"),
                name="document_type_idx",
            ),
        ),
        AddIndexConcurrently(
            model_name="document",
            index=models.Index(
                fields=["status", "-created_at", "-id"],
                condition=models.Q(status__in=("in_review", "changes_requested", "rejected")),
                name="document_status_idx",
            ),
        ),
        migrations.RunSQL(["SET lock_timeout = '2s'"], ["SET lock_timeout = 0"]),
    )
