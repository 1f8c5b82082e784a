"""The axis of amounts: round marks in dollars, from zero up to what is above everything that is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from django.utils.safestring import SafeString

from telemetry.charts.elements import element, joined, number

_STEPS = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))
_MOST_MARKS = 5
_LEAST_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Amounts from zero to ``top``, drawn upwards in ``height`` pixels that begin ``above`` pixels down."""

    top: Decimal
    step: Decimal
    height: int
    above: int

    @property
    def ground(self) -> int:
        """Where zero is."""
        return self.above + self.height

    def marks(self) -> list[Decimal]:
        return [self.step * count for count in range(int(self.top / self.step) + 1)]

    def y(self, amount: Decimal) -> Decimal:
        return self.ground - self.length(amount)

    def length(self, amount: Decimal) -> Decimal:
        return amount / self.top * self.height

    def drawn(self) -> SafeString:
        """Return a line with its amount for each mark. The amounts stand left of the drawing, in its margin."""
        lines = [
            element(
                "g",
                element("line", x1=0, x2="100%", y1=number(self.y(mark)), y2=number(self.y(mark))),
                element("text", self._words(mark), x=-8, y=number(self.y(mark) + 4)),
                class_="chart-mark" if mark else "chart-mark chart-ground",
            )
            for mark in self.marks()
        ]
        return joined(lines)

    def _words(self, mark: Decimal) -> str:
        """Show a mark with as many places as tell it from its neighbours."""
        exponent = self.step.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        places = max(-exponent, 0)
        return f"${mark:,.{2 if places == 1 else places}f}"


def axis_for(highest: Decimal, *, height: int, above: int) -> Axis:
    """Return an axis on which ``highest`` has its place, also where there is nothing to show."""
    if highest <= 0:
        return Axis(top=_LEAST_STEP, step=_LEAST_STEP, height=height, above=above)
    step = _round_step(highest / _MOST_MARKS)
    return Axis(top=step * (highest / step).to_integral_value(ROUND_CEILING), step=step, height=height, above=above)


def _round_step(least: Decimal) -> Decimal:
    """Return the smallest round number that is not less."""
    power = Decimal(1).scaleb(least.adjusted())
    return next(step * power for step in _STEPS if step * power >= least)
