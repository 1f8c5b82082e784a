"""The attempts of some steps and the model calls of each, gathered in two statements however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, Func, IntegerField, Sum

from executions.ledger import decode_text
from executions.models import Attempt, Execution, LLMCall, Step

# As PostgreSQL stores them, that is compressed; the answer may be some times as long.
MAX_RESPONSE_BYTES = 4_000_000


def with_attempts(execution: Execution, steps: Sequence[Step], *, with_responses: bool) -> Sequence[Step]:
    """Give each step its ``tried``: its attempts in order, each with its ``called``, the calls in order."""
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    calls = _calls(execution, steps, with_responses=with_responses)
    for attempt in Attempt.objects.filter(step__in=steps).order_by("step_id", "n"):
        attempt.called = calls[attempt.pk]  # type: ignore[attr-defined]
        attempts[attempt.step_id].append(attempt)
    for step in steps:
        step.tried = attempts[step.pk]  # type: ignore[attr-defined]
    return steps


def count_that_fits(execution: Execution, steps: Sequence[Step]) -> int:
    """Return how many of the steps make a page with all that the model answered in them; one always does."""
    size = Sum(Func(F("response_text"), function="pg_column_size", output_field=IntegerField()))
    rows = LLMCall.objects.filter(execution=execution, step__in=steps).order_by()
    sizes: dict[int, int] = dict(rows.values_list("step_id").annotate(size=size))
    total = 0
    for count, step in enumerate(steps):
        total += sizes.get(step.pk, 0)
        if total > MAX_RESPONSE_BYTES and count:
            return count
    return len(steps)


def response_text(call: LLMCall) -> str | None:
    """Return what the model answered. Half a surrogate pair, which no answer of ours could hold, is spelled out."""
    if not call.response_text:
        return None
    return decode_text(call.response_text).encode("utf-8", "backslashreplace").decode()


def _calls(execution: Execution, steps: Sequence[Step], *, with_responses: bool) -> dict[UUID, list[LLMCall]]:
    unused = ("usage", "unit_prices") if with_responses else ("usage", "unit_prices", "response_text")
    rows = LLMCall.objects.filter(execution=execution, step__in=steps).order_by("started_at", "id").defer(*unused)
    calls: dict[Any, list[LLMCall]] = defaultdict(list)
    for call in rows:
        calls[call.attempt_id].append(call)
    return calls
