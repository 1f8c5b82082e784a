from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate, pre_migrate

from combine import migration_limits


class CombineConfig(AppConfig):
    name = "combine"

    def ready(self) -> None:
        from combine import checks  # noqa: F401, PLC0415 - registers the checks, which need loaded settings
        from combine.audited_accounts import watch_accounts  # noqa: PLC0415 - needs loaded models

        watch_accounts()

        # Both signals are sent once for every app with models; one app's is enough.
        sender = apps.get_app_config("auth")
        pre_migrate.connect(migration_limits.set_migration_limits, sender=sender, dispatch_uid="combine.limits")
        post_migrate.connect(migration_limits.reset_limits, sender=sender, dispatch_uid="combine.limits")
