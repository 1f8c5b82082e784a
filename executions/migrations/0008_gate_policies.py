"""What the policy of a gate does by itself: when it acts next, and whom the gate was escalated to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("executions", "0007_desk"),)

    operations = (
        migrations.AddField("gate", "escalated_to", models.JSONField(blank=True, null=True)),
        migrations.AddField("gate", "escalated_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("gate", "act_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddIndex(
            "gate", models.Index(condition=models.Q(("status", "open")), fields=["act_at"], name="gate_act_idx")
        ),
    )
