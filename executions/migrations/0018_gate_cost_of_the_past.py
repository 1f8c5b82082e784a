"""What documents had cost that were decided on before that was kept: by what is known of their calls now."""

from django.db import migrations

ADD_UP = """
UPDATE executions_gate g SET cost_usd = found.cost
  FROM (SELECT d.id, CASE WHEN count(*) = count(c.cost_usd) THEN sum(c.cost_usd) END AS cost
          FROM executions_gate d
          JOIN executions_llmcall c ON c.execution_id = d.execution_id AND c.step_id = d.step_id
                                   AND c.started_at < d.closed_at
         WHERE d.status = 'decided' GROUP BY d.id) found
 WHERE g.id = found.id
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0017_gate_cost")]

    operations = [migrations.RunSQL(ADD_UP, migrations.RunSQL.noop)]
