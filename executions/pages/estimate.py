"""What such runs have cost, in the words of the start page."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from executions.amounts import money, span
from executions.services.estimates import Estimate

_ENOUGH_FOR_P95 = 20


def figures(estimate: Estimate) -> list[tuple[str, str, str]]:
    """Return what each figure is called, its value for half of the runs, and what nearly all stayed within."""
    priced = estimate.run_count - estimate.unpriced_run_count
    return [
        (_("Cost"), money(estimate.median_cost_usd), _most(money(estimate.p95_cost_usd), priced)),
        (
            _("Time, people's included"),
            span(estimate.median_duration),
            _most(span(estimate.p95_duration), estimate.run_count),
        ),
        (_("Model calls"), str(estimate.median_call_count), ""),
    ]


def _most(value: str, count: int) -> str:
    """Say what 95 of 100 runs stayed within; of fewer than 20 that is all of them."""
    if count < 2:
        return ""
    said = _("95 of 100 within %(value)s") if count >= _ENOUGH_FOR_P95 else _("all within %(value)s")
    return said % {"value": value}


def drawn_from(estimate: Estimate) -> str:
    """Say which runs the figures are of, and what of them must not be taken at its word."""
    count = {"count": estimate.run_count}
    if estimate.is_of_revision:
        said = ngettext(
            "From %(count)d completed run of this revision.",
            "Half of the %(count)d newest completed runs of this revision stayed within these figures.",
            estimate.run_count,
        )
    else:
        said = ngettext(
            "From %(count)d completed run of another revision: this one has none yet.",
            "Half of the %(count)d newest completed runs of other revisions stayed within these figures:"
            " this one has none yet.",
            estimate.run_count,
        )
    return " ".join([said % count, *_doubts(estimate)])


def _doubts(estimate: Estimate) -> list[str]:
    doubts = []
    if count := estimate.unpriced_run_count:
        said = ngettext(
            "%(count)d had calls without a known price and is left out of the cost.",
            "%(count)d had calls without a known price and are left out of the cost.",
            count,
        )
        doubts.append(said % {"count": count})
    if count := estimate.offline_run_count:
        said = ngettext(
            "%(count)d was answered by the offline model, for which nobody paid.",
            "%(count)d were answered by the offline model, for which nobody paid.",
            count,
        )
        doubts.append(said % {"count": count})
    return doubts


def budget_warning(estimate: Estimate | None, budget: Decimal | None) -> str:
    """Say so where a budget is smaller than what such runs have cost; nothing where it is not, or nothing is known."""
    if estimate is None or budget is None or estimate.covers(budget):
        return ""
    return _(
        "A budget of %(budget)s is less than such runs have cost: half of them took %(median)s or more."
        " The run stops where the budget ends; a retry with a larger one goes on from there."
    ) % {"budget": money(budget), "median": money(estimate.median_cost_usd)}
