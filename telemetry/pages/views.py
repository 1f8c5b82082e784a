"""The pages of costs: everything, one workflow, one step, and the calls behind every figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from executions.pages.viewers import viewer
from executions.services.budgets import states
from telemetry.dashboard import page as figures_of
from telemetry.dashboard.values import Filter, Group, Stacked, UnpricedRow
from telemetry.pages import figures
from telemetry.pages.access import costs_view
from telemetry.pages.budgets import budget_url, burn_down, chosen, concerned
from telemetry.pages.calls import calls_table, page_of_calls, without_price
from telemetry.pages.cards import before_words, cards_of, forecast_card, notes_of
from telemetry.pages.choices import known_keys, projects_of, workflow_names
from telemetry.pages.drawings import Figure, daily_figure
from telemetry.pages.filters import ZONES, CostFilters
from telemetry.pages.links import Links

Context = dict[str, Any]
Fill = Callable[["Asked"], Context]

MOST_BUDGETS = 12
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page needs to find its figures."""

    request: HttpRequest
    filters: CostFilters
    filter: Filter
    links: Links
    names: dict[str, str]
    now: datetime


@costs_view
def costs_page(request: HttpRequest) -> HttpResponseBase:
    return _page(request, "pages/costs/page.html", _everything)


@costs_view
def workflow_page(request: HttpRequest, workflow_id: str) -> HttpResponseBase:
    fixed = {"workflow": _checked(workflow_id)}
    return _page(request, "pages/costs/workflow.html", _of_workflow, fixed=fixed, group=Group.STEP)


@costs_view
def step_page(request: HttpRequest, workflow_id: str, step_id: str) -> HttpResponseBase:
    fixed = {"workflow": _checked(workflow_id), "step": _checked(step_id)}
    return _page(request, "pages/costs/step.html", _of_step, fixed=fixed)


@costs_view
def calls_page(request: HttpRequest) -> HttpResponseBase:
    return _page(request, "pages/costs/calls.html", _only_calls)


def _page(
    request: HttpRequest,
    template: str,
    fill: Fill,
    *,
    fixed: dict[str, str] | None = None,
    group: Group = Group.MODEL,
) -> HttpResponseBase:
    """Answer with a page whose figures ``fill`` finds. Where the filter is wrong there are none, and it says so."""
    now, user = timezone.now(), viewer(request)
    filters = CostFilters(request.GET, now=now, fixed=fixed, group=group)
    if filters.is_redundant:
        return HttpResponseRedirect(f"{request.path}?{filters.query}".removesuffix("?"))
    asked, names = filters.asked(user), workflow_names()
    place = fixed or {}
    links = Links(filters, workflow_id=place.get("workflow"), step_id=place.get("step"), group=group)
    context: Context = {
        **place,
        "workflow_name": names.get(place.get("workflow", "")),
        "filters": filters,
        "links": links,
        "zone": filters.zone,
        "zones": ZONES,
        "workflow_url": links.workflow(place["workflow"]) if place else "",
        "projects": projects_of(user),
        "names": names,
        "is_asked": asked is not None,
    }
    if asked is not None:
        found = Asked(request=request, filters=filters, filter=asked, links=links, names=names, now=now)
        context |= {"asked": asked, "before": before_words(asked), **fill(found)}
    return render(request, template, context)


def _everything(asked: Asked) -> Context:
    found = figures_of.dashboard(asked.filter, now=asked.now)
    budgets = concerned(states(viewer(asked.request), at=asked.now), asked.filter)
    shown = chosen(budgets, asked.request.GET.get("budget", ""))
    drawn = None if shown is None else burn_down(shown, now=asked.now)
    return {
        "is_empty": not found.cards.call_count.now,
        "cards": [
            *cards_of(found.cards, asked.filter, asked.links),
            forecast_card(found.forecast, shown, url="#budget" if budgets else asked.links.calls()),
        ],
        "notes": notes_of(found.totals),
        "daily": _daily(asked, found.stacked),
        "budgets": figures.budgets(budgets[:MOST_BUDGETS], lambda row: budget_url(asked.filters, row)),
        "budget_count": len(budgets),
        "burn_down": drawn,
        "rework": found.rework,
        "causes": figures.causes(found.rework),
        "outcomes": figures.outcomes(found.rework),
        "tokens": found.tokens,
        "kinds": figures.kinds(found.tokens),
        "waits": figures.waits(found.waits),
        "latencies": figures.latencies(found.latencies, asked.names, asked.links),
        "workflows": figures.workflows(found.workflows, asked.names, asked.links),
        "dearest": figures.dearest(found.dearest, asked.names),
        "unpriced_lines": _unpriced(asked, found.unpriced),
        "prices": figures.prices(found.prices),
        "models": sorted({row.model for row in found.prices}),
        "steps": sorted({row.step_id for row in found.latencies}),
    }


def _of_workflow(asked: Asked) -> Context:
    workflow_id = asked.filter.scope.workflow_id
    assert workflow_id is not None
    found = figures_of.dashboard(asked.filter, now=asked.now)
    steps = figures_of.workflow_steps(asked.filter, now=asked.now)
    return {
        "is_empty": not found.cards.call_count.now,
        "cards": cards_of(found.cards, asked.filter, asked.links),
        "notes": notes_of(found.totals),
        "daily": _daily(asked, found.stacked),
        "step_table": figures.steps(steps, workflow_id, asked.links),
        "rework": found.rework,
        "causes": figures.causes(found.rework),
        "outcomes": figures.outcomes(found.rework),
        "dearest": figures.dearest(found.dearest, asked.names),
        "unpriced_lines": _unpriced(asked, found.unpriced),
        "models": sorted({row.model for row in found.prices}),
        "steps": sorted(row.step_id for row in steps),
    }


def _of_step(asked: Asked) -> Context:
    found = figures_of.dashboard(asked.filter, now=asked.now)
    return {
        "is_empty": not found.cards.call_count.now,
        "cards": cards_of(found.cards, asked.filter, asked.links, all_url=asked.links.all()),
        "notes": notes_of(found.totals),
        "daily": _daily(asked, found.stacked),
        "waits": figures.waits(found.waits),
        "latencies": figures.latencies(found.latencies, asked.names, asked.links),
        "unpriced_lines": _unpriced(asked, found.unpriced),
        "models": sorted({row.model for row in found.prices}),
        **_calls(asked),
    }


def _only_calls(asked: Asked) -> Context:
    found = _calls(asked)
    return {"is_empty": not found["page"].rows, **found}


def _calls(asked: Asked) -> Context:
    rows = figures_of.calls(asked.filter)
    is_unpriced = bool(asked.request.GET.get("unpriced"))
    page = page_of_calls(asked.request, without_price(rows) if is_unpriced else rows)
    return {"page": page, "calls": calls_table(page.rows), "is_unpriced": is_unpriced}


def _daily(asked: Asked, found: Stacked) -> Figure:
    known = known_keys(found.group, asked.names)
    return daily_figure(found, known=known, names=asked.names, zone=asked.filter.zone)


def _unpriced(asked: Asked, rows: Sequence[UnpricedRow]) -> list[tuple[UnpricedRow, str]]:
    """Return each model that has no price, with the address of its calls."""
    return [(row, asked.links.unpriced(row.model)) for row in rows]


def _checked(name: str) -> str:
    """:raises Http404: no workflow and no step can be called that."""
    if len(name) > _LONGEST_ID or not name.isprintable():
        raise Http404("There is no such page.")
    return name
