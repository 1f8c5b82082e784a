"""Which paths are the API's, and so are answered in JSON whatever happens."""

from __future__ import annotations

PREFIX = "/api/"
HEALTH = frozenset({"/livez", "/readyz"})


def is_api(path: str) -> bool:
    return path.startswith(PREFIX) or path == "/api" or path in HEALTH
