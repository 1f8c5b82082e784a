"""What the API's description says of costs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from executions.api.operations import examples
from telemetry.api.serializers import (
    DailyCostsSerializer,
    ExecutionCostsSerializer,
    TelemetrySummarySerializer,
    WorkflowStatsSerializer,
)
from telemetry.exports import MEDIA_TYPE

JSON = dict[str, Any]
TAGS = ["Telemetry"]

_CSV = {"type": "string", "description": "A line of names, then a line for each row. No cell is a formula."}
_TOTALS: JSON = {
    "succeeded_call_count": 41,
    "failed_call_count": 1,
    "cancelled_call_count": 0,
    "lost_call_count": 0,
    "in_flight_call_count": 0,
    "error_count": 1,
    "unpriced_call_count": 0,
    "estimated_call_count": 0,
    "estimated_cost_usd": "0",
    "offline_call_count": 0,
    "input_tokens": 38212,
    "output_tokens": 96044,
    "thinking_tokens": 0,
    "cache_read_tokens": 214080,
    "cache_write_tokens": 18360,
    "cache_write_5m_tokens": 18360,
    "cache_write_1h_tokens": 0,
    "total_tokens": 366696,
    "total_cost_usd": "1.68837",
    "success_rate": 0.976,
    "cache_hit_rate": 0.791,
    "avg_latency_ms": 31400,
}
_SUMMARY: JSON = {
    **_TOTALS,
    "period_start": "2026-01-01",
    "period_end": "2026-01-31",
    "time_zone": "UTC",
    "total_calls": 42,
    "avg_cost_per_call": "0.0402",
}
_DAY: JSON = {
    **_TOTALS,
    "date": "2026-01-31",
    "starts_at": "2026-01-31T00:00:00Z",
    "ends_at": "2026-02-01T00:00:00Z",
    "is_partial": False,
    "call_count": 42,
}
_CALL: JSON = {
    "call_id": "57a0a8f7-6d0d-4a4e-8f39-3d5b8f2f7b10",
    "step_id": "epic_backlog",
    "path": "epic_backlog",
    "attempt": 1,
    "n": 1,
    "status": "succeeded",
    "model": "claude-sonnet-4-5",
    "input_tokens": 812,
    "output_tokens": 2304,
    "thinking_tokens": 0,
    "cache_read_tokens": 6120,
    "cache_write_tokens": 0,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
    "cost_usd": "0.0388",
    "is_estimated": False,
    "is_offline": False,
    "unit_prices": {"input": "3", "output": "15", "cache_read": "0.3"},
    "price_version": "0.2.3",
    "latency_ms": 57800,
    "time_to_first_token_ms": 820,
    "stop_reason": "end_turn",
    "error": None,
    "message_id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "request_id": "req_018EeWyXxfu5pfWkrYcMdjWG",
    "started_at": "2026-01-31T12:04:12Z",
    "finished_at": "2026-01-31T12:05:10Z",
}
_EXECUTION: JSON = {**_TOTALS, "execution_id": examples.EXECUTION_ID, "call_count": 42, "calls": [_CALL]}
_STATS: JSON = {
    "workflow_id": "software_product",
    "execution_count": 12,
    "completed_count": 9,
    "failed_count": 1,
    "cancelled_count": 1,
    "active_count": 0,
    "waiting_count": 1,
    "total_cost_usd": "19.8804",
    "avg_cost_usd": "1.6567",
    "unpriced_call_count": 0,
    "avg_duration_ms": 5400000,
    "sample_count": 9,
    "sample_is_of_revision": True,
    "median_cost_usd": "1.6204",
    "p95_cost_usd": "2.0817",
    "median_duration_ms": 4980000,
    "p95_duration_ms": 9420000,
    "median_call_count": 41,
    "sample_unpriced_count": 0,
    "sample_offline_count": 0,
}


def _answers(shape: type[serializers.Serializer[Any]], example: JSON, lines: str) -> dict[Any, Any]:
    """Describe the success of a call that answers in both formats."""
    return {
        (200, "application/json"): OpenApiResponse(
            shape, "The figures.", [OpenApiExample("Answer", example, response_only=True)]
        ),
        (200, MEDIA_TYPE): OpenApiResponse(_CSV, "The figures.", [OpenApiExample("Lines", lines, response_only=True)]),
    }


SUMMARY = extend_schema(
    operation_id="getTelemetrySummary",
    tags=TAGS,
    summary="Sum up costs",
    description="The totals of all calls of the period that the caller may see. Sums come from the ledger, so that they"
    " are exact; without a period they are of everything.",
    responses=_answers(TelemetrySummarySerializer, _SUMMARY, "total_calls,total_cost_usd\n42,1.68837\n"),
)
DAILY = extend_schema(
    operation_id="listDailyCosts",
    tags=TAGS,
    summary="List costs by day",
    description="A row for each day of the period, days without calls too.",
    responses=_answers(
        DailyCostsSerializer,
        {"results": [_DAY], "next": None, "previous": None},
        "date,call_count,total_cost_usd\n2026-01-31,42,1.68837\n",
    ),
)
EXECUTION = extend_schema(
    operation_id="getExecutionCosts",
    tags=TAGS,
    summary="Look at what an execution has cost",
    description="Its totals, and a row for each call of the model.",
    responses=_answers(ExecutionCostsSerializer, _EXECUTION, "step_id,model,cost_usd\nepic_backlog,sonnet,0.0388\n"),
)
STATS = extend_schema(
    operation_id="getWorkflowStats",
    tags=TAGS,
    summary="Look at how a workflow does",
    description="How many of its executions ended how, what they cost, and how long they took; and by completed ones,"
    " what the next one would probably cost.",
    responses=_answers(WorkflowStatsSerializer, _STATS, "workflow_id,execution_count\nsoftware_product,12\n"),
)
