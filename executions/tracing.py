"""Traces by OpenTelemetry: one for each execution, joined across processes by ids that follow from ours.

The trace's id is the execution's, and a span's follows from what it is about. So a worker can give a model call its
place in the trace without asking anybody, and whoever tells of the attempt later (``telemetry.traces``) names the same
span. The calls themselves are told by the model's SDK: https://opentelemetry.io/docs/specs/semconv/gen-ai/. Nothing of
this is done where no collector is named, and what was said to a model or by it is never part of a trace.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from uuid import UUID

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

SERVICE = "combine"
_EXPORT_SECONDS = 10

_providers: list[TracerProvider] = []


@cache
def resource() -> Resource:
    """Say who tells; `OTEL_RESOURCE_ATTRIBUTES` of the environment, as it is the first time, is added to it."""
    return Resource.create({SERVICE_NAME: SERVICE})


def exporter_to(endpoint: str) -> OTLPSpanExporter:
    """Return what sends spans to a collector by OTLP over HTTP; ``endpoint`` is its address without a path."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # it warns of every try
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)


@contextmanager
def told_to(endpoint: str | None) -> Iterator[None]:
    """Have model calls of this process told to a collector while the block lasts. ``None``: nobody is told."""
    if endpoint is None:
        yield
        return
    provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter_to(endpoint)))
    trace.set_tracer_provider(provider)
    _providers.append(provider)
    try:
        yield
    finally:
        _providers.remove(provider)
        provider.shutdown()


def span_of(execution_id: UUID, *what: object) -> SpanContext:
    """Return the identity of a span of an execution: of ``what``, or of the execution itself."""
    named = "/".join((str(execution_id), *map(str, what)))
    span_id = int.from_bytes(blake2b(named.encode(), digest_size=8).digest()) or 1
    return SpanContext(
        trace_id=execution_id.int, span_id=span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def span_of_attempt(execution_id: UUID, attempt_id: UUID) -> SpanContext:
    return span_of(execution_id, "attempt", attempt_id)


@contextmanager
def within_attempt(execution_id: UUID, attempt_id: UUID) -> Iterator[None]:
    """Have what is told inside belong to an attempt."""
    if not _providers:
        yield
        return
    place = trace.set_span_in_context(NonRecordingSpan(span_of_attempt(execution_id, attempt_id)))
    token = context.attach(place)
    try:
        yield
    finally:
        context.detach(token)
