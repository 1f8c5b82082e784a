"""What a call costs: tokens by kind, the price at call time, and bounds and estimates where usage is unknown.

Prices are those that the installed ``genai-prices`` brings; nothing is fetched. A model that it does not
know has no price: ``None``, never zero.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import genai_prices
from genai_prices.types import ModelPrice, PriceCalculation, TieredPrices

from executions.llm.values import JSON

_PROVIDER = "anthropic"
_PRICE_NAMES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
# What the API adds to a prompt by itself: roles, structure, the instruction for structured outputs.
_OVERHEAD_TOKENS = 1_000
_BYTES_PER_TOKEN = 3.5
# More than this no call can have used, and no column can hold.
_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """The tokens of one call: ``input`` without cache reads and writes, ``output`` with ``thinking``."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int = 0

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total(self) -> int:
        """All tokens that were charged, cached ones too."""
        return self.input + self.output + self.cache_read + self.cache_write

    def to_usage(self) -> JSON:
        """Return the counts in the API's form."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPrice:
    """What a call cost in USD, with what it was reckoned from: dollars per million tokens, as texts."""

    cost: Decimal | None
    unit_prices: JSON
    price_version: str


def usage_counts(usage: Mapping[str, Any] | None) -> TokenCounts:
    """Return the counts in a usage as the API reports it; what is missing or no count is zero."""
    if not usage:
        return TokenCounts()
    written = _count(usage, "cache_creation_input_tokens")
    by_lifetime = usage.get("cache_creation")
    one_hour = _count(by_lifetime, "ephemeral_1h_input_tokens")
    five_minutes = _count(by_lifetime, "ephemeral_5m_input_tokens")
    return TokenCounts(
        input=_count(usage, "input_tokens"),
        output=_count(usage, "output_tokens"),
        cache_read=_count(usage, "cache_read_input_tokens"),
        cache_write_5m=max(five_minutes, written - one_hour),
        cache_write_1h=one_hour,
        thinking=_count(usage.get("output_tokens_details"), "thinking_tokens"),
    )


def price_call(model: str, usage: Mapping[str, Any] | None) -> CallPrice:
    """Return what a call with that usage costs now; the cost is ``None`` if the model's price is unknown."""
    calculation = _calculate(model, usage_counts(usage))
    if calculation is None:
        return CallPrice(cost=None, unit_prices={}, price_version=price_version())
    return CallPrice(
        cost=calculation.total_price,
        unit_prices=_unit_prices(calculation.model_price),
        price_version=price_version(),
    )


def upper_bound(model: str, request_chars: int, max_tokens: int) -> Decimal | None:
    """Return the most that a call can cost, to be reserved before it; ``None`` if the price is unknown.

    ``request_chars`` is :meth:`ModelRequest.char_count`, which counts bytes. A token is at least one byte,
    and at worst the whole prompt is written to the cache, which always costs more than plain input.
    """
    worst = TokenCounts(cache_write_5m=request_chars + _OVERHEAD_TOKENS, output=max_tokens)
    calculation = _calculate(model, worst)
    return None if calculation is None else calculation.total_price


def estimate_usage(request_chars: int, text_chars: int, partial: Mapping[str, Any] | None = None) -> JSON:
    """Return the probable usage of a call whose end nobody saw: cancelled, cut off or lost with its worker.

    What the API did report (``partial``) is kept; a begun answer's count is replaced by what its text comes to.
    """
    seen = usage_counts(partial)
    prompt_is_known = seen.input + seen.cache_read + seen.cache_write > 0
    return TokenCounts(
        input=seen.input if prompt_is_known else _tokens(request_chars),
        output=max(seen.output, _tokens(text_chars)),
        cache_read=seen.cache_read,
        cache_write_5m=seen.cache_write_5m,
        cache_write_1h=seen.cache_write_1h,
    ).to_usage()


@lru_cache(maxsize=1)
def price_version() -> str:
    """Return the name of the price data in use."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


def _calculate(model: str, counts: TokenCounts) -> PriceCalculation | None:
    response = {"model": model, "usage": counts.to_usage()}
    try:
        return genai_prices.extract_usage(response, provider_id=_PROVIDER).calc_price()
    except LookupError:
        return None


def _unit_prices(price: ModelPrice) -> JSON:
    prices = {name: getattr(price, attribute, None) for name, attribute in _PRICE_NAMES.items()}
    return {name: _price_text(value) for name, value in prices.items() if value is not None}


def _price_text(value: Decimal | TieredPrices) -> str | JSON:
    if isinstance(value, TieredPrices):
        tiers = [{"start": tier.start, "price": str(tier.price)} for tier in value.tiers]
        return {"base": str(value.base), "tiers": tiers}
    return str(value)


def _count(source: Any, key: str) -> int:
    value = source.get(key) if isinstance(source, Mapping) else None
    return min(value, _MOST_TOKENS) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _tokens(chars: int) -> int:
    return round(chars / _BYTES_PER_TOKEN)
