"""Sums of thirds of months, and how many documents cost how much. All sums are made anew by the workers: until then the
ledger itself is read, more slowly."""

from django.db import migrations, models

SPANS = [("day", "Day"), ("third", "Third"), ("month", "Month")]

# The watermark first: who brings the sums up to date locks it before all else.
EMPTY = """
UPDATE telemetry_watermark SET rolled_until = '1970-01-01 00:00+00';
TRUNCATE telemetry_daysums, telemetry_slotsums, telemetry_workflowsums, telemetry_stepsums, telemetry_spansums,
    telemetry_durations, telemetry_gatesums, telemetry_opencall, telemetry_lostcall
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0003_dashboard"), ("executions", "0018_gate_cost_of_the_past")]

    operations = [
        migrations.RunSQL(EMPTY, migrations.RunSQL.noop),
        *(
            migrations.AlterField(model_name=name, name="span", field=models.CharField(choices=SPANS, max_length=5))
            for name in ("durations", "gatesums", "spansums")
        ),
        migrations.RemoveConstraint(model_name="spansums", name="spansums_once"),
        migrations.AddConstraint(
            model_name="spansums",
            constraint=models.UniqueConstraint(
                fields=("project_id", "span", "starts_at", "workflow_id", "step_id", "model"),
                include=(
                    "cost_usd",
                    "unpriced_count",
                    "succeeded_count",
                    "failed_count",
                    "cancelled_count",
                    "lost_count",
                ),
                name="spansums_once",
            ),
        ),
        # What is undone begins here.
        migrations.RunSQL(migrations.RunSQL.noop, EMPTY),
    ]
