"""Events in words: one line each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from executions.terminal.following import Happening
from executions.terminal.wording import clean, counted, listed, money, short

_ITEM = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``style`` is a colour for terminals that have some. A passing line says what a live display shows meanwhile."""

    symbol: str
    style: str
    text: str
    step: str = ""
    items: str = ""
    is_passing: bool = False


def step_label(path: str) -> tuple[str, str]:
    """Return the step's own name, and the items that it stands in (``E1/S2``)."""
    return clean(path.rpartition(".")[2]), clean("/".join(_ITEM.findall(path)))


def describe(happening: Happening) -> Line | None:
    """Return the line of an event, or ``None`` where the one before has said it."""
    if happening.event_type == "step_completed" and happening.data.get("document_id") is not None:
        return None  # its document was created, or accepted
    symbol, style, text = _WORDS[happening.event_type](happening)
    step, items = step_label(happening.path)
    is_passing = happening.event_type == "step_started"
    return Line(symbol=symbol, style=style, text=text, step=step, items=items, is_passing=is_passing)


_Words = tuple[str, str, str]


def _execution_started(happening: Happening) -> _Words:
    data = happening.data
    return "▶", "bold", f"started: {clean(data['workflow_id'])} {short(data['revision'], 40)}"


def _step_started(happening: Happening) -> _Words:
    data = happening.data
    return "·", "dim", f"started (attempt {data['attempt']}, {clean(data['model'] or 'no model')})"


def _step_retrying(happening: Happening) -> _Words:
    data = happening.data
    findings = data.get("findings") or []
    cause = f": {short(findings[0].get('detail', ''), 200)}" if findings else ""
    words = {
        "output_invalid": f"is corrected, attempt {data['attempt']}{cause}",
        "provider_error": f"is tried again{cause}",
        "worker_lost": "lost its worker and is taken over",
        "rework": f"is written again with the comments (attempt {data['attempt']})",
    }
    return "↻", "yellow", words.get(data["reason"], f"is tried again: {data['reason']}")


def _step_completed(_happening: Happening) -> _Words:
    return "✓", "green", "all items done"  # only an iteration has no document


def _step_failed(happening: Happening) -> _Words:
    return "✗", "red", f"failed ({happening.data['code']}): {short(happening.data['detail'])}"


def _clarification_needed(happening: Happening) -> _Words:
    return "?", "magenta", f"asks {counted(len(happening.data['questions']), 'question')}"


def _clarification_answered(happening: Happening) -> _Words:
    return "·", "magenta", f"answered by {clean(happening.data['by'])}"


def _acceptance_needed(happening: Happening) -> _Words:
    data = happening.data
    roles = f" by {listed(data['roles'])}" if data["roles"] else ""
    return "?", "magenta", f"waits for acceptance{roles}"


def _acceptance_decided(happening: Happening) -> _Words:
    data = happening.data
    comment = f": {short(data['comment'], 200)}" if data["comment"] else ""
    verb, style = {"accept": ("accepted", "green"), "reject": ("rejected", "red")}.get(
        data["decision"], ("sent back", "yellow")
    )
    return {"green": "✓", "red": "✗"}.get(style, "↻"), style, f"{verb} by {clean(data['by'])}{comment}"


def _document_created(happening: Happening) -> _Words:
    data = happening.data
    title = f"  {short(happening.title, 120)}" if happening.title else ""
    return "✓", "green", f"{clean(data['doc_type'])} v{data['version']}{title}"


def _iteration_expanded(happening: Happening) -> _Words:
    items = happening.data["items"]
    named = f": {listed(items)}" if items else ""
    return "▸", "cyan", f"{counted(happening.data['total'], 'item')}{named}"


def _execution_retried(happening: Happening) -> _Words:
    reason = f": {short(happening.data['reason'])}" if happening.data["reason"] else ""
    return "▶", "bold", f"retried by {clean(happening.data['by'])}{reason}"


def _budget_warning(happening: Happening) -> _Words:
    data = happening.data
    subject = {
        "execution": "this run's budget",
        "project": "the project's budget",
        "project_workflow": f"the project's budget for {data['workflow_id']}",
        "workflow": f"the budget of all runs of {data['workflow_id']}",
    }.get(data["scope"], "the budget of all runs")
    known = data["spent_usd"] is not None
    figures = f" ({money(Decimal(data['spent_usd']))} of {money(Decimal(data['budget_usd']))} spent)" if known else ""
    told = (
        f"{clean(subject)} is used up" if data["percent"] >= 100 else f"{data['percent']}% of {clean(subject)} is used"
    )
    return "!", "yellow", f"{told}{figures}"


def _execution_completed(_happening: Happening) -> _Words:
    return "✓", "bold green", "completed"


def _execution_failed(happening: Happening) -> _Words:
    return "✗", "bold red", f"failed ({happening.data['code']})"


def _execution_cancelled(happening: Happening) -> _Words:
    reason = f": {short(happening.data['reason'])}" if happening.data["reason"] else ""
    return "✗", "bold red", f"cancelled by {clean(happening.data['by'])}{reason}"


_WORDS: dict[str, Callable[[Happening], _Words]] = {
    "execution_started": _execution_started,
    "step_started": _step_started,
    "step_retrying": _step_retrying,
    "step_completed": _step_completed,
    "step_failed": _step_failed,
    "clarification_needed": _clarification_needed,
    "clarification_answered": _clarification_answered,
    "acceptance_needed": _acceptance_needed,
    "acceptance_decided": _acceptance_decided,
    "document_created": _document_created,
    "iteration_expanded": _iteration_expanded,
    "execution_retried": _execution_retried,
    "budget_warning": _budget_warning,
    "execution_completed": _execution_completed,
    "execution_failed": _execution_failed,
    "execution_cancelled": _execution_cancelled,
}
