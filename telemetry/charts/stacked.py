"""Amounts day by day, stacked by what they were spent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from executions.amounts import money
from telemetry.charts.axis import Axis, axis_for
from telemetry.charts.colours import OTHER
from telemetry.charts.days import day_marks, day_words
from telemetry.charts.elements import NOTHING, element, joined, number, percent

HEIGHT, ABOVE, BELOW = 200, 20, 28
# How much of its place a bar takes. Where there are many days, gaps between them would be all that is seen.
_BAR_SHARE, _DENSE_SHARE, _DENSE = Decimal("0.72"), Decimal("0.9"), 60
# Beyond this a word that begins in the middle of its bar would leave the drawing.
_NEAR_END = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one thing cost by day, in US dollars; ``None`` is unknown. ``colour`` is 1 to 8, or 0 for the rest."""

    label: str
    values: Sequence[Decimal | None]
    colour: int = OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedBars:
    """A drawing. ``name`` is unique on its page; the last bar is drawn as one that is not over if ``is_partial``.

    ``days`` are the days of the bars, or where ``is_weekly`` the first days of their weeks.
    """

    name: str
    title: str
    description: str
    days: Sequence[date]
    series: Sequence[Series]
    is_partial: bool = False
    is_weekly: bool = False

    def svg(self) -> SafeString:
        totals = [total([each.values[at] for each in self.series]) for at in range(len(self.days))]
        highest = max((each or Decimal(0) for each in totals), default=Decimal(0))
        axis = axis_for(highest, height=HEIGHT, above=ABOVE)
        return element(
            "svg",
            element("title", self.title, id=f"{self.name}-title"),
            element("desc", self.description, id=f"{self.name}-desc"),
            self._hatch() if self.is_partial else NOTHING,
            axis.drawn(),
            *(self._day(at, amount, axis) for at, amount in enumerate(totals)),
            day_marks(self.days, y=axis.ground + 18),
            class_="chart",
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-desc",
            width="100%",
            height=ABOVE + HEIGHT + BELOW,
        )

    def _day(self, at: int, amount: Decimal | None, axis: Axis) -> SafeString:
        slot = Decimal(100) / len(self.days)
        share = _BAR_SHARE if len(self.days) <= _DENSE else _DENSE_SHARE
        across = {"x": percent(slot * at + slot * (1 - share) / 2), "width": percent(slot * share)}
        is_partial = self.is_partial and at == len(self.days) - 1
        return element(
            "g",
            element("title", self._words(at, amount, is_partial=is_partial)),
            # Where the pointer finds the day, however little was spent on it.
            element("rect", x=percent(slot * at), width=percent(slot), y=ABOVE, height=HEIGHT, class_="chart-reach"),
            *self._pieces(at, axis, across),
            self._partial(across, axis, amount or Decimal(0), slot * at + slot / 2) if is_partial else NOTHING,
            class_="chart-day",
        )

    def _pieces(self, at: int, axis: Axis, across: dict[str, str]) -> list[SafeString]:
        top, pieces = Decimal(axis.ground), []
        for each in self.series:
            if amount := each.values[at]:
                length = axis.length(amount)
                top -= length
                name = f"series-{each.colour}"
                pieces.append(element("rect", **across, y=number(top), height=number(length), class_=name))
        return pieces

    def _partial(self, across: dict[str, str], axis: Axis, amount: Decimal, middle: Decimal) -> SafeString:
        """Mark a day that is not over: hatched as far as it has come, and so called."""
        top = axis.y(amount)
        is_last = middle > _NEAR_END
        words = element(
            "text",
            _("so far"),
            x="100%" if is_last else percent(middle),
            y=number(max(top - 6, Decimal(12))),
            class_="chart-note chart-end" if is_last else "chart-note",
        )
        hatched = element(
            "rect", **across, y=number(top), height=number(axis.length(amount)), fill=f"url(#{self.name}-hatch)"
        )
        return joined([hatched, words])

    def _hatch(self) -> SafeString:
        return element(
            "defs",
            element(
                "pattern",
                element("rect", width=3, height=7, class_="chart-hatch"),
                id=f"{self.name}-hatch",
                width=7,
                height=7,
                patternUnits="userSpaceOnUse",
                patternTransform="rotate(45)",
            ),
        )

    def _words(self, at: int, whole: Decimal | None, *, is_partial: bool) -> str:
        head = _("%(day)s, so far: %(amount)s") if is_partial else _("%(day)s: %(amount)s")
        amounts = [(each.label, each.values[at]) for each in reversed(self.series)]
        lines = [f"{label}: {money(amount)}" for label, amount in amounts if amount is None or amount]
        day = day_words(self.days[at])
        day = _("Week from %(day)s") % {"day": day} if self.is_weekly else day
        return "\n".join([head % {"day": day, "amount": money(whole)}, *lines])


def total(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Return what is known of a sum; ``None`` where that is only that something has no price."""
    known = sum((amount for amount in amounts if amount is not None), Decimal(0))
    return None if not known and None in amounts else known
