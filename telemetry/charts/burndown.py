"""What was spent of a budget, day by day, and where that leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from executions.amounts import money
from telemetry.charts.axis import Axis, axis_for
from telemetry.charts.days import day_marks
from telemetry.charts.elements import NOTHING, element, number

HEIGHT, ABOVE, BELOW = 200, 20, 28
# Where people are warned, in per cent of the budget.
MARKS = (50, 80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnDown:
    """A drawing. ``days`` are all of the budget's period; ``spent`` goes up to today: all that was spent by the end of
    each day. ``forecast`` is what will have been spent by the end of the period; ``None`` where nothing is known."""

    name: str
    title: str
    description: str
    days: Sequence[date]
    spent: Sequence[Decimal]
    budget: Decimal
    forecast: Decimal | None = None

    def svg(self) -> SafeString:
        highest = max(self.budget, self.forecast or Decimal(0), *self.spent, Decimal(0))
        axis = axis_for(highest, height=HEIGHT, above=ABOVE)
        return element(
            "svg",
            element("title", self.title, id=f"{self.name}-title"),
            element("desc", self.description, id=f"{self.name}-desc"),
            axis.drawn(),
            *(self._mark(share, axis) for share in MARKS),
            self._lines(axis),
            day_marks(self.days, y=axis.ground + 18),
            class_="chart",
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-desc",
            width="100%",
            height=ABOVE + HEIGHT + BELOW,
        )

    def _mark(self, share: int, axis: Axis) -> SafeString:
        amount = self.budget * share / 100
        y = number(axis.y(amount))
        words = _("%(share)d %% of the budget: %(amount)s") % {"share": share, "amount": money(amount)}
        return element(
            "g",
            element("line", x1=0, x2="100%", y1=y, y2=y),
            element("text", words, x=4, y=number(axis.y(amount) - 5)),
            class_="chart-limit chart-limit-full" if share == 100 else "chart-limit",
        )

    def _lines(self, axis: Axis) -> SafeString:
        """Return what was spent and what is expected, on a ground of its own: lines have no places in per cent."""
        drawn = [self._line([Decimal(0), *self.spent], 0, axis, "chart-spent")]
        if self.forecast is not None and self.spent and len(self.spent) < len(self.days):
            drawn.append(
                element(
                    "line",
                    x1=self._x(len(self.spent)),
                    y1=_upside(self.spent[-1], axis),
                    x2=100,
                    y2=_upside(self.forecast, axis),
                    class_="chart-forecast",
                    vector_effect="non-scaling-stroke",
                )
            )
        return element(
            "svg",
            *drawn,
            x=0,
            y=axis.above,
            width="100%",
            height=axis.height,
            viewBox="0 0 100 100",
            preserveAspectRatio="none",
            overflow="visible",
        )

    def _line(self, amounts: Sequence[Decimal], first: int, axis: Axis, name: str) -> SafeString:
        if len(amounts) < 2:
            return NOTHING
        points = " ".join(f"{self._x(first + at)},{_upside(amount, axis)}" for at, amount in enumerate(amounts))
        return element("polyline", points=points, class_=name, vector_effect="non-scaling-stroke")

    def _x(self, day_count: int) -> str:
        return number(Decimal(100) * day_count / len(self.days))


def _upside(amount: Decimal, axis: Axis) -> str:
    """Return how far down an amount is, in per cent of the axis."""
    return number(100 - amount / axis.top * 100)
