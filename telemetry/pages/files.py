"""The tables of the cost pages as CSV: with the same filter, exact, and sent while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from executions.pages.viewers import viewer
from executions.services.budgets import states
from telemetry.dashboard import page as figures_of
from telemetry.dashboard.values import Filter
from telemetry.exports import cell, csv_response
from telemetry.pages import figures
from telemetry.pages.access import costs_view
from telemetry.pages.budgets import concerned
from telemetry.pages.calls import file_columns, file_rows, without_price
from telemetry.pages.choices import workflow_names
from telemetry.pages.drawings import whole_daily_table
from telemetry.pages.filters import CostFilters
from telemetry.pages.links import Links
from telemetry.pages.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a file is made of."""

    user: User
    filter: Filter
    links: Links
    now: datetime


Make = Callable[[Wanted], Table[Any]]

_NO_NAMES: dict[str, str] = {}
TABLES: dict[str, Make] = {
    "daily": lambda it: whole_daily_table(figures_of.stacked(it.filter, now=it.now), workflow_names()),
    "rework": lambda it: figures.causes(figures_of.rework(it.filter, now=it.now)),
    "outcomes": lambda it: figures.outcomes(figures_of.rework(it.filter, now=it.now)),
    "tokens": lambda it: figures.kinds(figures_of.tokens(it.filter, now=it.now)),
    "waits": lambda it: figures.waits(figures_of.waits(it.filter, now=it.now)),
    "latency": lambda it: figures.latencies(figures_of.latencies(it.filter, now=it.now), _NO_NAMES, it.links),
    "workflows": lambda it: figures.workflows(figures_of.workflows(it.filter, now=it.now), _NO_NAMES, it.links),
    "executions": lambda it: figures.dearest(figures_of.dearest(it.filter, now=it.now), _NO_NAMES),
    "unpriced": lambda it: figures.unpriced(figures_of.unpriced(it.filter, now=it.now), it.links),
    "prices": lambda it: figures.prices(figures_of.prices(it.filter, now=it.now)),
    "budgets": lambda it: figures.budgets(concerned(states(it.user, at=it.now), it.filter)),
}


@costs_view
def table_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Answer with a table, or with the calls themselves; where the filter is wrong, with the page that says so."""
    user, now = viewer(request), timezone.now()
    filters = CostFilters(request.GET, now=now)
    asked = filters.asked(user)
    if asked is None:
        return HttpResponseRedirect(f"{reverse('costs-page')}?{filters.query}")
    columns, rows = _content(slug, Wanted(user=user, filter=asked, links=Links(filters), now=now), request)
    name = f"costs-{slug}-{asked.start}-{asked.end}"
    return csv_response(request, name, [cell(each, asked.zone) for each in columns], rows, asked.zone)


def _content(slug: str, wanted: Wanted, request: HttpRequest) -> tuple[list[str], Iterable[list[Any]]]:
    """:raises Http404: there is no such table."""
    if slug == "calls":
        rows = figures_of.calls(wanted.filter)
        return file_columns(), file_rows(without_price(rows) if request.GET.get("unpriced") else rows)
    if slug == "steps" and (workflow_id := wanted.filter.scope.workflow_id):
        table: Table[Any] = figures.steps(
            figures_of.workflow_steps(wanted.filter, now=wanted.now), workflow_id, wanted.links
        )
    elif slug in TABLES:
        table = TABLES[slug](wanted)
    else:
        raise Http404("There is no such table.")
    return table.file_columns(), table.file_rows()
