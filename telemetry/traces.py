"""Tells a collector of executions that have ended: one trace each, made of the stored rows.

That costs the engine nothing, and a crash loses no span. The spans of model calls were told by the workers meanwhile,
with the attempts as their parents (``executions.tracing``). Told at least once: where a collector did not answer, or
the mark was not moved on, the same spans go out again, with the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind
from opentelemetry.trace.status import Status, StatusCode

from executions.models import Attempt, Execution, ExecutionStatus, Gate, Step
from executions.models.execution import END_OF_TIME
from executions.tracing import SERVICE, exporter_to, resource, span_of, span_of_attempt
from telemetry.models import TraceMark
from telemetry.rollup import horizon

# Executions told of at once; each is a request to the collector of its own size.
BATCH = 20

_SCOPE = InstrumentationScope(SERVICE)
Export = Callable[[Sequence[ReadableSpan]], SpanExportResult]


def tell_of_ended() -> bool:
    """Tell the collector of some executions that have ended since the last time; return whether there are more.

    Does nothing where no collector is named.
    """
    if settings.COMBINE_OTLP_ENDPOINT is None:
        return False
    exporter = exporter_to(settings.COMBINE_OTLP_ENDPOINT)
    try:
        return export_ended(exporter.export)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]


def export_ended(export: Export, *, until: datetime | None = None) -> bool:
    """As :func:`tell_of_ended`, by ``export``; what ended at ``until`` (the horizon of the ledger) or later is left."""
    mark, _ = TraceMark.objects.get_or_create(pk=1, defaults={"ended_at": timezone.now()})
    found = list(_ended(mark, until or horizon())[:BATCH])
    if not found:
        return False
    for execution in found:
        if export(list(spans_of(execution))) is not SpanExportResult.SUCCESS:
            return False
        TraceMark.objects.filter(pk=1).update(ended_at=execution.completed_at, execution_id=execution.pk)
    return len(found) == BATCH


def _ended(mark: TraceMark, until: datetime) -> QuerySet[Execution]:
    rows = Execution.objects.annotate(over_at=Coalesce("completed_at", Value(END_OF_TIME)))
    after = rows.filter(over_at__gte=mark.ended_at, over_at__lt=until).order_by("over_at", "id")
    if mark.execution_id is not None:
        after = after.exclude(over_at=mark.ended_at, id__lte=mark.execution_id)
    steps = Step.objects.order_by("sort_key").prefetch_related(
        Prefetch("attempts", Attempt.objects.only("step_id", "execution_id", "n", "status", "outcome", *_TIMES)),
        Prefetch("gates", Gate.objects.only("step_id", "execution_id", "kind", "status", "opened_at", "closed_at")),
    )
    return (
        after.select_related("revision")
        .defer("brief", "revision__definition")
        .prefetch_related(Prefetch("steps", steps))
    )


_TIMES = ("started_at", "finished_at")


def spans_of(execution: Execution) -> Iterator[ReadableSpan]:
    """Yield the spans of an execution that is over: itself, its steps, their attempts, and the waits for people."""
    end = execution.completed_at
    assert end is not None
    whole = span_of(execution.pk)
    facts = {
        "combine.execution_id": str(execution.pk),
        "combine.project_id": execution.project_id,
        "combine.workflow_id": execution.workflow_id,
        "combine.revision": execution.revision.revision,
        "combine.status": execution.status,
        "combine.error_code": execution.error_code,
        "combine.cost_usd": float(execution.cost_usd),
    }
    is_failed = execution.status == ExecutionStatus.FAILED
    yield _span("execution", whole, None, execution.started_at, end, facts, error=execution.error_code, bad=is_failed)
    for step in execution.steps.all():
        if step.started_at is not None:
            yield from _of_step(execution, whole, step, end)


def _of_step(execution: Execution, whole: SpanContext, step: Step, end: datetime) -> Iterator[ReadableSpan]:
    identity = span_of(execution.pk, "step", step.pk)
    facts = {"combine.step_id": step.step_id, "combine.path": step.path, "combine.status": step.status}
    assert step.started_at is not None
    until = step.completed_at or end
    yield _span(step.step_id, identity, whole, step.started_at, until, facts, error=step.error_code)
    for attempt in step.attempts.all():
        told = {"combine.attempt": attempt.n, "combine.status": attempt.status, "combine.outcome": attempt.outcome}
        place = span_of_attempt(execution.pk, attempt.pk)
        is_bad = attempt.status == "failed"
        ended = attempt.finished_at or end
        yield _span("attempt", place, identity, attempt.started_at, ended, told, error=attempt.outcome, bad=is_bad)
    for gate in step.gates.all():
        told = {"combine.gate_id": str(gate.pk), "combine.kind": gate.kind, "combine.status": gate.status}
        place = span_of(execution.pk, "gate", gate.pk)
        yield _span("people", place, identity, gate.opened_at, gate.closed_at or end, told)


def _span(
    name: str,
    identity: SpanContext,
    parent: SpanContext | None,
    begin: datetime,
    end: datetime,
    facts: Mapping[str, Any],
    *,
    error: str = "",
    bad: bool | None = None,
) -> ReadableSpan:
    is_bad = bool(error) if bad is None else bad
    return ReadableSpan(
        name=name,
        context=identity,
        parent=parent,
        resource=resource(),
        instrumentation_scope=_SCOPE,
        kind=SpanKind.INTERNAL,
        attributes={key: value for key, value in facts.items() if value != ""},
        status=Status(StatusCode.ERROR, error) if is_bad else Status(StatusCode.UNSET),
        start_time=_nanoseconds(begin),
        end_time=_nanoseconds(max(begin, end)),
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
