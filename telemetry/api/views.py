"""Costs: to look at, as JSON or CSV. Everything is limited to the projects that the caller may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api.filters import StrictFilterSet
from executions.api.views.callers import caller, execution_uuid
from executions.services.access import role_names, visible_execution
from telemetry import reports
from telemetry.api import filters, operations
from telemetry.api.renderers import CSVRenderer
from telemetry.api.serializers import (
    CallCostSerializer,
    DailyCostSerializer,
    DailyCostsSerializer,
    ExecutionCostsSerializer,
    FlatSerializer,
    TelemetrySummarySerializer,
    WorkflowStatsSerializer,
)
from telemetry.days import UTC_ZONE
from telemetry.exports import csv_response
from telemetry.queries import Scope, visible_to
from telemetry.reports import ExecutionTotals, Period
from workflows.exceptions import WorkflowNotFound
from workflows.services import current_revision

Shape = type[FlatSerializer]
Query = dict[str, Any]


class CostView(APIView):
    """A call that answers with figures, in the format that was asked for."""

    renderer_classes = (JSONRenderer, CSVRenderer)
    filterset_class: type[StrictFilterSet]

    def asked(self, request: Request) -> Query:
        """Return the parameters. :raises ParseError: one is wrong, or they contradict each other."""
        query: Query = {"tz": UTC_ZONE, **self.filterset_class.read(request)}
        if "start" in query and "end" in query and query["end"] < query["start"]:
            raise _wrong("end", f"must not be before start, {query['start']}")
        return query

    def wants_csv(self, request: Request, query: Query) -> bool:
        accepted = request.accepted_renderer.format
        return bool(query.get("format", accepted) == "csv")

    def as_json(self, body: Any) -> Response:
        return Response(body, content_type="application/json")

    def as_csv(
        self, request: Request, name: str, shape: Shape, rows: Iterable[Any], zone: ZoneInfo
    ) -> HttpResponseBase:
        """Answer with a line for each row, its values as the serializer finds them, before they become JSON."""
        columns = shape().columns
        lines = ([_value(field, find(row)) for _, find, field in columns] for row in rows)
        return csv_response(request._request, name, [each for each, _, _ in columns], lines, zone)


class TelemetrySummary(CostView):
    filterset_class = filters.CostFilter

    @operations.SUMMARY
    def get(self, request: Request) -> HttpResponseBase:
        query = self.asked(request)
        found = reports.summary(_scope(request, query), _period(query), now=timezone.now())
        if self.wants_csv(request, query):
            return self.as_csv(request, "costs-summary", TelemetrySummarySerializer, [found], query["tz"])
        return self.as_json(TelemetrySummarySerializer(found).data)


class DailyCosts(CostView):
    filterset_class = filters.CostFilter

    @operations.DAILY
    def get(self, request: Request) -> HttpResponseBase:
        query, now = self.asked(request), timezone.now()
        period = _period(query)
        if period.start is not None and (period.last(now) - period.start).days >= reports.MAX_DAYS:
            raise _wrong("start", f"must be at most {reports.MAX_DAYS:,} days before end; ask for less at a time")
        days = reports.daily(_scope(request, query), period, now=now)
        if self.wants_csv(request, query):
            return self.as_csv(request, "costs-daily", DailyCostSerializer, days, query["tz"])
        return self.as_json(DailyCostsSerializer({"results": days, "next": None, "previous": None}).data)


class ExecutionCosts(CostView):
    filterset_class = filters.CallFilter

    @operations.EXECUTION
    def get(self, request: Request, execution_id: str) -> HttpResponseBase:
        execution = visible_execution(caller(request), execution_uuid(execution_id))
        query = self.asked(request)
        rows = reports.calls(execution.pk, step_id=query.get("step_id"), model=query.get("model"))
        if self.wants_csv(request, query):
            name = f"costs-{execution.pk}"
            return self.as_csv(request, name, CallCostSerializer, reports.in_pages(rows), query["tz"])
        calls: Sequence[Any] = list(rows)
        body = ExecutionTotals(execution_id=execution.pk, totals=reports.totals_of(calls), calls=calls)
        return self.as_json(ExecutionCostsSerializer(body).data)


class WorkflowStatistics(CostView):
    filterset_class = filters.StatsFilter

    @operations.STATS
    def get(self, request: Request, workflow_id: str) -> HttpResponseBase:
        user = caller(request)
        if not (user.is_superuser or role_names(user)):
            raise WorkflowNotFound(workflow_id)
        query = self.asked(request)
        revision = current_revision(workflow_id)
        found = reports.workflow_stats(user, revision, _period(query), project_id=query.get("project_id"))
        if self.wants_csv(request, query):
            return self.as_csv(request, "workflow-stats", WorkflowStatsSerializer, [found], query["tz"])
        return self.as_json(WorkflowStatsSerializer(found).data)


def _scope(request: Request, query: Query) -> Scope:
    return replace(
        visible_to(caller(request), query.get("project_id")),
        workflow_id=query.get("workflow_id"),
        step_id=query.get("step_id"),
        model=query.get("model"),
    )


def _period(query: Query) -> Period:
    return Period(zone=query["tz"], start=query.get("start"), end=query.get("end"))


def _value(field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
    """Return what JSON shows of a value; a time stays one."""
    return value if value is None or isinstance(field, serializers.DateTimeField) else field.to_representation(value)


def _wrong(name: str, detail: str) -> ParseError:
    return ParseError({name: [ErrorDetail(detail, code="out_of_range")]})
