from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from combine.ports import port_in_use_message, port_problem


class Command(BaseCommand):
    help = "Serve the site, the API and the streams on COMBINE_HOST:COMBINE_PORT."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, so that listing or checking commands does not install a Twisted reactor.
        from combine.asgi import application  # noqa: PLC0415
        from combine.web_server import WebServer  # noqa: PLC0415

        host, port = settings.COMBINE_HOST, settings.COMBINE_PORT
        server = WebServer(application, host=host, port=port)
        server.run()
        if server.listen_problem:
            problem = port_problem(host, port) or server.listen_problem
            raise CommandError(port_in_use_message(host, port, problem))
