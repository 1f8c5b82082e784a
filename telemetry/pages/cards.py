"""The figures on top of the cost pages, each beside that of the period before and with a link to what is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from executions.amounts import NOTHING, money
from executions.services.budgets import BudgetState
from telemetry.dashboard.values import Cards, Compared, Filter, Forecast
from telemetry.pages import words
from telemetry.pages.links import Links
from telemetry.totals import Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One figure. ``exact`` is the amount with all its places; ``change`` compares it, ``note`` says what it is of."""

    label: str | Promise
    value: str
    url: str
    change: str = ""
    note: str = ""
    exact: str = ""


def cards_of(found: Cards, asked: Filter, links: Links, *, all_url: str = "") -> list[Card]:
    """Return the cards. ``all_url`` is the page on which the tables stand, where that is another one."""
    table = f"{all_url}#worth"
    accepted, per_accepted = found.accepted_count, found.cost_per_accepted_usd
    return [
        _spend(found, links),
        Card(
            label=gettext_lazy("Cost per accepted document"),
            value=_per(per_accepted.now, accepted.now),
            exact=words.exact(per_accepted.now),
            change=_money_change(per_accepted),
            note=_of_documents(found),
            url=table,
        ),
        Card(
            label=gettext_lazy("Accepted documents"),
            value=words.count(accepted.now),
            change=_count_change(accepted),
            url=_documents_url(asked),
        ),
        Card(
            label=gettext_lazy("Accepted in the first version"),
            value=words.share(found.first_pass_rate.now),
            change=_rate_change(found.first_pass_rate),
            url=table,
        ),
        Card(
            label=gettext_lazy("Rework"),
            value=words.share(found.rework_rate.now),
            change=_rate_change(found.rework_rate),
            note=_("%(amount)s of the spend") % {"amount": money(found.rework_usd.now)},
            exact=words.exact(found.rework_usd.now),
            url=f"{all_url}#rework",
        ),
        Card(
            label=gettext_lazy("Failed runs"),
            value=words.share(found.failure_rate.now),
            change=_rate_change(found.failure_rate),
            note=_runs(found.execution_count.now),
            url=_failed_url(asked),
        ),
    ]


def forecast_card(found: Forecast, budget: BudgetState | None, *, url: str) -> Card:
    """Return what this month will have cost, and how much of the budget that is drawn below is used."""
    note = _("%(amount)s so far") % {"amount": money(found.spent_usd)}
    if budget is not None:
        note += "; " + _("%(share)s of the budget of %(name)s is used") % {
            "share": words.share(float(budget.share)),
            "name": budget.name,
        }
    return Card(
        label=gettext_lazy("Forecast for this month"),
        value=money(found.forecast_usd),
        exact=words.exact(found.forecast_usd),
        note=note,
        url=url,
    )


def notes_of(totals: Totals) -> list[str]:
    """Return what part of the calls nobody was paid for, and what part of the spend is not certain."""
    found = []
    if count := totals.offline_count:
        words_of_count = ngettext(
            "%(count)s of %(all)s calls was answered by the offline model: priced like others, and paid to nobody.",
            "%(count)s of %(all)s calls were answered by the offline model: priced like others, and paid to nobody.",
            count,
        )
        found.append(words_of_count % {"count": f"{count:,}", "all": f"{totals.call_count:,}"})
    if count := totals.estimated_count:
        words_of_count = ngettext(
            "%(amount)s is an estimate, of %(count)s call whose end nobody saw.",
            "%(amount)s is an estimate, of %(count)s calls whose end nobody saw.",
            count,
        )
        found.append(words_of_count % {"amount": money(totals.estimated_cost_usd), "count": f"{count:,}"})
    return found


def _spend(found: Cards, links: Links) -> Card:
    calls = found.call_count.now or 0
    note = ngettext("%(count)s call", "%(count)s calls", calls) % {"count": f"{calls:,}"}
    if unpriced := found.unpriced_count.now:
        note += ", " + _("%(count)s of them without a price") % {"count": f"{unpriced:,}"}
    return Card(
        label=gettext_lazy("Spend"),
        value=money(found.spend_usd.now),
        exact=words.exact(found.spend_usd.now),
        change=_money_change(found.spend_usd),
        note=note,
        url=links.calls(),
    )


def _per(amount: Decimal | None, accepted: int | None) -> str:
    """A cost by no documents is nothing; one that cannot be known is unknown."""
    return NOTHING if amount is None and not accepted else money(amount)


def _of_documents(found: Cards) -> str:
    if found.accepted_count.now is None:
        return _("Documents are of no one model.")
    return "" if found.accepted_count.now else _("Nothing was accepted.")


def _runs(count: int | None) -> str:
    if count is None:
        return _("Runs are of no one step or model.")
    return ngettext("of %(count)s run", "of %(count)s runs", count) % {"count": f"{count:,}"}


def _money_change(figure: Compared[Decimal]) -> str:
    return _compared(words.change(figure.now, figure.before), money(figure.before), figure.before is not None)


def _count_change(figure: Compared[int]) -> str:
    now, before = (None if value is None else Decimal(value) for value in (figure.now, figure.before))
    return _compared(words.change(now, before), words.count(figure.before), before is not None)


def _rate_change(figure: Compared[float]) -> str:
    return _compared(words.points(figure.now, figure.before), words.share(figure.before), figure.before is not None)


def _compared(change: str, before: str, is_known: bool) -> str:
    """Say how a figure has changed, and what it was."""
    if not is_known:
        return ""
    return f"{change} ({before})" if change else _("%(before)s before") % {"before": before}


def _documents_url(asked: Filter) -> str:
    query = {"status": "accepted"}
    if asked.scope.projects is not None and len(asked.scope.projects) == 1:
        query["project"] = asked.scope.projects[0]
    return f"{reverse('documents-page')}?{urlencode(query)}"


def _failed_url(asked: Filter) -> str:
    query = {"status": "failed", "started_from": asked.start.isoformat(), "started_to": asked.end.isoformat()}
    if asked.scope.projects is not None and len(asked.scope.projects) == 1:
        query["project"] = asked.scope.projects[0]
    if asked.scope.workflow_id is not None:
        query["workflow"] = asked.scope.workflow_id
    return f"{reverse('executions-page')}?{urlencode(query)}"


def before_words(asked: Filter) -> str:
    """Say which period the figures are compared with."""
    before = asked.before
    if before.start == before.end:
        return _("Compared with %(day)s.") % {"day": before.start.isoformat()}
    return _("Compared with the %(count)s days before, %(first)s to %(last)s.") % {
        "count": (before.end - before.start + timedelta(days=1)).days,
        "first": before.start.isoformat(),
        "last": before.end.isoformat(),
    }
