"""What ``--dry-run`` prints: that the execution could be started, and what such runs have cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from executions.amounts import money, span
from executions.services.estimates import Estimate
from executions.terminal.options import Options
from executions.terminal.wording import clean, counted, exact

if TYPE_CHECKING:
    from workflows.models import WorkflowRevision


def print_rehearsal(stdout: TextIO, options: Options, revision: WorkflowRevision, estimate: Estimate | None) -> None:
    """Print lines for people, or with ``--json`` one object."""
    if options.is_json:
        stdout.write(json.dumps(_as_json(options, revision, estimate), separators=(",", ":")) + "\n")
    else:
        name = f"{clean(revision.workflow_id)}, revision {clean(revision.revision)}"
        stdout.write(f"{name}, could be started in project {options.project_id}. Nothing was started.\n")
        for line in _lines(estimate, options.budget_usd):
            stdout.write(f"{line}\n")
    stdout.flush()


def _lines(estimate: Estimate | None, budget: Decimal | None) -> Iterator[str]:
    if estimate is None:
        yield "No run of this workflow has been completed yet, so nothing is known about its cost."
        return
    of = "this revision" if estimate.is_of_revision else "other revisions (this one has none yet)"
    yield f"Of the {counted(estimate.run_count, 'newest completed run')} of {of}, half and 95 of 100 stayed within:"
    yield f"  cost   {money(estimate.median_cost_usd)}, {money(estimate.p95_cost_usd)}"
    yield f"  time   {span(estimate.median_duration)}, {span(estimate.p95_duration)}, with people's"
    yield f"They made {counted(estimate.median_call_count, 'model call')}, by the median."
    if estimate.unpriced_run_count:
        yield f"Calls without a known price: in {counted(estimate.unpriced_run_count, 'run')}, left out of the cost."
    if estimate.offline_run_count:
        yield f"Answered by the offline model, for which nobody paid: {counted(estimate.offline_run_count, 'run')}."
    if not estimate.covers(budget):
        assert budget is not None
        yield f"The budget of {money(budget)} is less than half of them took."


def _as_json(options: Options, revision: WorkflowRevision, estimate: Estimate | None) -> dict[str, Any]:
    return {
        "is_dry_run": True,
        "workflow_id": revision.workflow_id,
        "revision": revision.revision,
        "project_id": options.project_id,
        "budget_usd": None if options.budget_usd is None else exact(options.budget_usd),
        "step_count": revision.step_count,
        "estimate": None if estimate is None else _figures(estimate),
    }


def _figures(estimate: Estimate) -> dict[str, Any]:
    return {
        "run_count": estimate.run_count,
        "is_of_revision": estimate.is_of_revision,
        "median_cost_usd": _amount(estimate.median_cost_usd),
        "p95_cost_usd": _amount(estimate.p95_cost_usd),
        "median_duration_ms": estimate.median_duration_ms,
        "p95_duration_ms": estimate.p95_duration_ms,
        "median_call_count": estimate.median_call_count,
        "unpriced_run_count": estimate.unpriced_run_count,
        "offline_run_count": estimate.offline_run_count,
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else exact(amount)
