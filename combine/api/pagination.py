"""Pages by cursor: a cursor names the row after which a page begins, so that rows which arrive shift nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from executions.api.filters import parameter

if TYPE_CHECKING:
    # The framework's views import this module by its setting.
    from rest_framework.views import APIView

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200

# What says where in a list a page is, not which rows the list has.
_PLACE = frozenset({"cursor", "page_size", "ordering"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page is: right after (or before) the row with these values of the ordering's columns.

    ``through`` it, if that row is on the page as well: so it is where the way back begins from an empty page.
    """

    ordering: str
    side: Literal["after", "before"]
    is_through: bool
    values: Sequence[Any]

    @property
    def is_backward(self) -> bool:
        return self.side == "before"


class KeysetPagination(BasePagination):
    """``{results, next, previous}``; parameters ``cursor`` and ``page_size``, and ``ordering`` where there is a choice.

    A view has ``orderings``: what may be ordered by, each as the columns that make the order total, and
    ``default_ordering``. It may have ``take(rows, count)``, which fetches the first of the rows, and
    ``count_that_fits(rows)``: fewer rows than asked for are a page as well. A view without ``orderings`` is no list.
    """

    def query_names(self, view: APIView) -> list[str]:
        """Return the parameters that this paginator reads."""
        return [parameter["name"] for parameter in self.get_schema_operation_parameters(view)]

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        assert isinstance(queryset, QuerySet)
        assert view is not None
        self.request = request
        self.view = view
        self.ordering = _ordering(request, view)
        self.columns = _orderings(view)[self.ordering.removeprefix("-")]
        self.position = self._decode(request.query_params.get("cursor"))
        size = _page_size(request)
        rows = self._fetch(queryset, size + 1)
        has_more, page = len(rows) > size, rows[:size]
        fits = getattr(view, "count_that_fits", None)
        if fits is not None and fits(page) < len(page):
            page, has_more = page[: fits(page)], True
        self._turn(page, has_more=has_more)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next_link, "previous": self.previous_link})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of a page of what ``schema`` describes."""
        link = {"type": ["string", "null"], "format": "uri", "example": None}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": {**link, "description": "The following page, as a whole URL."},
                "previous": {**link, "description": "The page before, as a whole URL."},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        known = _orderings(view)
        if not known:
            return []
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
        parameters = [
            parameter("cursor", {"type": "string"}, "Where the page begins: taken from `next` or `previous`."),
            parameter("page_size", size, "How many rows make a page."),
        ]
        if len(known) > 1:
            names = [f"{sign}{name}" for name in known for sign in ("", "-")]
            schema = {"type": "string", "enum": names, "default": _default_ordering(view)}
            parameters.append(parameter("ordering", schema, "What to order by; with `-` in front: descending."))
        return parameters

    def _fetch(self, queryset: QuerySet[Any, Any], count: int) -> list[Any]:
        """Return rows in the direction of reading."""
        is_backward = self.position is not None and self.position.is_backward
        is_descending = self.ordering.startswith("-") != is_backward
        sign = "-" if is_descending else ""
        rows = queryset.order_by(*(f"{sign}{column}" for column in self.columns))
        if self.position is not None:
            comparison = "lt" if is_descending else "gt"
            last = f"{comparison}e" if self.position.is_through else comparison
            rows = rows.filter(_beyond(self.columns, self.position.values, comparison, last))
        take = getattr(self.view, "take", None)
        return list(rows[:count]) if take is None else list(take(rows, count))

    def _turn(self, page: list[Any], *, has_more: bool) -> None:
        """Put the page in reading order and make the links around it."""
        is_backward = self.position is not None and self.position.is_backward
        if is_backward:
            page.reverse()
        self.next_link = self.previous_link = None
        if not page:
            self._turn_back()
            return
        if has_more or is_backward:
            self.next_link = self._link("after", self._values(page[-1]))
        if has_more if is_backward else self.position is not None:
            self.previous_link = self._link("before", self._values(page[0]))

    def _turn_back(self) -> None:
        """Link an empty page: what was there when the reader got its cursor has gone since, or matches no more."""
        if self.position is None:
            return
        if self.position.is_backward:
            self.next_link = remove_query_param(self.request.build_absolute_uri(), "cursor")
        else:
            self.previous_link = self._link("before", self.position.values, is_through=True)

    def _values(self, row: Any) -> list[Any]:
        return [_plain(getattr(row, column)) for column in self.columns]

    def _link(self, side: str, values: Sequence[Any], *, is_through: bool = False) -> str:
        cursor = self._signer().sign_object([self.ordering, side, is_through, list(values)])
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def _decode(self, cursor: str | None) -> Position | None:
        if cursor is None:
            return None
        try:
            ordering, side, is_through, values = self._signer().unsign_object(cursor)
        except (signing.BadSignature, ValueError):
            detail = "is none of this list with these filters; take it, with all around it, from next or previous"
            raise _bad("cursor", detail, "invalid_cursor") from None
        if ordering != self.ordering:
            raise _bad("cursor", f"belongs to ordering={ordering}", "invalid_cursor")
        return Position(ordering=ordering, side=side, is_through=is_through, values=values)

    def _signer(self) -> signing.Signer:
        """A cursor is good for the list that gave it, narrowed as it was, and for no other."""
        narrowed = sorted(item for item in self.request.query_params.items() if item[0] not in _PLACE)
        digest = hashlib.sha256(repr(narrowed).encode()).hexdigest()
        return signing.Signer(salt=f"combine.api.cursor:{self.request.path}:{digest}")


def _beyond(columns: Sequence[str], values: Sequence[Any], comparison: str, last: str) -> Q:
    """Compare (a, b) with (x, y) as PostgreSQL compares rows, in a form that can use an index on (a, b)."""
    first, *rest = columns
    if not rest:
        return Q(**{f"{first}__{last}": values[0]})
    beyond = Q(**{f"{first}__{comparison}": values[0]}) | _beyond(rest, values[1:], comparison, last)
    return Q(**{f"{first}__{comparison}e": values[0]}) & beyond


def _orderings(view: APIView) -> dict[str, tuple[str, ...]]:
    orderings: dict[str, tuple[str, ...]] = getattr(view, "orderings", {})
    return orderings


def _default_ordering(view: APIView) -> str:
    default: str = view.default_ordering  # type: ignore[attr-defined]
    return default


def _ordering(request: Request, view: APIView) -> str:
    ordering = request.query_params.get("ordering", _default_ordering(view))
    known = _orderings(view)
    if ordering.removeprefix("-") not in known:
        listed = ", ".join(f"{name}, -{name}" for name in known)
        raise _bad("ordering", f"cannot be ordered by; known are {listed}", "invalid_choice")
    return ordering


def _page_size(request: Request) -> int:
    text = request.query_params.get("page_size", str(DEFAULT_PAGE_SIZE))
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE_SIZE:
        return int(text)
    raise _bad("page_size", f"must be a whole number from 1 to {MAX_PAGE_SIZE}", "out_of_range")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _bad(name: str, detail: str, code: str) -> ParseError:
    return ParseError({name: [ErrorDetail(detail, code=code)]})
