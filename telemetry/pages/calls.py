"""The ledger's rows on the cost pages: each call with its tokens, the price it was charged at, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from rest_framework.serializers import DateTimeField, Field

from documents.rendering import visible
from executions.amounts import NOTHING, money
from executions.models import CallStatus, LLMCall
from executions.pages.paging import Order, Page, page_of
from executions.templatetags.pages import badge
from telemetry.api.serializers import CallCostSerializer
from telemetry.pages.tables import CURRENCY, Column, Table
from telemetry.reports import in_pages

Shape = list[tuple[str, Callable[[Any], Any], Field[Any, Any, Any, Any]]]

NEWEST_FIRST = Order(columns=("started_at", "id"))
PAGE_SIZE = 50

# With what the page and the file show; not what the model answered.
_RELATED = ("step", "attempt", "execution")
_SHOWN = (
    *("step__step_id", "step__path", "attempt__n", "attempt__content_attempt", "status", "model", "started_at"),
    *("execution__project_id", "execution__workflow_id", "input_tokens", "output_tokens", "thinking_tokens"),
    *("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cost_usd", "unit_prices"),
    *("price_version", "is_estimated", "is_offline", "latency_ms", "time_to_first_token_ms", "stop_reason"),
    *("error_class", "message_id", "request_id", "finished_at"),
)
_TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
}
_PRICE_WORDS: dict[str, str | Promise] = {
    "input": _("input"),
    "output": _("output"),
    "cache_read": _("cache read"),
    "cache_write_5m": _("write 5 min"),
    "cache_write_1h": _("write 1 h"),
}


def without_price(rows: QuerySet[LLMCall]) -> QuerySet[LLMCall]:
    """Narrow calls to those that are over and have no known price."""
    return rows.filter(cost_usd=None).exclude(status=CallStatus.IN_FLIGHT)


def page_of_calls(request: HttpRequest, rows: QuerySet[LLMCall]) -> Page[LLMCall]:
    return page_of(request, _shown(rows), NEWEST_FIRST, size=PAGE_SIZE)


def calls_table(rows: Sequence[LLMCall]) -> Table[LLMCall]:
    """Return calls as the page shows them; their file is made by :func:`file_columns` and :func:`file_rows`."""
    return Table(
        slug="calls",
        caption=_("Calls, newest first"),
        rows=rows,
        columns=[
            Column(
                name="started_at",
                heading=_("Started"),
                look="time",
                find=lambda row: row.started_at,
                url=lambda row: reverse("admin:executions_llmcall_change", args=(row.pk,)),
            ),
            Column(name="status", heading=_("End"), find=lambda row: row.status, shown=lambda row: badge(row.status)),
            Column(name="model", heading=_("Model"), look="code", find=lambda row: row.model),
            Column(
                name="path",
                heading=_("Step"),
                find=lambda row: row.step.path,
                url=lambda row: reverse("step-page", args=(row.execution_id, row.step.path)),
            ),
            Column(
                name="execution_id",
                heading=_("Run"),
                find=lambda row: str(row.execution_id)[:8],
                url=lambda row: reverse("execution-page", args=(row.execution_id,)),
            ),
            Column(name="input", heading=_("Input"), look="count", find=lambda row: row.input_tokens),
            Column(name="cache", heading=_("Cache read / write"), look="count", find=_cached, shown=_cache_words),
            Column(name="output", heading=_("Output"), look="count", find=lambda row: row.output_tokens),
            Column(name="price", heading=_("Price per million"), find=lambda row: row.unit_prices, shown=_price_words),
            Column(
                name="cost_usd",
                heading=_("Cost"),
                look="money",
                find=lambda row: row.cost_usd,
                missing=_("unknown"),
                shown=_cost_words,
            ),
        ],
    )


def file_columns() -> list[str]:
    """Return the API's own columns of a call, and where it was made."""
    return ["execution_id", "project_id", "workflow_id", *(name for name, _find, _field in _shape()), "currency"]


def file_rows(rows: QuerySet[LLMCall]) -> Iterable[list[Any]]:
    """Yield all calls, oldest first, read a page at a time."""
    shape = _shape()
    for call in in_pages(_shown(rows).order_by("started_at", "id")):
        run = call.execution
        yield [
            run.pk,
            run.project_id,
            run.workflow_id,
            *(_value(find(call), field) for _, find, field in shape),
            CURRENCY,
        ]


def _shown(rows: QuerySet[LLMCall]) -> QuerySet[LLMCall]:
    return rows.order_by().select_related(*_RELATED).only(*_SHOWN)


def _shape() -> Shape:
    return CallCostSerializer().columns


def _value(value: Any, field: Field[Any, Any, Any, Any]) -> Any:
    """Return what the API shows of a value; a time stays one."""
    return value if value is None or isinstance(field, DateTimeField) else field.to_representation(value)


def _cached(row: LLMCall) -> int:
    return row.cache_read_tokens + row.cache_write_5m_tokens + row.cache_write_1h_tokens


def _cache_words(row: LLMCall) -> str:
    return f"{row.cache_read_tokens:,} / {row.cache_write_5m_tokens + row.cache_write_1h_tokens:,}"


def _price_words(row: LLMCall) -> str:
    """Say what a million tokens of each kind that the call used cost, and by which price data."""
    used = [kind for kind, name in _TOKENS.items() if getattr(row, name) or kind in ("input", "output")]
    prices = [f"{_PRICE_WORDS[kind]} {_price(row.unit_prices[kind])}" for kind in used if kind in row.unit_prices]
    if not prices:
        return NOTHING
    return format_html(
        '{} <span class="quiet under">{}</span>', ", ".join(prices), visible(row.price_version) or _("no version")
    )


def _price(price: Any) -> str:
    """Show one price; where it depends on the length of the prompt, that of short ones."""
    if isinstance(price, dict):
        return f"${price.get('base', NOTHING)}+"
    return f"${price}"


def _cost_words(row: LLMCall) -> str:
    if row.status == CallStatus.IN_FLIGHT and row.cost_usd is None:
        return NOTHING
    marks = [_("estimated")] if row.is_estimated else []
    marks += [_("offline")] if row.is_offline else []
    chips = format_html_join("", ' <span class="chip">{}</span>', ((mark,) for mark in marks))
    return format_html("{}{}", money(row.cost_usd), chips)
