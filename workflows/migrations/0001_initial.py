import django.db.models.deletion
from django.db import migrations, models

import workflows.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="WorkflowRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workflow_id", models.CharField(db_index=True, max_length=64)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("revision", models.TextField()),
                ("name", models.TextField()),
                ("description", models.TextField(blank=True)),
                ("format", models.CharField(choices=[("workflow.v1", "Workflow V1"), ("flat", "Flat")], max_length=20)),
                ("effective_date", models.DateField(blank=True, null=True)),
                ("definition", workflows.fields.OrderedJSONField()),
                (
                    "warnings",
                    models.JSONField(default=list, help_text="What loading warned of: severity, code, path, detail."),
                ),
                ("package", models.TextField(blank=True, help_text="Name of the package directory.")),
                ("step_count", models.PositiveIntegerField()),
                ("loaded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-loaded_at", "-id"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")), name="workflowrevision_digest_hex"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("format__in", ["workflow.v1", "flat"])),
                        name="workflowrevision_format_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Workflow",
            fields=[
                ("workflow_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("updated_at", models.DateTimeField()),
                (
                    "current_revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workflows.workflowrevision",
                    ),
                ),
            ],
            options={"ordering": ("workflow_id",)},
        ),
    )
