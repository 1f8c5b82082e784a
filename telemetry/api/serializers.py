"""The shapes of the answers. What each figure means is defined in ``telemetry.totals``."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.utils.functional import cached_property
from rest_framework import serializers

from executions.api.fields import AnyJSON, Choice, Money
from executions.api.serializers import TextOrNull
from executions.models import CallStatus, LLMCall

_TEXT_MAP = {"type": "object", "additionalProperties": True}
_UNKNOWN = "Null: nothing is known but that calls have no price."
_NO_SAMPLE = "Null: there are none whose calls all have a price."


class _Count(serializers.IntegerField):
    """A number of calls or tokens, taken from the totals."""

    def __init__(self, name: str, help_text: str = "") -> None:
        super().__init__(source=f"totals.{name}", help_text=help_text)


class _Ratio(serializers.FloatField):
    """A share between 0 and 1."""

    def __init__(self, name: str, help_text: str) -> None:
        super().__init__(source=f"totals.{name}", allow_null=True, min_value=0, max_value=1, help_text=help_text)


class _Cost(Money):
    """US dollars, taken from the totals."""

    def __init__(self, name: str, help_text: str, *, allow_null: bool = True) -> None:
        self._name = name
        super().__init__(source=f"totals.{name}", allow_null=allow_null, help_text=help_text)


class FlatSerializer(serializers.Serializer[Any]):
    """A row of figures. A year of days has ten thousand: so each is looked up by a path that was made ready once.

    ``leading`` are the fields that come first, in answers and as columns.
    """

    leading: tuple[str, ...] = ()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        return {name: fields[name] for name in (*self.leading, *fields)}

    @cached_property
    def columns(self) -> list[tuple[str, Callable[[Any], Any], serializers.Field[Any, Any, Any, Any]]]:
        """What each field is called, how its value is found in a row, and the field."""
        return [
            (name, _itself if field.source == "*" else attrgetter(str(field.source)), field)
            for name, field in self.fields.items()
        ]

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            name: None if (value := find(instance)) is None else field.to_representation(value)
            for name, find, field in self.columns
        }


def _itself(row: Any) -> Any:
    return row


class BreakdownSerializer(FlatSerializer):
    """What totals consist of."""

    succeeded_call_count = _Count("succeeded_count", "Calls that brought a whole answer, valid or not.")
    failed_call_count = _Count("failed_count")
    cancelled_call_count = _Count("cancelled_count", "Calls that were broken off.")
    lost_call_count = _Count("lost_count", "Calls whose worker died; what they used is an estimate.")
    in_flight_call_count = _Count("in_flight_count", "Calls that are not over, and have cost nothing yet.")
    error_count = _Count("error_count", "Failed and lost calls.")
    unpriced_call_count = _Count("unpriced_count", "Calls without a known price; they are in no sum of costs.")
    estimated_call_count = _Count("estimated_count", "Calls of which part is an estimate.")
    estimated_cost_usd = _Cost("estimated_cost_usd", "Of the total: what those calls cost.", allow_null=False)
    offline_call_count = _Count("offline_count", "Calls that the offline model answered; nobody was paid for them.")
    input_tokens = _Count("input_tokens", "Sent, and neither read from the cache nor written to it.")
    output_tokens = _Count("output_tokens", "Written by the model, with those of thinking.")
    thinking_tokens = _Count("thinking_tokens")
    cache_read_tokens = _Count("cache_read_tokens")
    cache_write_tokens = _Count("cache_write_tokens", "For five minutes and for an hour.")
    cache_write_5m_tokens = _Count("cache_write_5m_tokens")
    cache_write_1h_tokens = _Count("cache_write_1h_tokens")
    total_tokens = _Count("total_tokens", "Input, output, and both of the cache.")
    total_cost_usd = _Cost("total_cost_usd", f"Of all calls that have a price. {_UNKNOWN}")
    success_rate = _Ratio("success_rate", "Succeeded calls among those that were neither broken off nor are in flight.")
    cache_hit_rate = _Ratio("cache_hit_rate", "Tokens read from the cache among all that were sent.")
    avg_latency_ms = serializers.IntegerField(
        source="totals.avg_latency_ms", allow_null=True, help_text="From sending to the whole answer, where one came."
    )


class TelemetrySummarySerializer(BreakdownSerializer):
    """The totals of all calls of a period that the caller may see."""

    leading = (
        *("period_start", "period_end", "time_zone", "total_calls", "total_cost_usd", "total_tokens"),
        *("avg_cost_per_call", "success_rate"),
    )

    period_start = serializers.DateField(allow_null=True, help_text="The day of the first call, where none was given.")
    period_end = serializers.DateField()
    time_zone = serializers.CharField()
    total_calls = _Count("call_count", "All requests to the model, also those that failed or are in flight.")
    avg_cost_per_call = _Cost("avg_cost_per_call", "Over the calls that have a price.")


class DailyCostSerializer(BreakdownSerializer):
    """One day: from its first moment in the time zone to the next one's."""

    leading = (
        *(
            "date",
            "starts_at",
            "ends_at",
            "is_partial",
            "total_cost_usd",
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
        ),
        *("cache_write_tokens", "call_count", "error_count", "avg_latency_ms", "cache_hit_rate"),
    )

    date = serializers.DateField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(help_text="No longer in it. Where clocks change, 23 or 25 hours later.")
    is_partial = serializers.BooleanField(help_text="The day is not over.")
    call_count = _Count("call_count", "All requests to the model, also those that failed or are in flight.")


