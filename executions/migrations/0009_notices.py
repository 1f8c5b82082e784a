"""Mail about gates: who wants it, and what is to be sent."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (
        ("executions", "0008_gate_policies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.CreateModel(
            name="NoticePreference",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="notice_preference",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "mail",
                    models.CharField(
                        choices=[("at_once", "at once"), ("off", "never")],
                        default="at_once",
                        help_text="When a gate opens at which this person may decide, and when it is due. Sent to the"
                        " account's e-mail address; without one nothing is sent.",
                        max_length=10,
                        verbose_name="mail about what waits",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("mail__in", ["at_once", "off"])), name="noticepreference_mail_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="GateNotice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("reminder", "Reminder"),
                            ("escalated", "Escalated"),
                            ("ended", "Ended"),
                        ],
                        max_length=10,
                    ),
                ),
                ("n", models.PositiveIntegerField(default=0)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("tries", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=300)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "gate",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="executions.gate",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at", "-id"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "pending")),
                        fields=["next_attempt_at"],
                        name="gatenotice_due_idx",
                    ),
                    models.Index(
                        condition=models.Q(("status", "pending"), _negated=True),
                        fields=["finished_at"],
                        name="gatenotice_over_idx",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("gate", "user", "kind", "n"), name="gatenotice_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["opened", "reminder", "escalated", "ended"])),
                        name="gatenotice_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "sent", "failed", "cancelled"])),
                        name="gatenotice_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True),
                                ("next_attempt_at__isnull", False),
                                ("status", "pending"),
                            ),
                            models.Q(
                                models.Q(("status", "pending"), _negated=True),
                                ("finished_at__isnull", False),
                                ("next_attempt_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="gatenotice_due_or_over",
                    ),
                ],
            },
        ),
    )
