"""Mail about budgets: notices of warnings, whether they were told, and who wants them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (
        ("executions", "0015_failed_events"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.RemoveConstraint(
            model_name="gatenotice",
            name="gatenotice_kind_known",
        ),
        migrations.AddField(
            model_name="budgetwarning",
            name="told_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="gatenotice",
            name="warning",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="executions.budgetwarning",
            ),
        ),
        migrations.AddField(
            model_name="noticepreference",
            name="budgets",
            field=models.CharField(
                choices=[("at_once", "at once"), ("off", "never")],
                db_default="at_once",
                default="at_once",
                help_text="When 50, 80 and 100 % are used: of the budget of a run that this person has started, and of shared budgets that they have set or may change.",
                max_length=10,
                verbose_name="mail about budgets",
            ),
        ),
        migrations.AlterField(
            model_name="gatenotice",
            name="gate",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="executions.gate",
            ),
        ),
        migrations.AlterField(
            model_name="gatenotice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("opened", "Opened"),
                    ("reminder", "Reminder"),
                    ("escalated", "Escalated"),
                    ("ended", "Ended"),
                    ("budget", "Budget"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="budgetwarning",
            index=models.Index(
                condition=models.Q(("told_at__isnull", True)), fields=["id"], name="budgetwarning_untold_idx"
            ),
        ),
        migrations.AddConstraint(
            model_name="gatenotice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("warning__isnull", False)),
                fields=("warning", "user"),
                name="gatenotice_warning_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatenotice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("gate__isnull", True), ("kind", "budget"), ("warning__isnull", False)),
                    models.Q(
                        models.Q(("kind", "budget"), _negated=True), ("gate__isnull", False), ("warning__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="gatenotice_about_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatenotice",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["opened", "reminder", "escalated", "ended", "budget"])),
                name="gatenotice_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="noticepreference",
            constraint=models.CheckConstraint(
                condition=models.Q(("budgets__in", ["at_once", "off"])), name="noticepreference_budgets_known"
            ),
        ),
    )
