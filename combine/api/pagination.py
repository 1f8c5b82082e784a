"""Pages by cursor: a cursor names the row after which a page begins, so that rows which arrive shift nothing."""

from __future__ import annotations

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
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:
    # The framework's views import this module by its setting.
    from rest_framework.views import APIView

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page is: right after (or before) the row with these values of the ordering's columns."""

    ordering: str
    side: Literal["after", "before"]
    values: Sequence[Any]


class KeysetPagination(BasePagination):
    """``{results, next, previous}``; parameters ``cursor`` and ``page_size``, and ``ordering`` where there is a choice.

    A view has ``orderings``: what may be ordered by, each as the columns that make the order total, and
    ``default_ordering``. It may have ``count_that_fits(rows)``: fewer rows than asked for are a page as well.
    """

    def query_names(self, view: APIView) -> list[str]:
        """Return the parameters that this paginator reads."""
        has_choice = len(_orderings(view)) > 1
        return ["cursor", "page_size", *(["ordering"] if has_choice else [])]

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        assert isinstance(queryset, QuerySet)
        assert view is not None
        self.request = request
        ordering = _ordering(request, view)
        self.columns = _orderings(view)[ordering.removeprefix("-")]
        self.ordering = ordering
        self.position = self._decode(request.query_params.get("cursor"))
        rows = self._fetch(queryset, _page_size(request))
        fits = getattr(view, "count_that_fits", None)
        has_more = len(rows) > _page_size(request)
        page = rows[: _page_size(request)]
        if fits is not None and fits(page) < len(page):
            page, has_more = page[: fits(page)], True
        self._turn(page, has_more=has_more)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next_link, "previous": self.previous_link})

    def _fetch(self, queryset: QuerySet[Any, Any], size: int) -> list[Any]:
        """Return the page's rows in the direction of reading, and one more if there is one."""
        is_backward = self.position is not None and self.position.side == "before"
        is_descending = self.ordering.startswith("-") != is_backward
        sign = "-" if is_descending else ""
        rows = queryset.order_by(*(f"{sign}{column}" for column in self.columns))
        if self.position is not None:
            rows = rows.filter(_beyond(self.columns, self.position.values, "lt" if is_descending else "gt"))
        return list(rows[: size + 1])

    def _turn(self, page: list[Any], *, has_more: bool) -> None:
        """Put the page in reading order and make the links around it."""
        is_backward = self.position is not None and self.position.side == "before"
        if is_backward:
            page.reverse()
        has_next = bool(page) and (has_more or is_backward)
        has_previous = bool(page) and (has_more if is_backward else self.position is not None)
        self.next_link = self._link("after", page[-1]) if has_next else None
        self.previous_link = self._link("before", page[0]) if has_previous else None

    def _link(self, side: str, row: Any) -> str:
        values = [_plain(getattr(row, column)) for column in self.columns]
        cursor = self._signer().sign_object([self.ordering, side, values])
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def _decode(self, cursor: str | None) -> Position | None:
        if cursor is None:
            return None
        try:
            ordering, side, values = self._signer().unsign_object(cursor)
        except signing.BadSignature:
            raise _bad("cursor", "is none of this list; take it from next or previous", "invalid_cursor") from None
        if ordering != self.ordering:
            raise _bad("cursor", f"belongs to ordering={ordering}", "invalid_cursor")
        return Position(ordering=ordering, side=side, values=values)

    def _signer(self) -> signing.Signer:
        # A cursor is good for the list that gave it, and for no other.
        return signing.Signer(salt=f"combine.api.cursor:{self.request.path}")


def _beyond(columns: Sequence[str], values: Sequence[Any], comparison: str) -> Q:
    """Compare (a, b) with (x, y) as PostgreSQL compares rows, in a form that can use an index on (a, b)."""
    first, *rest = columns
    if not rest:
        return Q(**{f"{first}__{comparison}": values[0]})
    beyond = Q(**{f"{first}__{comparison}": values[0]}) | _beyond(rest, values[1:], comparison)
    return Q(**{f"{first}__{comparison}e": values[0]}) & beyond


def _orderings(view: APIView) -> dict[str, tuple[str, ...]]:
    orderings: dict[str, tuple[str, ...]] = view.orderings  # type: ignore[attr-defined]
    return orderings


def _ordering(request: Request, view: APIView) -> str:
    default: str = view.default_ordering  # type: ignore[attr-defined]
    ordering = request.query_params.get("ordering", default)
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
