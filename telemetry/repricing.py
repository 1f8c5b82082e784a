"""Prices for calls that had none: the model is known to the price data by now.

The ledger, the totals of the executions and the sums change in one transaction, a few hundred calls at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction

from executions import ledger
from executions.llm.pricing import CallPrice
from telemetry import rollup

_CHUNK = 500


@dataclass(slots=True)
class Repricing:
    """What came of it, by model."""

    priced: Counter[str] = field(default_factory=Counter)
    costs: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    unknown: Counter[str] = field(default_factory=Counter)


def reprice(*, is_dry_run: bool) -> Repricing:
    """Price every call without a price whose model has one now; with ``is_dry_run`` only say what would be done."""
    done = Repricing()
    last = None
    while calls := ledger.unpriced_calls(after=last, limit=_CHUNK):
        last = calls[-1].id
        priced = []
        for call in calls:
            price = ledger.find_price(call)
            if price.cost is None:
                done.unknown[call.model] += 1
            else:
                priced.append((call, price))
                done.priced[call.model] += 1
                done.costs[call.model] += price.cost
        if priced and not is_dry_run:
            _book(priced)
    return done


def _book(priced: list[tuple[ledger.UnpricedCall, CallPrice]]) -> None:
    with transaction.atomic():
        mark = rollup.locked_watermark()
        summed = rollup.in_sums(mark, [call.id for call, _ in priced])
        rollup.take_out(summed)
        ledger.book_prices(priced)
        rollup.add(summed)
