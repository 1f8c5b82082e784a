"""Traces told by real workers to a collector on a real socket."""

from __future__ import annotations

import gzip
import signal
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SpanExportResult

from executions.models import Attempt, Execution
from executions.tests.engine_cast import decide, open_gate, person
from executions.tests.engine_definitions import reviewed, single
from executions.tests.webhooks.receiver import Received, Receiver, Reply
from executions.tracing import exporter_to
from telemetry.traces import export_ended
from tests.acceptance.site import Place, Site


def spans_in(received: Received) -> list[Span]:
    body = gzip.decompress(received.body) if received.headers.get("Content-Encoding") == "gzip" else received.body
    request = ExportTraceServiceRequest.FromString(body)
    return [span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]


def a_run_is_one_connected_trace(place: Place) -> None:
    """Two workers and a person make one trace: every span's parent is in it, and nothing that was written is."""
    with Site(place) as site, Receiver(default=Reply(status=200)) as collector:
        address = collector.url.removesuffix("/hook")
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        export = exporter_to(address).export
        assert not export_ended(export), "what was over before is not told"
        (execution,) = site.start(reviewed("editor"))
        first = site.worker(environment=environment)
        site.wait_until(lambda: execution.gates.filter(status="open").exists(), "the gate is open")
        first.send(signal.SIGTERM)
        assert first.wait() == 0
        person("ed", "editor")
        decide("ed", open_gate(execution), "request_changes", "The lighthouse is too low.")
        second = site.worker(environment=environment)
        site.wait_until(lambda: execution.gates.filter(status="open").exists(), "the second gate is open")
        decide("ed", open_gate(execution), "accept")
        site.wait_for_end([execution])
        second.send(signal.SIGTERM)
        assert second.wait() == 0
        export_ended(export, until=timezone.now() + timedelta(hours=1))
        _check_trace(execution, [span for received in collector.received for span in spans_in(received)])
        assert not any(b"lighthouse" in received.body for received in collector.received)
        told = len(collector.received)
        assert not export_ended(export, until=timezone.now() + timedelta(hours=1))
        assert len(collector.received) == told, "nothing is told twice"


def _check_trace(execution: Execution, spans: list[Span]) -> None:
    assert {UUID(bytes=span.trace_id) for span in spans} == {execution.pk}
    by_id = {span.span_id: span for span in spans}
    (root,) = (span for span in spans if not span.parent_span_id)
    assert root.name == "execution"
    assert all(span.parent_span_id in by_id for span in spans if span is not root)
    calls = [span for span in spans if any(each.key.startswith("gen_ai.") for each in span.attributes)]
    assert len(calls) == Attempt.objects.filter(execution=execution).count() == 3
    assert {by_id[call.parent_span_id].name for call in calls} == {"attempt"}
    assert len({call.parent_span_id for call in calls}) == 3, "each attempt has its own call"
    assert [span.name for span in spans].count("people") == 2
    assert all(root.start_time_unix_nano <= span.start_time_unix_nano for span in spans)


def a_silent_collector_holds_up_nobody(place: Place) -> None:
    """Runs end as ever; what could not be told is told when the collector is back."""
    with Site(place) as site, Receiver(default=Reply(status=400)) as collector:
        address = collector.url.removesuffix("/hook")
        gone = exporter_to(address).export
        assert not export_ended(gone)
        executions = site.start(single(), 2)
        worker = site.worker(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"})
        site.wait_for_end(executions)
        later = timezone.now() + timedelta(hours=1)
        assert not export_ended(gone, until=later)
        assert worker.is_alive()
        told: list[str] = []

        def kept(spans: object) -> SpanExportResult:
            told.extend(span.name for span in spans if span.parent is None)  # type: ignore[attr-defined]
            return SpanExportResult.SUCCESS

        export_ended(kept, until=later)
        assert told == ["execution", "execution"]
