"""The audit log and the chain that seals it. Both tables are only added to: the database refuses all else."""

from django.db import migrations, models

FORWARD = """
CREATE TRIGGER executions_auditentry_append_only BEFORE UPDATE OR DELETE ON executions_auditentry
    FOR EACH ROW EXECUTE FUNCTION executions_append_only();
CREATE TRIGGER executions_auditseal_append_only BEFORE UPDATE OR DELETE ON executions_auditseal
    FOR EACH ROW EXECUTE FUNCTION executions_append_only();
"""

BACKWARD = """
DROP TRIGGER executions_auditseal_append_only ON executions_auditseal;
DROP TRIGGER executions_auditentry_append_only ON executions_auditentry;
"""


class Migration(migrations.Migration):
    dependencies = (("executions", "0010_deputies"),)

    operations = (
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("act", models.CharField(max_length=32)),
                (
                    "outcome",
                    models.CharField(choices=[("done", "Done"), ("refused", "Refused")], default="done", max_length=8),
                ),
                ("user_id", models.BigIntegerField(blank=True, null=True)),
                ("by", models.CharField(max_length=150)),
                ("channel", models.CharField(max_length=12)),
                ("address", models.CharField(blank=True, default="", max_length=64)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("project_id", models.CharField(blank=True, default="", max_length=64)),
                ("execution_id", models.UUIDField(blank=True, null=True)),
                ("gate_id", models.UUIDField(blank=True, null=True)),
                ("document_id", models.UUIDField(blank=True, null=True)),
                ("document_version", models.PositiveIntegerField(blank=True, null=True)),
                ("content_sha256", models.CharField(blank=True, default="", max_length=64)),
                ("subject", models.CharField(blank=True, default="", max_length=300)),
                ("before", models.JSONField(blank=True, null=True)),
                ("after", models.JSONField(blank=True, null=True)),
                ("detail", models.TextField(blank=True, default="")),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit log",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["execution_id", "id"], name="auditentry_execution_idx"),
                    models.Index(fields=["user_id", "id"], name="auditentry_user_idx"),
                    models.Index(
                        condition=models.Q(("outcome", "refused")), fields=["id"], name="auditentry_refused_idx"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["done", "refused"])), name="auditentry_outcome_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("entry_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("sha256", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={"ordering": ("entry_id",)},
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    )
