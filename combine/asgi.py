"""The ASGI application: HTTP to Django. Streams and sockets are routed ahead of it."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "combine.settings")
django_application = get_asgi_application()

from combine.database import ensure_database, use_connection_pool  # noqa: E402 - needs the settings

use_connection_pool()
# For servers that import this module by themselves (uvicorn combine.asgi:application).
ensure_database()

application = ProtocolTypeRouter({"http": django_application})
