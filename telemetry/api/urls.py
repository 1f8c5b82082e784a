"""Routes of the telemetry, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from telemetry.api.views import DailyCosts, ExecutionCosts, TelemetrySummary, WorkflowStatistics

urlpatterns: list[URLPattern] = [
    path("telemetry/summary", TelemetrySummary.as_view(), name="telemetry-summary"),
    path("telemetry/costs/daily", DailyCosts.as_view(), name="telemetry-daily"),
    path("telemetry/executions/<str:execution_id>/costs", ExecutionCosts.as_view(), name="telemetry-execution"),
    path("telemetry/workflows/<str:workflow_id>/stats", WorkflowStatistics.as_view(), name="telemetry-workflow"),
]
