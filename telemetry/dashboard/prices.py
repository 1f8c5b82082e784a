"""What models cost by the price data that is installed, and which have no price. Nothing is read from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from executions.llm import pricing
from telemetry.dashboard.reading import Cell
from telemetry.dashboard.values import PriceRow, UnpricedRow
from telemetry.measures import KINDS


def unpriced(cells: Iterable[Cell]) -> list[UnpricedRow]:
    """Return how many calls have no price, by model, most first."""
    counts: Counter[str] = Counter()
    for cell in cells:
        counts[cell.place.model] += int(cell.sums["unpriced_count"])
    return [
        UnpricedRow(model=model, call_count=count, is_known_now=bool(_prices(model)))
        for model, count in counts.most_common()
        if count > 0
    ]


def prices(models: Iterable[str]) -> list[PriceRow]:
    """Return the prices of models, one line for each length of the prompt from which others apply."""
    rows = []
    for model in sorted(set(models)):
        found = _prices(model)
        starts = sorted({0, *(start for steps in found.values() for start, _ in steps)})
        for start in starts:
            at = {
                kind: next((price for begin, price in reversed(found.get(kind, ())) if begin <= start), None)
                for kind in KINDS
            }
            rows.append(
                PriceRow(
                    model=model,
                    from_tokens=start,
                    input_usd=at["input"],
                    output_usd=at["output"],
                    cache_read_usd=at["cache_read"],
                    cache_write_5m_usd=at["cache_write_5m"],
                    cache_write_1h_usd=at["cache_write_1h"],
                    price_version=pricing.price_version(),
                )
            )
    return rows


@lru_cache(maxsize=200)
def _prices(model: str) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    """Return the price of each kind of token from a length of the prompt on; nothing if the model is not known."""
    found = pricing.price_call(model, {"input_tokens": 1}).unit_prices
    return {
        kind: ((0, Decimal(price)),)
        if isinstance(price, str)
        else ((0, Decimal(price["base"])), *((step["start"], Decimal(step["price"])) for step in price["tiers"]))
        for kind, price in found.items()
    }
