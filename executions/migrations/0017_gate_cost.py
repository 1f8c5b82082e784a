"""What a step's calls had cost when people decided on its document."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0016_budget_mail")]

    operations = [
        migrations.AddField(
            model_name="gate",
            name="cost_usd",
            field=models.DecimalField(blank=True, decimal_places=10, max_digits=20, null=True),
        ),
    ]
