"""Charts of the cost pages: the drawing, its legend, and the table that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from executions.amounts import money
from telemetry.charts.colours import COUNT as MOST_SERIES
from telemetry.charts.colours import OTHER, colours_of
from telemetry.charts.stacked import Series, StackedBars
from telemetry.dashboard.values import Group, Kind, Stacked
from telemetry.dashboard.values import Series as Found
from telemetry.pages.tables import Column, Table
from telemetry.pages.words import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """One column of the table beside a chart."""

    key: str
    label: str
    values: Sequence[Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Amounts):
    """What is drawn in one colour. ``total`` is of the calls that have a price."""

    total: Decimal
    unpriced_count: int
    colour: int = OTHER

    @property
    def total_words(self) -> str:
        """Where all that is known is that something has no price, that is not zero."""
        return money(None if self.unpriced_count and not self.total else self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """One colour of a chart in words."""

    label: str
    colour: int
    total: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing with what belongs to it."""

    name: str
    title: str
    caption: str
    svg: SafeString
    legend: Sequence[LegendEntry]
    table: Table[int]


def daily_figure(found: Stacked, *, known: Sequence[str], names: dict[str, str], zone: ZoneInfo) -> Figure:
    """Draw the cost by day, or by week, the eight dearest series apart."""
    parts = _parts(found, known, names)
    bars = StackedBars(
        name="daily",
        title=_title(found),
        description=_description(found, parts),
        days=found.days,
        series=[Series(label=each.label, values=each.values, colour=each.colour) for each in parts],
        is_partial=found.is_partial_last,
        is_weekly=found.is_weekly,
    )
    return Figure(
        name=bars.name,
        title=bars.title,
        caption=_caption(found, zone),
        svg=bars.svg(),
        legend=[_legend_entry(each) for each in parts],
        table=daily_table(found.days, parts, heading=_("Week from") if found.is_weekly else _("Day")),
    )


def daily_table(days: Sequence[date], columns: Sequence[Amounts], *, heading: str | Promise) -> Table[int]:
    """Return a line for each day, or week, with the cost of each series and of all of them."""

    def of_series(each: Amounts) -> Column[int]:
        return Column(name=each.key, heading=each.label, look="money", find=lambda at: each.values[at])

    totals = [sum(amounts, Decimal(0)) for amounts in zip(*(each.values for each in columns), strict=True)]
    return Table(
        slug="daily",
        caption=_("Cost by day"),
        rows=range(len(days)),
        columns=[
            Column(name="date", heading=heading, find=lambda at: days[at], shown=lambda at: f"{days[at]:%a %Y-%m-%d}"),
            Column(
                name="total_cost_usd", heading=_("All"), look="money", find=lambda at: totals[at] if totals else None
            ),
            *(of_series(each) for each in columns),
        ],
    )


def whole_daily_table(found: Stacked, names: dict[str, str]) -> Table[int]:
    """Return the days with all series, for a file."""
    columns = [Amounts(key=each.key, label=label_of(found, each, names), values=each.values) for each in found.series]
    return daily_table(found.days, columns, heading=_("Day"))


def label_of(found: Stacked, each: Found, names: dict[str, str]) -> str:
    """Return what a series is called."""
    if found.group == Group.KIND:
        label: str | Promise = KINDS[Kind(each.key)]
        return str(label)
    return names.get(each.key, each.label) if found.group == Group.WORKFLOW else each.label


def _title(found: Stacked) -> str:
    what = {
        Group.MODEL: _("by model"),
        Group.WORKFLOW: _("by workflow"),
        Group.STEP: _("by step"),
        Group.KIND: _("by kind of token"),
    }[found.group]
    return (_("Cost per week, %(group)s") if found.is_weekly else _("Cost per day, %(group)s")) % {"group": what}


def _parts(found: Stacked, known: Sequence[str], names: dict[str, str]) -> list[Part]:
    """Return what has a colour of its own, and the rest together."""
    shown, rest = found.series[:MOST_SERIES], found.series[MOST_SERIES:]
    colours = colours_of((each.key for each in shown), known)
    parts = [
        Part(
            key=each.key,
            label=label_of(found, each, names),
            values=each.values,
            colour=colours[each.key],
            total=each.total_usd,
            unpriced_count=each.unpriced_count,
        )
        for each in shown
    ]
    if rest:
        added = [sum(amounts, Decimal(0)) for amounts in zip(*(each.values for each in rest), strict=True)]
        unpriced = sum(each.unpriced_count for each in rest)
        total = sum(added, Decimal(0))
        parts.append(Part(key="other", label=_("Other"), values=added, total=total, unpriced_count=unpriced))
    return parts


def _description(found: Stacked, parts: Sequence[Part]) -> str:
    """Say in words what is to be seen."""
    if not found.days:
        return ""
    each_part = ", ".join(f"{each.label} {each.total_words}" for each in parts)
    words = _("From %(first)s to %(last)s %(total)s in all. %(parts)s.") % {
        "first": date_format(found.days[0], "j F Y"),
        "last": date_format(found.last_day, "j F Y"),
        "total": money(found.total_usd),
        "parts": each_part or _("Nothing was spent"),
    }
    dearest = max(range(len(found.days)), key=lambda at: found.totals[at])
    if not found.totals[dearest]:
        return words
    most = _("Most in the week from %(day)s: %(amount)s.") if found.is_weekly else _("Most on %(day)s: %(amount)s.")
    day = date_format(found.days[dearest], "j F Y")
    return f"{words} " + most % {"day": day, "amount": money(found.totals[dearest])}


def _caption(found: Stacked, zone: ZoneInfo) -> str:
    words = _("Days of %(zone)s.") % {"zone": zone.key}
    if found.is_weekly:
        words += " " + _("Each bar is a week, from Monday on.")
    if len(found.series) > MOST_SERIES:
        top = _("The dearest %(shown)d of %(all)d; the rest as Other.")
        words += " " + top % {"shown": MOST_SERIES, "all": len(found.series)}
    if found.is_partial_last:
        words += " " + _("The last bar is hatched: it is not over.")
    return words


def _legend_entry(each: Part) -> LegendEntry:
    note = ""
    if each.unpriced_count and each.total:
        note = _("and %(count)s without a price") % {"count": f"{each.unpriced_count:,}"}
    return LegendEntry(label=each.label, colour=each.colour, total=each.total_words, note=note)
