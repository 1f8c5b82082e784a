"""What is added up of calls: each figure's name, and what one ledger row adds to it. Here and nowhere else.

In every statement ``c`` is ``executions_llmcall``, ``e`` its execution, ``s`` its step.
"""

from __future__ import annotations

# Kept in the sums (see telemetry.models). All are added but ``first_at``, of which the earliest counts.
KEPT: dict[str, str] = {
    "succeeded_count": "(c.status = 'succeeded')::int",
    "failed_count": "(c.status = 'failed')::int",
    "cancelled_count": "(c.status = 'cancelled')::int",
    "lost_count": "(c.status = 'lost')::int",
    "unpriced_count": "(c.cost_usd IS NULL AND c.status <> 'in_flight')::int",
    "estimated_count": "c.is_estimated::int",
    "offline_count": "c.is_offline::int",
    "cost_usd": "COALESCE(c.cost_usd, 0)",
    "estimated_cost_usd": "CASE WHEN c.is_estimated THEN COALESCE(c.cost_usd, 0) ELSE 0 END",
    "input_tokens": "c.input_tokens",
    "output_tokens": "c.output_tokens",
    "cache_read_tokens": "c.cache_read_tokens",
    "cache_write_5m_tokens": "c.cache_write_5m_tokens",
    "cache_write_1h_tokens": "c.cache_write_1h_tokens",
    "thinking_tokens": "c.thinking_tokens",
    "latency_ms": "CASE WHEN c.status = 'succeeded' THEN COALESCE(c.latency_ms, 0) ELSE 0 END",
    "timed_count": "(c.status = 'succeeded' AND c.latency_ms IS NOT NULL)::int",
    "first_at": "c.started_at",
}
# Of calls that are not over, and so are never in the sums.
PASSING: dict[str, str] = {"in_flight_count": "(c.status = 'in_flight')::int"}
ADDED = tuple(name for name in KEPT if name != "first_at")

DAY = "date_bin('1 day', c.started_at, '1970-01-01 00:00+00')"
SLOT = "date_bin('15 min', c.started_at, '1970-01-01 00:00+00')"
CALLS = "executions_llmcall c JOIN executions_execution e ON e.id = c.execution_id"
STEPS = f"{CALLS} JOIN executions_step s ON s.id = c.step_id"


def of_call(names: dict[str, str]) -> str:
    """Return what one ledger row adds, as columns of a SELECT."""
    return ", ".join(f"{expression} AS {name}" for name, expression in names.items())


def together(names: dict[str, str]) -> str:
    """Return the sums of such columns."""
    return ", ".join(f"{'min' if name == 'first_at' else 'sum'}({name}) AS {name}" for name in names)
