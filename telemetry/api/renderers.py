"""What a client of the telemetry calls may accept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer

from telemetry.exports import MEDIA_TYPE


class CSVRenderer(JSONRenderer):
    """Lets a client ask for CSV by ``Accept``. The views write it themselves; what is left to render is a refusal."""

    media_type = MEDIA_TYPE
    format = "csv"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        return super().render(data, JSONRenderer.media_type, renderer_context)
