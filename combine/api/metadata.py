"""OPTIONS: which methods there are. What they take is said by the OpenAPI description."""

from __future__ import annotations

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class AllowedMethods(BaseMetadata):
    """Nothing in the body; the ``Allow`` header, which every answer has, says it."""

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {}
