"""Money and tokens. The figures of ``claude-sonnet-5-5`` are checked by hand: 2, 10, 0.10, 2.50 and 4 dollars."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from executions.llm.pricing import TokenCounts, estimate_usage, price_call, price_version, upper_bound, usage_counts

SONNET = "claude-sonnet-5-5"
USAGE = {
    "input_tokens": 1_000,
    "output_tokens": 500,
    "cache_read_input_tokens": 10_000,
    "cache_creation_input_tokens": 3_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
    "output_tokens_details": {"thinking_tokens": 120},
    "service_tier": "standard",
    "server_tool_use": None,
}


def test_tokens_are_counted_by_kind() -> None:
    counts = usage_counts(USAGE)
    assert counts == TokenCounts(
        input=1_000, output=500, cache_read=10_000, cache_write_5m=2_000, cache_write_1h=1_000, thinking=120
    )
    assert counts.cache_write == 3_000
    assert counts.total == 14_500


@pytest.mark.parametrize(
    ("usage", "five_minutes", "one_hour"),
    [
        ({"cache_creation_input_tokens": 7}, 7, 0),
        ({"cache_creation_input_tokens": 7, "cache_creation": None}, 7, 0),
        ({"cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 5}}, 2, 5),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}}, 4, 5),
    ],
)
def test_cache_writes_are_split_by_lifetime(usage: dict[str, Any], five_minutes: int, one_hour: int) -> None:
    counts = usage_counts(usage)
    assert (counts.cache_write_5m, counts.cache_write_1h) == (five_minutes, one_hour)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"input_tokens": "5", "output_tokens": -3}])
def test_what_is_no_count_is_zero(usage: dict[str, Any] | None) -> None:
    assert usage_counts(usage) == TokenCounts()


def test_a_call_is_priced_to_the_last_digit() -> None:
    price = price_call(SONNET, USAGE)
    assert price.cost == (
        1_000 * Decimal(2) + 500 * Decimal(10) + 10_000 * Decimal("0.1") + 2_000 * Decimal("2.5") + 1_000 * Decimal(4)
    ) / Decimal(1_000_000)
    assert isinstance(price.cost, Decimal)


def test_the_unit_prices_are_kept_as_texts() -> None:
    price = price_call(SONNET, USAGE)
    assert price.unit_prices == {
        "input": "2",
        "output": "10",
        "cache_read": "0.1",
        "cache_write_5m": "2.5",
        "cache_write_1h": "4",
    }
    assert price.price_version == price_version()
    assert price.price_version.startswith("genai-prices ")


def test_prices_that_depend_on_size_are_kept_whole() -> None:
    prices = price_call("claude-haiku-5-5", USAGE).unit_prices
    assert prices["input"] == {"base": "0.1", "tiers": [{"start": 100_000, "price": "0.5"}]}


@pytest.mark.parametrize("model", ["my-own-model", "", "claude-mythos-5"])
def test_an_unknown_price_is_unknown_and_not_zero(model: str) -> None:
    price = price_call(model, USAGE)
    assert price.cost is None
    assert price.unit_prices == {}
    assert upper_bound(model, 1_000, 1_000) is None


def test_a_call_that_used_nothing_costs_nothing() -> None:
    assert price_call(SONNET, {}).cost == 0


@pytest.mark.parametrize("model", [SONNET, "claude-haiku-5-5", "claude-opus-5-5"])
@pytest.mark.parametrize("size", [10, 10_000, 400_000])
def test_the_upper_bound_is_never_too_low(model: str, size: int) -> None:
    bound = upper_bound(model, size, 16_000)
    assert bound is not None
    worst = {"input_tokens": 0, "cache_creation_input_tokens": size, "output_tokens": 16_000}
    plain = {"input_tokens": size, "output_tokens": 16_000}
    for usage in (worst, plain):
        cost = price_call(model, usage).cost
        assert cost is not None
        assert bound >= cost


def test_what_nobody_reported_is_estimated() -> None:
    usage = estimate_usage(35_000, 7_000)
    assert (usage["input_tokens"], usage["output_tokens"]) == (10_000, 2_000)
    assert usage_counts(usage).total == 12_000


def test_what_was_reported_is_kept_in_an_estimate() -> None:
    partial = {"input_tokens": 3, "cache_read_input_tokens": 9_000, "output_tokens": 1}
    counts = usage_counts(estimate_usage(35_000, 7_000, partial))
    assert counts == TokenCounts(input=3, output=2_000, cache_read=9_000)


def test_a_reported_output_is_not_made_smaller() -> None:
    partial = {"input_tokens": 3, "output_tokens": 5_000}
    assert estimate_usage(100, 7_000, partial)["output_tokens"] == 5_000


def test_pricing_a_call_is_cheap() -> None:
    price_call(SONNET, USAGE)
    started = time.process_time()
    for _ in range(200):
        price_call(SONNET, USAGE)
    assert (time.process_time() - started) / 200 < 0.001
