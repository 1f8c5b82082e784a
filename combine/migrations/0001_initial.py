from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = (("knox", "0009_extend_authtoken_field"),)

    operations = (
        migrations.CreateModel(
            name="Allowance",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("spent_until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="TokenNote",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="note",
                        serialize=False,
                        swappable=False,
                        to="knox.authtoken",
                    ),
                ),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[],
            options={"verbose_name": "API token", "proxy": True, "indexes": [], "constraints": []},
            bases=("knox.authtoken",),
        ),
    )
