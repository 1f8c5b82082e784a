"""Executions: to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import queries
from executions.api.attempts import count_that_fits, with_attempts
from executions.api.conditional import tagged
from executions.api.operations import executions as operations
from executions.api.pagination import AfterPagination, bad_after
from executions.api.pictures import picture_of, summaries_of
from executions.api.reach import ProjectRows
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
from executions.services.access import require_staff, visible_execution

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_MAX_SEQ = 2**31 - 1


def execution_response(
    request: Request, execution_id: str, *, code: int = status.HTTP_200_OK, location: str | None = None
) -> Response:
    """Return an execution whole, with its ETag: what every call about one execution answers."""
    headers = {} if location is None else {"Location": request.build_absolute_uri(location)}
    return tagged(request, execution_body(caller(request), execution_id), code=code, headers=headers)


def execution_body(user: User, execution_id: str) -> dict[str, Any]:
    """Return an execution as ``user`` is shown it. :raises ExecutionNotFound: they may not see one of that id."""
    execution = queries.executions(user).filter(pk=execution_uuid(execution_id)).first()
    if execution is None:
        raise ExecutionNotFound(execution_id)
    return dict(ExecutionSerializer(picture_of(execution), context={"viewer": user}).data)


class ExecutionList(ProjectRows[Execution]):
    filterset_class = queries.ExecutionFilter
    orderings = {
        "started_at": ("started_at", "id"),
        "completed_at": ("over_at", "id"),
    }
    default_ordering = "-started_at"

    @operations.LIST
    def get(self, request: Request) -> Response:
        rows = self.filter_queryset(self.within_reach(self.shown(Execution.objects.all())))
        summaries = summaries_of(self.paginate_queryset(rows) or [])
        return self.get_paginated_response(present(ExecutionSummarySerializer, summaries))

    def shown(self, rows: QuerySet[Execution]) -> QuerySet[Execution]:
        return queries.executions_with_what_shows(rows)


class ExecutionDetail(APIView):
    @operations.GET
    def get(self, request: Request, execution_id: str) -> Response:
        return execution_response(request, execution_id)


class ExecutionEvents(GenericAPIView[Event]):
    """The history, oldest first; ``after`` is the ``seq`` of the last event that the reader has."""

    pagination_class = AfterPagination
    filterset_class = queries.EventFilter
    after_schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0}

    @operations.EVENTS
    def get(self, request: Request, execution_id: str) -> Response:
        execution = visible_execution(caller(request), execution_uuid(execution_id))
        after = _seq(request.query_params.get("after", "0"))
        rows = self.filter_queryset(Event.objects.filter(execution=execution, seq__gt=after).order_by("seq"))
        return self.get_paginated_response(present(EventSerializer, self.paginate_queryset(rows) or []))

    def marker(self, event: Event) -> int:
        return event.seq


class ExecutionSteps(GenericAPIView[Step]):
    """Every step in file order, iterations and what is inside them, each with its attempts and their calls.

    ``after`` is the ``path`` of the last step seen. What the model answered word for word is for staff only.
    """

    pagination_class = AfterPagination
    filterset_class = queries.StepFilter
    after_schema = {"type": "string", "minLength": 1, "maxLength": 2000}

    @operations.STEPS
    def get(self, request: Request, execution_id: str) -> Response:
        self.execution = visible_execution(caller(request), execution_uuid(execution_id))
        self.with_responses = bool(queries.StepFilter.read(request).get("responses"))
        if self.with_responses:
            require_staff(caller(request), "read what the model answered word for word")
        rows = Step.objects.filter(execution=self.execution).defer("carry").order_by("sort_key")
        after = request.query_params.get("after")
        if after is not None:
            rows = self._following(rows, after)
        page = with_attempts(self.execution, self.paginate_queryset(rows) or [], with_responses=self.with_responses)
        return self.get_paginated_response(present(StepSerializer, page, with_responses=self.with_responses))

    def count_that_fits(self, steps: Sequence[Step]) -> int:
        return count_that_fits(self.execution, steps) if self.with_responses else len(steps)

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