class DailyCostsSerializer(serializers.Serializer[Any]):
    """All days of the period in one answer, days without calls too."""

    results = DailyCostSerializer(many=True)
    next = AnyJSON({"type": "null"})
    previous = AnyJSON({"type": "null"})


class CallCostSerializer(FlatSerializer):
    """One request to the model: what it used, and what it cost at the price of that moment."""

    call_id = serializers.UUIDField(source="id")
    step_id = serializers.CharField(source="step.step_id")
    path = serializers.CharField(source="step.path")
    attempt = serializers.IntegerField(source="attempt.content_attempt", help_text="At valid content.")
    n = serializers.IntegerField(source="attempt.n", help_text="Which try of the step it was, of all.")
    status = Choice(CallStatus.values, enum_name="CallStatus")
    model = serializers.CharField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    thinking_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.SerializerMethodField()
    cache_write_5m_tokens = serializers.IntegerField()
    cache_write_1h_tokens = serializers.IntegerField()
    cost_usd = Money(allow_null=True, help_text="Null: no price is known, or it is not over.")
    is_estimated = serializers.BooleanField(help_text="Part of it was not reported, but reckoned.")
    is_offline = serializers.BooleanField(help_text="The offline model answered.")
    unit_prices = AnyJSON(_TEXT_MAP, help_text="US dollars per million tokens, by kind.")
    price_version = TextOrNull(help_text="The price data that the cost was reckoned with.")
    latency_ms = serializers.IntegerField(allow_null=True)
    time_to_first_token_ms = serializers.IntegerField(allow_null=True)
    stop_reason = TextOrNull()
    error = TextOrNull(source="error_class", help_text="What kind of error ended it.")
    message_id = TextOrNull(help_text="The provider's name of the answer.")
    request_id = TextOrNull(help_text="The provider's name of the request.")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_cache_write_tokens(self, call: LLMCall) -> int:
        return call.cache_write_5m_tokens + call.cache_write_1h_tokens


class ExecutionCostsSerializer(BreakdownSerializer):
    """What an execution has cost, call by call."""

    leading = ("execution_id", "total_cost_usd", "total_tokens", "call_count")

    execution_id = serializers.UUIDField()
    call_count = _Count("call_count")
    calls = CallCostSerializer(many=True)


class WorkflowStatsSerializer(FlatSerializer):
    """The executions of a workflow that the caller may see."""

    workflow_id = serializers.CharField()
    execution_count = serializers.IntegerField()
    completed_count = serializers.IntegerField()
    failed_count = serializers.IntegerField()
    cancelled_count = serializers.IntegerField()
    active_count = serializers.IntegerField(help_text="Pending and running ones.")
    waiting_count = serializers.IntegerField(help_text="Those that wait for people.")
    total_cost_usd = Money(allow_null=True, help_text=f"Of all their calls that have a price. {_UNKNOWN}")
    avg_cost_usd = Money(allow_null=True, help_text="The total by the number of executions, whatever became of them.")
    unpriced_call_count = serializers.IntegerField(help_text="Their calls without a known price.")
    avg_duration_ms = serializers.IntegerField(
        allow_null=True, help_text="From start to end, people's time included; over the completed ones."
    )
    sample_count = serializers.IntegerField(
        help_text="How many completed executions the figures below are drawn from: the newest ones of the current"
        " revision, or of all if it has none yet; at most 200."
    )
    sample_is_of_revision = serializers.BooleanField(
        allow_null=True, help_text="Whether those are of the current revision. Null: there are none."
    )
    median_cost_usd = Money(allow_null=True, help_text=f"Half of them cost this or less. {_NO_SAMPLE}")
    p95_cost_usd = Money(allow_null=True, help_text="95 of 100 cost this or less; of fewer than 20, all.")
    median_duration_ms = serializers.IntegerField(allow_null=True, help_text="As `avg_duration_ms`, of half of them.")
    p95_duration_ms = serializers.IntegerField(allow_null=True)
    median_call_count = serializers.IntegerField(allow_null=True, help_text="Requests to the model in one of them.")
    sample_unpriced_count = serializers.IntegerField(
        help_text="Those with calls that have no known price; they are left out of the costs."
    )
    sample_offline_count = serializers.IntegerField(help_text="Those with calls that the offline model answered.")
