"""Pages of lists by signed cursor, newest first: rows that arrive meanwhile shift nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

R = TypeVar("R", bound=Model)

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[R]):
    """Some rows and the addresses around them. ``top`` names the first row, for counting what is above it."""

    rows: Sequence[R]
    next_url: str | None
    previous_url: str | None
    top: str
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Columns that make a total order, all in one direction."""

    columns: tuple[str, ...]
    is_descending: bool = True

    def sorted(self, rows: QuerySet[R], *, backward: bool) -> QuerySet[R]:
        sign = "-" if self.is_descending != backward else ""
        return rows.order_by(*(f"{sign}{column}" for column in self.columns))

    def beyond(self, values: Sequence[Any], *, backward: bool) -> Q:
        """Return the condition of the rows after (or before) the one with ``values``."""
        return _beyond(self.columns, values, "lt" if self.is_descending != backward else "gt")

    def values(self, row: Model) -> list[str]:
        return [_plain(getattr(row, column)) for column in self.columns]


def page_of(request: HttpRequest, rows: QuerySet[R], order: Order, *, size: int = PAGE_SIZE) -> Page[R]:
    """Return the page that the request's ``cursor`` names; one that is none of ours is the first page."""
    position = read_cursor(request.GET.get("cursor", ""), order)
    side, values = position or ("after", None)
    is_backward = side == "before"
    found = order.sorted(rows, backward=is_backward)
    if values is not None:
        found = found.filter(order.beyond(values, backward=is_backward))
    page = list(found[: size + 1])
    has_more, page = len(page) > size, page[:size]
    if is_backward:
        page.reverse()
    has_next = bool(page) and (has_more or is_backward)
    has_previous = bool(page) and (has_more if is_backward else values is not None)
    return Page(
        rows=page,
        next_url=_url(request, _cursor("after", order.values(page[-1]))) if has_next else None,
        previous_url=_url(request, _cursor("before", order.values(page[0]))) if has_previous else None,
        top=_cursor("before", order.values(page[0])) if page else "",
        is_first=not has_previous,
    )


def read_cursor(cursor: str, order: Order) -> tuple[str, list[str]] | None:
    """Return the side and the values of a cursor, or ``None`` where it is none."""
    try:
        side, values = signing.loads(cursor, salt=__name__)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return (side, values) if len(values) == len(order.columns) else None


def _cursor(side: str, values: list[str]) -> str:
    return signing.dumps([side, values], salt=__name__)


def _url(request: HttpRequest, cursor: str) -> str:
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"?{query.urlencode()}"


def _beyond(columns: Sequence[str], values: Sequence[Any], comparison: str) -> Q:
    """Compare (a, b) with (x, y) as PostgreSQL compares rows, in a form that can use an index on (a, b)."""
    first, *rest = columns
    if not rest:
        return Q(**{f"{first}__{comparison}": values[0]})
    beyond = Q(**{f"{first}__{comparison}": values[0]}) | _beyond(rest, values[1:], comparison)
    return Q(**{f"{first}__{comparison}e": values[0]}) & beyond


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
