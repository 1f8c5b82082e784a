"""Executions: to look at."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import queries
from executions.api.fields import parse_query
from executions.api.pagination import AfterPagination, bad_after
from executions.api.pictures import picture_of, summaries_of
from executions.api.serializers import (
    EventSerializer,
    ExecutionSerializer,
    ExecutionSummarySerializer,
    StepSerializer,
    present,
)
from executions.api.views.callers import caller, execution_uuid
from executions.exceptions import ExecutionNotFound
from executions.models import Event, Execution, Step
from executions.services.access import visible_execution

_MAX_SEQ = 2**31 - 1


def execution_response(
    request: Request, execution_id: str, *, code: int = status.HTTP_200_OK, location: str | None = None
) -> Response:
    """Return an execution whole: what every call about one execution answers."""
    user = caller(request)
    execution = queries.executions(user, {}).filter(pk=execution_uuid(execution_id)).first()
    if execution is None:
        raise ExecutionNotFound(execution_id)
    body = ExecutionSerializer(picture_of(execution), context={"viewer": user})
    headers = {} if location is None else {"Location": request.build_absolute_uri(location)}
    return Response(body.data, status=code, headers=headers)


class ExecutionList(GenericAPIView[Execution]):
    query_class = queries.ExecutionQuery
    orderings = {
        "started_at": ("started_at", "id"),
        "completed_at": ("over_at", "id"),
        "cost_usd": ("cost_usd", "id"),
    }
    default_ordering = "-started_at"

    def get(self, request: Request) -> Response:
        rows = queries.executions(caller(request), parse_query(request, self.query_class))
        summaries = summaries_of(self.paginate_queryset(rows) or [])
        return self.get_paginated_response(present(ExecutionSummarySerializer, summaries))


class ExecutionDetail(APIView):
    def get(self, request: Request, execution_id: str) -> Response:
        return execution_response(request, execution_id)


class ExecutionEvents(GenericAPIView[Event]):
    """The history, oldest first; ``after`` is the ``seq`` of the last event that the reader has."""

    pagination_class = AfterPagination

    def get(self, request: Request, execution_id: str) -> Response:
        execution = visible_execution(caller(request), execution_uuid(execution_id))
        after = _seq(request.query_params.get("after", "0"))
        rows = Event.objects.filter(execution=execution, seq__gt=after).order_by("seq")
        return self.get_paginated_response(present(EventSerializer, self.paginate_queryset(rows) or []))

    def marker(self, event: Event) -> int:
        return event.seq


class ExecutionSteps(GenericAPIView[Step]):
    """Every step in file order, iterations and what is inside them; ``after`` is the ``path`` of the last one seen."""

    pagination_class = AfterPagination

    def get(self, request: Request, execution_id: str) -> Response:
        execution = visible_execution(caller(request), execution_uuid(execution_id))
        rows = Step.objects.filter(execution=execution).defer("carry").order_by("sort_key")
        after = request.query_params.get("after")
        if after is not None:
            rows = self._following(rows, after)
        return self.get_paginated_response(present(StepSerializer, self.paginate_queryset(rows) or []))

    def marker(self, step: Step) -> str:
        return step.path

    def _following(self, rows: QuerySet[Step], path: str) -> QuerySet[Step]:
        seen = rows.filter(path=path).values_list("sort_key", flat=True).first()
        if seen is None:
            raise bad_after("must be the path of a step of this execution")
        return rows.filter(sort_key__gt=seen)


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise bad_after("must be the seq of an event: a whole number")
    return min(int(text), _MAX_SEQ)
