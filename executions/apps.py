from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import revocation  # noqa: PLC0415 - needs the models

        revocation.connect()
