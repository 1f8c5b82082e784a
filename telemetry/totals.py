"""What a number of calls come to, and the figures that are made of it. Each figure is defined here, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

_PLACES = Decimal("0.0000000001")
_RATIO_PLACES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over ledger rows (see ``telemetry.measures``). ``cost_usd`` is of the calls that have a price."""

    succeeded_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0
    lost_count: int = 0
    in_flight_count: int = 0
    unpriced_count: int = 0
    estimated_count: int = 0
    offline_count: int = 0
    cost_usd: Decimal = Decimal(0)
    estimated_cost_usd: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    thinking_tokens: int = 0
    latency_ms: int = 0
    timed_count: int = 0
    first_at: datetime | None = None

    @property
    def call_count(self) -> int:
        """Every request that the ledger has, those in flight too."""
        return self.finished_count + self.in_flight_count

    @property
    def finished_count(self) -> int:
        return self.succeeded_count + self.failed_count + self.cancelled_count + self.lost_count

    @property
    def error_count(self) -> int:
        """Calls that went wrong. To be broken off by people is no error."""
        return self.failed_count + self.lost_count

    @property
    def total_cost_usd(self) -> Decimal | None:
        """``None`` where all that is known is that something was used which has no price."""
        return known_cost(self.cost_usd, self.unpriced_count)

    @property
    def avg_cost_per_call(self) -> Decimal | None:
        """Over the calls that have a price."""
        return share_of(self.total_cost_usd, self.finished_count - self.unpriced_count)

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def prompt_tokens(self) -> int:
        """What was sent, read from the cache, written to it, or neither."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total_tokens(self) -> int:
        """All tokens that are charged for; those of thinking are among the output."""
        return self.prompt_tokens + self.output_tokens

    @property
    def success_rate(self) -> float | None:
        """Of the calls that came to an end by themselves, how many brought a whole answer."""
        return ratio(self.succeeded_count, self.succeeded_count + self.error_count)

    @property
    def cache_hit_rate(self) -> float | None:
        """Of the tokens that were sent, how many were read from the cache."""
        return ratio(self.cache_read_tokens, self.prompt_tokens)

    @property
    def avg_latency_ms(self) -> int | None:
        """From sending a call to its whole answer, over the succeeded ones."""
        return round(Decimal(self.latency_ms) / self.timed_count) if self.timed_count else None


def known_cost(cost: Decimal, unpriced_count: int) -> Decimal | None:
    """Return a sum of prices, or ``None`` where nothing is in it and something has no price: that is not zero."""
    return None if unpriced_count and not cost else cost


def share_of(cost: Decimal | None, count: int) -> Decimal | None:
    """Return a cost by so many, to the ledger's ten places."""
    return None if cost is None or count <= 0 else (cost / count).quantize(_PLACES)


def ratio(part: int, whole: int) -> float | None:
    """Return a share between 0 and 1."""
    return round(part / whole, _RATIO_PLACES) if whole else None
