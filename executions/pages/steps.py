"""The pages of a step and of one of its tries: what was tried, what it cost, what was wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from documents.models import Document
from documents.rendering import raw_json, visible
from executions.amounts import NOTHING, duration, money, span
from executions.api.attempts import response_text, with_attempts
from executions.api.pictures import items_around
from executions.models import Attempt, AttemptStatus, Execution, Gate, LLMCall, Step
from executions.pages.live import visible_run
from executions.pages.live_log import step_label
from executions.pages.viewers import page, viewer
from workflows.definition import ProductionStep

MOST_OUTPUT = 200_000
MOST_COMPARED = 40_000
_CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the model, as the page shows it."""

    call: LLMCall
    cost: str
    took: str
    first_token: str
    output: str
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt with its calls. ``number`` counts all tries, the model is told of content attempts only."""

    attempt: Attempt
    took: str
    cost: str
    calls: Sequence[Call]

    @property
    def output(self) -> str:
        return next((call.output for call in reversed(self.calls) if call.output), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a comparison: ``+`` added, ``-`` removed, else kept."""

    mark: str
    text: str


@page()
def step_page(request: HttpRequest, execution_id: UUID, path: str) -> HttpResponse:
    execution, step = _visible(request, execution_id, path)
    with_attempts(execution, [step], with_responses=False)
    tries = _tries(step, is_staff=False)
    gates = Gate.objects.filter(step=step).defer("answers", "policy").prefetch_related("decisions")
    context = {
        **_about(execution, step),
        "tries": tries[::-1],
        "documents": _documents(execution, step),
        "gates": list(gates.order_by("opened_at", "id")),
    }
    return render(request, "pages/executions/live/step.html", context)


@page()
def attempt_page(request: HttpRequest, execution_id: UUID, path: str, number: int) -> HttpResponse:
    """Show one try; to staff with what the model wrote, and what was different in the try that ``against`` names."""
    execution, step = _visible(request, execution_id, path)
    is_staff = viewer(request).is_staff or viewer(request).is_superuser
    with_attempts(execution, [step], with_responses=is_staff)
    tries = _tries(step, is_staff=is_staff)
    shown = next((each for each in tries if each.attempt.n == number), None)
    if shown is None:
        raise Http404("There is no such try.")
    other = _other(request, tries, shown)
    context = {
        **_about(execution, step),
        "shown": shown,
        "tries": tries,
        "is_staff": is_staff,
        "other": other,
        "lines": list(compared(other.output, shown.output)) if other is not None and is_staff else [],
    }
    return render(request, "pages/executions/live/attempt.html", context)


def compared(old: str, new: str) -> Iterator[Line]:
    """Yield the lines in which two outputs differ, with some around them. JSON is laid out first."""
    before, after = _laid_out(old), _laid_out(new)
    for line in difflib.unified_diff(before, after, lineterm="", n=_CONTEXT_LINES):
        if not line.startswith(("---", "+++")):
            mark = line[0] if line[0] in "+-@" else ""
            yield Line(mark=mark, text=line[1:] if mark != "@" else "…")


def _visible(request: HttpRequest, execution_id: UUID, path: str) -> tuple[Execution, Step]:
    execution = visible_run(request, execution_id)
    # PostgreSQL takes no NUL, and no path of ours holds one.
    step = Step.objects.filter(execution=execution, path=path).defer("carry").first() if "\0" not in path else None
    if step is None:
        raise Http404("There is no such step.")
    return execution, step


def _about(execution: Execution, step: Step) -> dict[str, object]:
    definition = execution.revision.parsed()
    found = definition.step(step.step_id)
    names = {each.step_id: each.name for each in definition.walk()}
    produced = definition.document_types.get(found.produces) if isinstance(found, ProductionStep) else None
    return {
        "execution": execution,
        "name": definition.name,
        "step": step,
        "label": step_label(step.path, step.step_id, names),
        "items": [item for _path, item in items_around(step.path)],
        "definition_step": found,
        "produces": produced.name if produced is not None else "",
    }


def _tries(step: Step, *, is_staff: bool) -> list[Try]:
    now = timezone.now()
    attempts: list[Attempt] = step.tried  # type: ignore[attr-defined] # gathered before
    return [_try(attempt, now, is_staff=is_staff) for attempt in attempts]


def _try(attempt: Attempt, now: datetime, *, is_staff: bool) -> Try:
    calls: list[LLMCall] = attempt.called  # type: ignore[attr-defined] # gathered before
    is_on = attempt.status == AttemptStatus.RUNNING
    priced = [call.cost_usd for call in calls if call.cost_usd is not None]
    has_unknown = any(call.cost_usd is None and call.status != "in_flight" for call in calls)
    cost = money(sum(priced)) if priced else ""  # type: ignore[arg-type] # a sum of decimals, not of nothing
    unknown = "unknown" if has_unknown else ""
    return Try(
        attempt=attempt,
        took=duration(attempt.started_at, attempt.finished_at or (now if is_on else None)),
        cost=" + ".join(filter(None, (cost, unknown))) or NOTHING,
        calls=[_call(call, is_staff=is_staff) for call in calls],
    )


def _call(call: LLMCall, *, is_staff: bool) -> Call:
    text = visible(response_text(call) or "") if is_staff else ""
    return Call(
        call=call,
        cost=money(call.cost_usd) if call.status != "in_flight" or call.cost_usd is not None else NOTHING,
        took=_milliseconds(call.latency_ms),
        first_token=_milliseconds(call.time_to_first_token_ms),
        output=text[:MOST_OUTPUT],
        is_cut=len(text) > MOST_OUTPUT,
    )


def _milliseconds(count: int | None) -> str:
    return NOTHING if count is None else span(timedelta(milliseconds=count))


def _documents(execution: Execution, step: Step) -> list[Document]:
    rows = Document.objects.filter(execution_id=execution.pk, created_by_step=step.path)
    return list(rows.defer("content", "summary").order_by("-version"))


def _other(request: HttpRequest, tries: Sequence[Try], shown: Try) -> Try | None:
    """Return the try to compare with: the one that was asked for, else the one before."""
    asked = request.GET.get("against", "")
    if asked:
        return next((each for each in tries if str(each.attempt.n) == asked and each is not shown), None)
    earlier = [each for each in tries if each.attempt.n < shown.attempt.n and each.output]
    return earlier[-1] if earlier and shown.output else None


def _laid_out(text: str) -> list[str]:
    text = text[:MOST_COMPARED]
    try:
        return raw_json(json.loads(text)).split("\n")
    except (ValueError, RecursionError):
        return text.split("\n")
