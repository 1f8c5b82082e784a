"""Budgets that executions share, what was spent of them, and the warnings given."""

from decimal import Decimal

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (
        ("executions", "0013_closed_gates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.AddField(
            model_name="execution",
            name="budget_warned",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="llmcall",
            name="budget_accounts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), blank=True, null=True, size=None
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="event_type",
            field=models.CharField(
                choices=[
                    ("execution_started", "Execution Started"),
                    ("step_started", "Step Started"),
                    ("step_retrying", "Step Retrying"),
                    ("step_completed", "Step Completed"),
                    ("step_failed", "Step Failed"),
                    ("clarification_needed", "Clarification Needed"),
                    ("clarification_answered", "Clarification Answered"),
                    ("acceptance_needed", "Acceptance Needed"),
                    ("acceptance_decided", "Acceptance Decided"),
                    ("document_created", "Document Created"),
                    ("iteration_expanded", "Iteration Expanded"),
                    ("execution_retried", "Execution Retried"),
                    ("budget_warning", "Budget Warning"),
                    ("execution_completed", "Execution Completed"),
                    ("execution_failed", "Execution Failed"),
                    ("execution_cancelled", "Execution Cancelled"),
                ],
                max_length=32,
            ),
        ),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workflow_id", models.CharField(blank=True, default="", max_length=64)),
                (
                    "period",
                    models.CharField(choices=[("day", "Day"), ("month", "Month")], default="month", max_length=8),
                ),
                (
                    "amount_usd",
                    models.DecimalField(decimal_places=10, max_digits=20, verbose_name="amount in US dollars"),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="budgets",
                        to="executions.project",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="BudgetAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("amount_usd", models.DecimalField(decimal_places=10, max_digits=20)),
                ("spent_usd", models.DecimalField(decimal_places=10, default=Decimal("0"), max_digits=20)),
                ("reserved_usd", models.DecimalField(decimal_places=10, default=Decimal("0"), max_digits=20)),
                ("warned_percent", models.PositiveSmallIntegerField(default=0)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "budget",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="accounts",
                        to="executions.budget",
                    ),
                ),
            ],
            options={
                "ordering": ("-starts_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="BudgetEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("spent_usd", models.DecimalField(decimal_places=10, max_digits=20)),
                ("reserved_usd", models.DecimalField(decimal_places=10, max_digits=20)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="executions.budgetaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetWarning",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("percent", models.PositiveSmallIntegerField()),
                ("spent_usd", models.DecimalField(decimal_places=10, max_digits=20)),
                ("budget_usd", models.DecimalField(decimal_places=10, max_digits=20)),
                ("at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="warnings",
                        to="executions.budgetaccount",
                    ),
                ),
                (
                    "execution",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="executions.execution",
                    ),
                ),
            ],
            options={
                "ordering": ("-at", "-id"),
            },
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_active", True)),
                fields=("project", "workflow_id", "period"),
                name="budget_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(condition=models.Q(("amount_usd__gte", 0)), name="budget_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ["day", "month"])), name="budget_period_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetaccount",
            constraint=models.UniqueConstraint(fields=("budget", "starts_at"), name="budgetaccount_once"),
        ),
    )
