"""The tables of the cost pages: what is in each, on the page and in its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from executions.amounts import NOTHING, money
from executions.services.budgets import BudgetState
from executions.templatetags.pages import badge
from telemetry.dashboard.values import (
    CauseRow,
    ExecutionRow,
    KindRow,
    LatencyRow,
    PriceRow,
    Rework,
    Spread,
    StatusRow,
    StepRow,
    Tokens,
    UnpricedRow,
    Waits,
    WorkflowRow,
)
from telemetry.pages import words
from telemetry.pages.links import Links
from telemetry.pages.tables import Column, Table

R = TypeVar("R")
# Names of workflows by their ids.
Names = Mapping[str, str]

UNKNOWN = _("unknown")


def causes(rework: Rework) -> Table[CauseRow]:
    return Table(
        slug="rework",
        caption=_("Cost by the cause of the call"),
        rows=rework.causes,
        columns=[
            Column(name="cause", heading=_("Cause"), find=lambda row: row.cause, shown=_cause),
            Column(name="is_rework", find=lambda row: row.cause.is_rework),
            Column(name="call_count", heading=_("Calls"), look="count", find=lambda row: row.call_count),
            Column(name="cost_usd", heading=_("Cost"), look="money", find=lambda row: row.cost_usd),
            Column(name="share", heading=_("Share"), look="share", find=lambda row: row.share),
        ],
    )


def outcomes(rework: Rework) -> Table[StatusRow]:
    return Table(
        slug="outcomes",
        caption=_("Cost by how the call ended"),
        rows=rework.statuses,
        columns=[
            Column(name="status", heading=_("End"), find=lambda row: row.status, shown=lambda row: badge(row.status)),
            Column(name="call_count", heading=_("Calls"), look="count", find=lambda row: row.call_count),
            Column(name="cost_usd", heading=_("Cost"), look="money", find=lambda row: row.cost_usd),
            Column(name="share", heading=_("Share"), look="share", find=lambda row: row.share),
        ],
    )


def kinds(tokens: Tokens) -> Table[KindRow]:
    return Table(
        slug="tokens",
        caption=_("Tokens by kind"),
        rows=tokens.kinds,
        columns=[
            Column(
                name="kind",
                heading=_("Kind"),
                find=lambda row: row.kind,
                shown=lambda row: words.kind_words(row.kind),
            ),
            Column(name="token_count", heading=_("Tokens"), look="count", find=lambda row: row.token_count),
            Column(name="cost_usd", heading=_("Cost"), look="money", find=lambda row: row.cost_usd),
            Column(name="share", heading=_("Share of the cost"), look="share", find=lambda row: row.share),
        ],
    )


def latencies(rows: Sequence[LatencyRow], names: Names, links: Links) -> Table[LatencyRow]:
    return Table(
        slug="latency",
        caption=_("How long calls took"),
        rows=rows,
        has_money=False,
        columns=[
            Column(name="workflow_id", heading=_("Workflow"), find=lambda row: row.workflow_id, shown=_named(names)),
            Column(
                name="step_id",
                heading=_("Step"),
                find=lambda row: row.step_id,
                url=lambda row: links.step(row.workflow_id, row.step_id),
            ),
            Column(name="model", heading=_("Model"), find=lambda row: row.model),
            Column(name="call_count", heading=_("Calls"), look="count", find=lambda row: row.latency.count),
            *_spread("latency", _("Whole answer"), lambda row: row.latency),
            *_spread("first_token", _("First token"), lambda row: row.first_token),
        ],
    )


def waits(found: Waits) -> Table[tuple[str, str | Promise, Spread]]:
    kinds_of_waits = [
        ("queue", _("For a worker"), found.queue),
        ("model", _("For the model"), found.model),
        ("people", _("For people"), found.people),
    ]
    return Table(
        slug="waits",
        caption=_("Where time goes"),
        rows=[(key, name, spread) for key, name, spread in kinds_of_waits if spread is not None],
        has_money=False,
        columns=[
            Column(name="wait", heading=_("Waiting"), find=lambda row: row[0], shown=lambda row: str(row[1])),
            Column(name="count", heading=_("Times"), look="count", find=lambda row: row[2].count),
            *_spread("wait", "", lambda row: row[2]),
        ],
    )


def workflows(rows: Sequence[WorkflowRow], names: Names, links: Links) -> Table[WorkflowRow]:
    return Table(
        slug="workflows",
        caption=_("Cost by workflow"),
        rows=rows,
        columns=[
            Column(
                name="workflow_id",
                heading=_("Workflow"),
                find=lambda row: row.workflow_id,
                shown=_named(names),
                url=lambda row: links.workflow(row.workflow_id),
            ),
            Column(name="execution_count", heading=_("Runs"), look="count", find=lambda row: row.execution_count),
            Column(name="failed_count", heading=_("Failed"), look="count", find=lambda row: row.failed_count),
            Column(name="call_count", heading=_("Calls"), look="count", find=lambda row: row.call_count),
            *_worth(),
            *_spread("people", _("People’s wait"), lambda row: row.people),
        ],
    )


def steps(rows: Sequence[StepRow], workflow_id: str, links: Links) -> Table[StepRow]:
    return Table(
        slug="steps",
        caption=_("Cost by step"),
        rows=rows,
        columns=[
            Column(name="workflow_id", find=lambda row: workflow_id),
            Column(
                name="step_id",
                heading=_("Step"),
                find=lambda row: row.step_id,
                url=lambda row: links.step(workflow_id, row.step_id),
            ),
            Column(name="call_count", heading=_("Calls"), look="count", find=lambda row: row.call_count),
            Column(name="error_count", heading=_("Errors"), look="count", find=lambda row: row.error_count),
            *_worth(),
            *_spread("latency", _("Answer"), lambda row: row.latency),
            *_spread("people", _("People’s wait"), lambda row: row.people),
        ],
    )


def dearest(rows: Sequence[ExecutionRow], names: Names) -> Table[ExecutionRow]:
    return Table(
        slug="executions",
        caption=_("The dearest runs"),
        rows=rows,
        columns=[
            Column(
                name="execution_id",
                heading=_("Run"),
                find=lambda row: row.execution_id,
                shown=lambda row: f"{names.get(row.workflow_id, row.workflow_id)} {str(row.execution_id)[:8]}",
                url=lambda row: execution_url(row.execution_id),
            ),
            Column(name="workflow_id", find=lambda row: row.workflow_id),
            Column(
                name="project_id",
                heading=_("Project"),
                find=lambda row: row.project_id,
                url=lambda row: reverse("project-page", args=(row.project_id,)),
            ),
            Column(
                name="status", heading=_("Status"), find=lambda row: row.status, shown=lambda row: badge(row.status)
            ),
            Column(name="started_at", heading=_("Started"), look="time", find=lambda row: row.started_at),
            Column(name="cost_usd", heading=_("Cost"), look="money", find=lambda row: row.cost_usd),
        ],
    )


def unpriced(rows: Sequence[UnpricedRow], links: Links) -> Table[UnpricedRow]:
    return Table(
        slug="unpriced",
        caption=_("Calls without a price"),
        rows=rows,
        has_money=False,
        columns=[
            Column(name="model", heading=_("Model"), look="code", find=lambda row: row.model),
            Column(
                name="call_count",
                heading=_("Calls"),
                look="count",
                find=lambda row: row.call_count,
                url=lambda row: links.unpriced(row.model),
            ),
            Column(name="is_known_now", find=lambda row: row.is_known_now),
        ],
    )


def prices(rows: Sequence[PriceRow]) -> Table[PriceRow]:
    """Dollars per million tokens; what the price data does not know is unknown, and never zero."""

    def price(name: str, heading: str | Promise, find: Callable[[PriceRow], Any]) -> Column[PriceRow]:
        return Column(name=f"{name}_usd_per_million", heading=heading, look="money", find=find, missing=UNKNOWN)

    return Table(
        slug="prices",
        caption=_("Prices per million tokens"),
        rows=rows,
        columns=[
            Column(name="model", heading=_("Model"), look="code", find=lambda row: row.model),
            Column(
                name="from_tokens",
                heading=_("Prompts from"),
                find=lambda row: row.from_tokens,
                shown=lambda row: f"{row.from_tokens:,}" if row.from_tokens else str(_("any length")),
            ),
            price("input", _("Input"), lambda row: row.input_usd),
            price("output", _("Output"), lambda row: row.output_usd),
            price("cache_read", _("Cache read"), lambda row: row.cache_read_usd),
            price("cache_write_5m", _("Write, 5 min"), lambda row: row.cache_write_5m_usd),
            price("cache_write_1h", _("Write, 1 h"), lambda row: row.cache_write_1h_usd),
            Column(name="price_version", heading=_("Price data"), find=lambda row: row.price_version),
        ],
    )


def budgets(rows: Sequence[BudgetState], shown: Callable[[BudgetState], str] | None = None) -> Table[BudgetState]:
    return Table(
        slug="budgets",
        caption=_("Budgets"),
        rows=rows,
        columns=[
            Column(name="budget", heading=_("Budget of"), find=lambda row: row.name, url=shown),
            Column(name="project_id", find=lambda row: row.project_id),
            Column(name="workflow_id", find=lambda row: row.workflow_id or None),
            Column(
                name="period",
                heading=_("Each"),
                find=lambda row: row.period,
                shown=lambda row: str(_("month") if row.period == "month" else _("day")),
            ),
            Column(name="starts_at", find=lambda row: row.starts_at),
            Column(name="ends_at", find=lambda row: row.ends_at),
            Column(name="amount_usd", heading=_("Amount"), look="money", find=lambda row: row.amount_usd),
            Column(name="spent_usd", heading=_("Spent"), look="money", find=lambda row: row.spent_usd),
            Column(name="reserved_usd", heading=_("Reserved"), look="money", find=lambda row: row.reserved_usd),
            Column(name="share", heading=_("Used"), look="share", find=lambda row: round(float(row.share), 6)),
        ],
    )


def execution_url(execution_id: UUID) -> str:
    return reverse("execution-page", args=(execution_id,))


def _worth() -> list[Column[Any]]:
    """What a workflow or a step cost, and what came of it."""
    return [
        Column(name="unpriced_call_count", find=lambda row: row.unpriced_count),
        Column(name="cost_usd", heading=_("Cost"), look="money", find=lambda row: row.cost_usd, missing=UNKNOWN),
        Column(name="share", heading=_("Share"), look="share", find=lambda row: row.share),
        Column(name="accepted_count", heading=_("Accepted"), look="count", find=lambda row: row.accepted_count),
        Column(
            name="cost_per_accepted_usd",
            heading=_("Per accepted"),
            look="money",
            find=lambda row: row.cost_per_accepted_usd,
        ),
        *_document_cost(),
        Column(name="first_pass_rate", heading=_("First pass"), look="share", find=lambda row: row.first_pass_rate),
        Column(
            name="tries_per_document",
            heading=_("Tries"),
            look="count",
            find=lambda row: row.tries_per_document,
            shown=lambda row: "–" if row.tries_per_document is None else f"{row.tries_per_document:.2f}",
        ),
        Column(name="rework_usd", heading=_("Rework"), look="money", find=lambda row: row.rework_usd),
    ]


def _document_cost() -> list[Column[Any]]:
    """What half of the accepted documents cost at most, and 19 of 20: about, since they are counted in buckets."""

    def part(key: str) -> Callable[[Any], Decimal | None]:
        return lambda row: None if row.document_cost is None else getattr(row.document_cost, f"{key}_usd")

    half, most = part("p50"), part("p95")

    def both(row: Any) -> str:
        return NOTHING if half(row) is None else f"≈ {money(half(row))} / {money(most(row))}"

    heading = f"{_('Document')} p50\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}p95"
    return [
        Column(name="document_cost_p50_usd", heading=heading, look="count", find=half, shown=both),
        Column(name="document_cost_p95_usd", find=most),
    ]


def _spread(name: str, what: str | Promise, find: Callable[[Any], Spread | None]) -> list[Column[Any]]:
    """Half of the times and 19 of 20 of them, each with its heading."""

    def part(key: str) -> Callable[[Any], int | None]:
        return lambda row: None if (spread := find(row)) is None else getattr(spread, f"{key}_ms")

    return [
        Column(name=f"{name}_{key}_ms", heading=f"{what} {key}".strip(), look="milliseconds", find=part(key))
        for key in ("p50", "p95")
    ]


def _cause(row: CauseRow) -> str:
    return words.cause_words(row.cause)


def _named(names: Names) -> Callable[[Any], str]:
    return lambda row: names.get(row.workflow_id, row.workflow_id)
