"""Gates: the inbox of everybody who answers or decides."""

from __future__ import annotations

from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import queries
from executions.api.fields import parse_query
from executions.api.serializers import GateSerializer, present
from executions.api.views.callers import caller, gate_uuid
from executions.exceptions import GateNotFound
from executions.models import Gate


class GateList(GenericAPIView[Gate]):
    query_class = queries.GateQuery
    orderings = {"opened_at": ("opened_at", "id")}
    default_ordering = "-opened_at"

    def get(self, request: Request) -> Response:
        user = caller(request)
        page = self.paginate_queryset(queries.gates(user, parse_query(request, self.query_class))) or []
        return self.get_paginated_response(present(GateSerializer, page, viewer=user))


class GateDetail(APIView):
    def get(self, request: Request, gate_id: str) -> Response:
        user = caller(request)
        gate = queries.gates(user, {}).filter(pk=gate_uuid(gate_id)).first()
        if gate is None:
            raise GateNotFound(gate_id)
        return Response(GateSerializer(gate, context={"viewer": user}).data)
