"""What cells come to together, and the figures that are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from telemetry.dashboard.reading import Cell, Decided
from telemetry.dashboard.values import Cause, CauseRow, Kind, KindRow, Rework, StatusRow, Tokens
from telemetry.totals import Totals, ratio

_OF_TOTALS = tuple(each.name for each in fields(Totals) if each.name != "first_at")
_MONEY = frozenset({"cost_usd", "estimated_cost_usd"})
# The cost of calls that succeeded is what is left of the whole.
_STATUSES = ("succeeded", "failed", "cancelled", "lost")


@dataclass(slots=True)
class Sums:
    """Cells added up: by the names of ``telemetry.measures``."""

    found: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Sums:
        sums: dict[str, Any] = {}
        for cell in cells:
            for name, value in cell.sums.items():
                sums[name] = sums.get(name, 0) + value
        return cls(sums)

    def money(self, name: str) -> Decimal:
        return Decimal(self.found.get(name, 0))

    def count(self, name: str) -> int:
        return int(self.found.get(name, 0))

    @property
    def totals(self) -> Totals:
        figures: Any = {name: self.money(name) if name in _MONEY else self.count(name) for name in _OF_TOTALS}
        return Totals(**figures)

    @property
    def cost_usd(self) -> Decimal:
        return self.money("cost_usd")

    @property
    def rework_usd(self) -> Decimal:
        return sum((self.money(f"{cause}_cost_usd") for cause in Cause if cause.is_rework), Decimal(0))

    @property
    def first_count(self) -> int:
        """Calls that were first tries."""
        return self.totals.call_count - sum(self.count(f"{cause}_count") for cause in Cause if cause != Cause.FIRST)

    @property
    def tries(self) -> float | None:
        """All calls by first tries."""
        calls = self.totals.call_count
        return round(calls / self.first_count, 2) if self.first_count else None

    def share(self, cost: Decimal) -> float | None:
        """Return which part of the cost another one is."""
        return share(cost, self.cost_usd)


def share(part: Decimal, whole: Decimal) -> float | None:
    return round(float(part / whole), 6) if whole else None


def rework(sums: Sums) -> Rework:
    """Return the cost by the cause of a call and by how it ended."""
    spent, calls = sums.cost_usd, sums.totals.call_count
    repeats: list[Cause] = [cause for cause in Cause if cause != Cause.FIRST]
    costs = {cause: sums.money(f"{cause}_cost_usd") for cause in repeats}
    counts = {cause: sums.count(f"{cause}_count") for cause in repeats}
    costs[Cause.FIRST], counts[Cause.FIRST] = spent - sum(costs.values()), calls - sum(counts.values())
    ended = {status: sums.money(f"{status}_cost_usd") for status in _STATUSES[1:]}
    ended["succeeded"] = spent - sum(ended.values())
    return Rework(
        causes=[
            CauseRow(cause=each, call_count=counts[each], cost_usd=costs[each], share=sums.share(costs[each]))
            for each in Cause
        ],
        statuses=[
            StatusRow(
                status=each,
                call_count=sums.count(f"{each}_count"),
                cost_usd=ended[each],
                share=sums.share(ended[each]),
            )
            for each in _STATUSES
        ],
        rework_usd=sums.rework_usd,
        rework_rate=sums.share(sums.rework_usd),
    )


def by_kind(found: dict[str, Any]) -> dict[Kind, Decimal]:
    """Return the cost of each kind of token; :attr:`Kind.OTHER` is what they leave of the whole."""
    kinds: list[Kind] = [kind for kind in Kind if kind != Kind.OTHER]
    costs = {kind: Decimal(found.get(f"{kind}_cost_usd", 0)) for kind in kinds}
    return {**costs, Kind.OTHER: Decimal(found.get("cost_usd", 0)) - sum(costs.values())}


def tokens(sums: Sums) -> Tokens:
    totals, costs = sums.totals, by_kind(sums.found)
    return Tokens(
        kinds=[
            KindRow(
                kind=kind,
                token_count=None if kind is Kind.OTHER else sums.count(f"{kind}_tokens"),
                cost_usd=cost,
                share=sums.share(cost),
            )
            for kind, cost in costs.items()
            if cost or kind is not Kind.OTHER
        ],
        thinking_tokens=totals.thinking_tokens,
        cache_hit_rate=totals.cache_hit_rate,
        saved_usd=sums.money("cache_saved_usd"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Documents that people decided on, added up."""

    accepted_count: int
    first_pass_count: int

    @classmethod
    def of(cls, decided: Iterable[Decided]) -> Documents:
        rows = list(decided)
        return cls(
            accepted_count=sum(row.accepted_count for row in rows),
            first_pass_count=sum(row.first_pass_count for row in rows),
        )

    @property
    def first_pass_rate(self) -> float | None:
        return ratio(self.first_pass_count, self.accepted_count)
