"""Which paths are the API's, and so are answered in JSON whatever happens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest

PREFIX = "/api/"
HEALTH = frozenset({"/livez", "/readyz"})
_START = re.compile(r"/api/v1/workflows/[^/]+/start")


def is_api(path: str) -> bool:
    return path.startswith(PREFIX) or path == "/api" or path in HEALTH


def is_throttled(path: str) -> bool:
    """Whether a path is the API's and no probe: who looks after us may look at any time."""
    return is_api(path) and path not in HEALTH


def is_start(request: HttpRequest) -> bool:
    return request.method == "POST" and _START.fullmatch(request.path) is not None
