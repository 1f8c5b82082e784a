"""Gates: the inbox of everybody who answers or decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import queries
from executions.api.conditional import tagged
from executions.api.operations import gates as operations
from executions.api.reach import GateRows
from executions.api.serializers import GateSerializer, present
from executions.api.views.callers import caller, gate_uuid
from executions.exceptions import GateNotFound
from executions.models import Gate

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def gate_body(user: User, gate_id: str) -> dict[str, Any]:
    """Return a gate as ``user`` is shown it. :raises GateNotFound: they may not see one of that id."""
    gate = queries.gates(user).filter(pk=gate_uuid(gate_id)).first()
    if gate is None:
        raise GateNotFound(gate_id)
    return dict(GateSerializer(gate, context={"viewer": user}).data)


class GateList(GateRows):
    filterset_class = queries.GateFilter
    orderings = {"opened_at": ("opened_at", "id")}
    default_ordering = "-opened_at"

    @operations.LIST
    def get(self, request: Request) -> Response:
        user = caller(request)
        page = self.paginate_queryset(self.filter_queryset(self.within_reach(Gate.objects.all()))) or []
        return self.get_paginated_response(present(GateSerializer, page, viewer=user))

    def shown(self, rows: QuerySet[Gate]) -> QuerySet[Gate]:
        return queries.gates_with_what_shows(rows)


class GateDetail(APIView):
    @operations.GET
    def get(self, request: Request, gate_id: str) -> Response:
        return tagged(request, gate_body(caller(request), gate_id))
