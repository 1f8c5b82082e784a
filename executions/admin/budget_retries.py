"""Having runs go on that a budget has stopped: asked once for all of them, then done run by run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from executions.admin.people import person
from executions.models import Budget
from executions.services.access import OPERATOR, is_operator
from executions.services.stopped import go_on, stopped_by

MOST_RUNS = 100
_TEMPLATE = "admin/executions/budget/retry.html"


def retry_stopped(request: HttpRequest, site: admin.AdminSite, budget: Budget) -> HttpResponse:
    """Show the runs that ``budget`` has stopped (GET), or retry those that were ticked (POST)."""
    user = person(request)
    stopped = stopped_by(budget, user)
    context: dict[str, Any] = {**site.each_context(request), "title": "Let runs go on?", "budget": budget}
    if request.method == "POST" and (chosen := _chosen(request.POST)):
        results = go_on(actor=user, executions=stopped.filter(pk__in=chosen)[:MOST_RUNS])
        done = [each for each in results if not each.problem]
        context |= {
            "title": f"{len(done)} of {len(chosen)} go on",
            "is_done": True,
            "done": done,
            "failed": [each for each in results if each.problem],
            "gone_count": len(chosen) - len(results),
        }
        return TemplateResponse(request, _TEMPLATE, context)
    context |= {
        "runs": stopped.select_related("started_by")[:MOST_RUNS],
        "run_count": stopped.count(),
        "most": MOST_RUNS,
        "role_needed": "" if is_operator(user) else OPERATOR,
        "problem": "Choose at least one run." if request.method == "POST" else "",
    }
    return TemplateResponse(request, _TEMPLATE, context)


def _chosen(data: QueryDict) -> set[UUID]:
    keys = set()
    for text in data.getlist("run")[:MOST_RUNS]:
        try:
            keys.add(UUID(text))
        except ValueError:
            continue
    return keys
