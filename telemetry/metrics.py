"""Metrics for Prometheus, read from the database when they are asked for: so they are the ledger's own figures.

Whichever web process is scraped, the numbers are the same, but for its own streams. Counters are totals since the first
call, and never go back while the ledger is not written to by hand. Names follow the Prometheus naming practices:
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.db import connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from executions.models import ExecutionStatus, GateKind, StepStatus
from executions.services import liveness
from executions.streams.hub import open_stream_count
from telemetry import queries
from telemetry.queries import Scope

_OUTCOMES = ("succeeded", "failed", "cancelled", "lost")
_TOKEN_KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")

_EXECUTIONS = "SELECT status, count(*) FROM executions_execution GROUP BY status"
_STEPS = "SELECT status, count(*) FROM executions_step WHERE status <> 'completed' AND NOT is_iteration GROUP BY status"
_GATES = """
SELECT kind, count(*), count(*) FILTER (WHERE due_at < statement_timestamp()),
       extract(epoch FROM statement_timestamp() - min(opened_at))
  FROM executions_gate WHERE status = 'open' GROUP BY kind
"""
_LAGS = """
SELECT (SELECT extract(epoch FROM statement_timestamp() - min(timestamp)) FROM executions_event
         WHERE id > COALESCE((SELECT safe_id FROM executions_webhookrelay), 0)
           AND EXISTS (SELECT 1 FROM executions_webhook WHERE is_active)),
       (SELECT extract(epoch FROM statement_timestamp() - rolled_until) FROM telemetry_watermark),
       (SELECT count(*) FROM executions_webhookdelivery WHERE status = 'pending')
"""
_MODELS = """
SELECT DISTINCT model FROM telemetry_workflowsums
UNION SELECT DISTINCT model FROM executions_llmcall
       WHERE started_at >= COALESCE((SELECT rolled_until FROM telemetry_watermark), '-infinity')
UNION SELECT DISTINCT c.model FROM executions_llmcall c JOIN telemetry_opencall o ON o.call_id = c.id ORDER BY 1
"""


def exposition() -> bytes:
    """Return all metrics in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Everything())
    return generate_latest(registry)


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _work()
        yield from _gates()
        yield from _queue()
        yield from _ledger()
        streams = "Live streams that this web process serves."
        yield GaugeMetricFamily("combine_streams_open", streams, value=open_stream_count())


def _work() -> Iterator[Metric]:
    yield _by_status("combine_executions", "Executions by status.", ExecutionStatus.values, _EXECUTIONS)
    unfinished = [status for status in StepStatus.values if status != StepStatus.COMPLETED]
    yield _by_status("combine_steps_unfinished", "Steps that are not completed, by status.", unfinished, _STEPS)


def _by_status(name: str, says: str, statuses: Iterable[str], sql: str) -> Metric:
    counts: dict[str, int] = dict(_rows(sql))
    family = GaugeMetricFamily(name, says, labels=["status"])
    for status in statuses:  # those of which there are none too: an absent series raises no alert
        family.add_metric([status], counts.get(status, 0))
    return family


def _gates() -> Iterator[Metric]:
    found = {kind: figures for kind, *figures in _rows(_GATES)}
    waiting = GaugeMetricFamily("combine_gates_open", "Gates that wait for people.", labels=["kind"])
    overdue = GaugeMetricFamily("combine_gates_overdue", "Open gates whose due time is over.", labels=["kind"])
    oldest = GaugeMetricFamily("combine_gates_oldest_seconds", "Age of the oldest open gate.", labels=["kind"])
    for kind in GateKind.values:
        for family, value in zip((waiting, overdue, oldest), found.get(kind, (0, 0, 0)), strict=True):
            family.add_metric([kind], float(value))
    yield from (waiting, overdue, oldest)


def _queue() -> Iterator[Metric]:
    queues = liveness.queues()
    due = sum(queue.due_count for queue in queues)
    oldest = max((queue.oldest_due_seconds or 0.0 for queue in queues), default=0.0)
    yield GaugeMetricFamily("combine_queue_due_jobs", "Jobs that are due and that no worker has taken.", value=due)
    yield GaugeMetricFamily("combine_queue_oldest_seconds", "Age of the oldest such job.", value=oldest)
    workers = liveness.workers()
    yield GaugeMetricFamily("combine_workers_alive", "Workers whose heartbeat is fresh.", value=workers.alive_count)
    if workers.silent_seconds is not None:
        says = "Since the last heartbeat of any worker."
        yield GaugeMetricFamily("combine_worker_heartbeat_seconds", says, value=workers.silent_seconds)
    ((events, sums, deliveries),) = _rows(_LAGS)
    says = "Age of the oldest event that may not have been told to webhooks yet; 0 where no webhook is active."
    yield GaugeMetricFamily("combine_event_lag_seconds", says, value=float(events or 0))
    if sums is not None:
        says = "How far the ready sums of costs are behind; answers are exact all the same."
        yield GaugeMetricFamily("combine_rollup_lag_seconds", says, value=float(sums))
    yield GaugeMetricFamily("combine_webhook_deliveries_pending", "Webhook deliveries to be made.", value=deliveries)


def _ledger() -> Iterator[Metric]:
    """Yield what calls used and cost, by model."""
    known = queries.reach()
    totals = {model: queries.total(replace(Scope(), model=model), known) for (model,) in _rows(_MODELS)}
    calls = CounterMetricFamily("combine_model_calls", "Finished model calls.", labels=["model", "outcome"])
    tokens = CounterMetricFamily("combine_model_tokens", "Tokens used.", labels=["model", "kind"])
    cost = CounterMetricFamily("combine_model_cost_usd", "Cost of calls with a known price.", labels=["model"])
    unpriced = CounterMetricFamily("combine_model_calls_unpriced", "Calls without a known price.", labels=["model"])
    flying = GaugeMetricFamily("combine_model_calls_in_flight", "Model calls under way.", labels=["model"])
    for model, total in totals.items():
        for outcome in _OUTCOMES:
            calls.add_metric([model, outcome], getattr(total, f"{outcome}_count"))
        for kind in _TOKEN_KINDS:
            tokens.add_metric([model, kind], getattr(total, f"{kind}_tokens"))
        cost.add_metric([model], float(total.cost_usd))
        unpriced.add_metric([model], total.unpriced_count)
        flying.add_metric([model], total.in_flight_count)
    yield from (calls, tokens, cost, unpriced, flying)


def _rows(sql: str, params: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return list(cursor.fetchall())
