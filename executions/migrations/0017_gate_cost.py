"""What a step's calls had cost when people decided on its document. Of gates that are decided already, it is added up."""

from django.db import migrations, models

ADD_UP = """
SET LOCAL statement_timeout = 0;
UPDATE executions_gate g SET cost_usd = (
    SELECT CASE WHEN count(*) = count(c.cost_usd) THEN sum(c.cost_usd) END FROM executions_llmcall c
     WHERE c.execution_id = g.execution_id AND c.step_id = g.step_id AND c.started_at < g.closed_at)
 WHERE g.status = 'decided'
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0016_budget_mail")]

    operations = [
        migrations.AddField(
            model_name="gate",
            name="cost_usd",
            field=models.DecimalField(blank=True, decimal_places=10, max_digits=20, null=True),
        ),
        migrations.RunSQL(ADD_UP, migrations.RunSQL.noop),
    ]
