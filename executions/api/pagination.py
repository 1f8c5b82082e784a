"""Pages of an execution's own rows, which only grow: what follows a row that the reader has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from executions.api.filters import parameter

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


class AfterPagination(BasePagination):
    """Parameters ``after`` and ``limit``.

    The view filters by ``after``, names a row by ``marker(row)``, and describes such a name by ``after_schema``. It may
    have ``count_that_fits(rows)``: fewer rows than asked for are a page as well.
    """

    def query_names(self, view: APIView) -> list[str]:
        """Return the parameters that this paginator, and the view for it, read."""
        return ["after", "limit"]

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        assert view is not None
        limit = _limit(request)
        rows = list(queryset[: limit + 1])
        page = rows[:limit]
        fits = getattr(view, "count_that_fits", None)
        if fits is not None:
            page = page[: fits(page)]
        self.next_link = None
        if len(rows) > len(page):
            marker = view.marker(page[-1])  # type: ignore[attr-defined]
            self.next_link = replace_query_param(request.build_absolute_uri(), "after", marker)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        # A reader goes forward only; there is no page before the one that it asked for.
        return Response({"results": data, "next": self.next_link, "previous": None})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of a page of what ``schema`` describes."""
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "The following page, as a whole URL.",
                    "example": None,
                },
                "previous": {
                    "type": "null",
                    "description": "Always null: these pages go forward only.",
                    "example": None,
                },
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        after: dict[str, Any] = view.after_schema  # type: ignore[attr-defined]
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            parameter("after", after, "What the reader has: the page begins with what follows."),
            parameter("limit", limit, "How many rows make a page."),
        ]


def bad_after(detail: str) -> ParseError:
    """Return the refusal (400) of an ``after`` that names no row."""
    return ParseError({"after": [ErrorDetail(detail, code="invalid_cursor")]})


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise ParseError({"limit": [ErrorDetail(f"must be a whole number from 1 to {MAX_LIMIT}", code="out_of_range")]})
