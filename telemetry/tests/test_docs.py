"""docs/telemetry.md explains every figure, docs/api.md lists every field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rest_framework import serializers

from telemetry.api import serializers as shapes

DOCS = Path(__file__).parents[2] / "docs"
ANSWERS = (
    shapes.TelemetrySummarySerializer,
    shapes.DailyCostSerializer,
    shapes.ExecutionCostsSerializer,
    shapes.CallCostSerializer,
    shapes.WorkflowStatsSerializer,
)


def test_every_figure_is_explained() -> None:
    table = re.findall(r"^\| (`.+) \|$", (DOCS / "telemetry.md").read_text(encoding="utf-8"), re.MULTILINE)
    explained = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    assert set(shapes.BreakdownSerializer().fields) <= explained


@pytest.mark.parametrize("shape", ANSWERS)
def test_every_field_is_listed(shape: type[serializers.Serializer[object]]) -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Telemetry\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    listed = {name for marked in re.findall(r"`([^`]+)`", section) for name in marked.split()}
    assert set(shape().fields) <= listed
