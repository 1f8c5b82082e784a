"""The ASGI application: streams and sockets to their consumers, everything else to Django."""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "combine.settings")
django_application = get_asgi_application()

from combine.database import ensure_database, use_connection_pool  # noqa: E402 - needs the settings
from executions.streams.consumers import ExecutionEventStream, ExecutionSocket, UnknownSocket  # noqa: E402
from executions.streams.hub import Hub  # noqa: E402

use_connection_pool()
# For servers that import this module by themselves (uvicorn combine.asgi:application).
ensure_database()

hub = Hub()


def _route(pattern: str, asgi_application: Any) -> Any:
    return re_path(pattern, asgi_application)


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                # Ahead of Django: a view would take a thread for every open stream.
                _route(r"^api/v1/executions/(?P<execution_id>[^/]+)/stream$", ExecutionEventStream.as_asgi(hub=hub)),
                _route(r"", django_application),
            ]
        ),
        "websocket": URLRouter(
            [
                _route(r"^ws/executions/(?P<execution_id>[^/]+)$", ExecutionSocket.as_asgi(hub=hub)),
                _route(r"", UnknownSocket.as_asgi()),
            ]
        ),
    }
)
