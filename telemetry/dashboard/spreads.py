"""Percentiles of what was counted in buckets: a bucket's middle stands for what is in it.

A bucket is at most a fifth as wide as what it begins at, so the middle is at most a tenth off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate

from telemetry.dashboard.reading import Place, Times
from telemetry.dashboard.values import CostSpread, LatencyRow, Spread, Waits
from telemetry.measures import BUCKETS


def spread(times: Iterable[Times], measure: str) -> Spread:
    """Return how long something took, of all times of that measure."""
    count, p50, p95 = _percentiles(times, measure)
    return Spread(count=count, p50_ms=p50, p95_ms=p95)


def document_cost(times: Iterable[Times]) -> CostSpread:
    """Return what accepted documents cost."""
    count, *sizes = _percentiles(times, "document_cost")
    p50, p95 = (None if size is None else Decimal(size).scaleb(-6) for size in sizes)
    return CostSpread(count=count, p50_usd=p50, p95_usd=p95)


def _percentiles(times: Iterable[Times], measure: str) -> tuple[int, int | None, int | None]:
    """Return how many there are of a measure, and two sizes that a half and 19 of 20 of them do not exceed."""
    counts: Counter[int] = Counter()
    for each in times:
        if each.measure == measure:
            counts.update(each.counts)
    total = counts.total()
    if not total:
        return 0, None, None
    buckets = sorted(counts)
    reached = list(accumulate(counts[bucket] for bucket in buckets))

    def at(percent: int) -> int:
        rank = -(-total * percent // 100)
        return _middle(next(bucket for bucket, sum_of in zip(buckets, reached, strict=True) if sum_of >= rank))

    return total, at(50), at(95)


def _middle(bucket: int) -> int:
    first = BUCKETS[bucket]
    beyond = BUCKETS[bucket + 1] if bucket + 1 < len(BUCKETS) else first + 1
    return (first + beyond - 1) // 2


def latencies(times: Iterable[Times]) -> list[LatencyRow]:
    """Return how long calls took by workflow, step and model, the slowest first."""
    by_place: dict[Place, list[Times]] = {}
    for each in times:
        if each.measure in ("latency", "first_token"):
            by_place.setdefault(each.place, []).append(each)
    rows = [
        LatencyRow(
            workflow_id=place.workflow_id,
            step_id=place.step_id,
            model=place.model,
            latency=spread(of_place, "latency"),
            first_token=spread(of_place, "first_token"),
        )
        for place, of_place in by_place.items()
    ]
    return sorted(rows, key=lambda row: (-(row.latency.p95_ms or 0), row.workflow_id, row.step_id, row.model))


def waits(times: Iterable[Times], *, has_people: bool) -> Waits:
    rows = list(times)
    return Waits(
        queue=spread(rows, "queue"),
        model=spread(rows, "latency"),
        people=spread(rows, "people") if has_people else None,
    )
