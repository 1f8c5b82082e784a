"""The ledger of model calls."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.admin.display import as_text, badge, link, model_text, moment, readable_json, short_id
from executions.admin.filters import ProjectFilter, ValuesFilter, WorkflowFilter
from executions.admin.rows import ExecutionPartAdmin
from executions.amounts import NOTHING, money
from executions.models import LLMCall


@admin.register(LLMCall)
class LLMCallAdmin(ExecutionPartAdmin[LLMCall]):
    list_display = ("id_short", "model", "state", "step_link", "tokens", "cost", "latency", "is_offline", "started")
    list_filter = ("status", "is_offline", ("model", ValuesFilter), ProjectFilter, WorkflowFilter)
    list_select_related = ("execution", "step")
    search_fields = ("=id", "=execution__id", "step__path", "request_id", "message_id")
    readonly_fields = (
        "id", "execution_link", "step_link", "attempt_link", "state", "model", "is_offline", "cost", "reserved",
        "is_estimated", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens",
        "cache_write_1h_tokens", "thinking_tokens", "usage_shown",
        "unit_prices_shown", "price_version", "max_tokens", "request_chars",
        "request_sha256", "started", "finished", "latency_ms", "time_to_first_token_ms", "stop_reason",
        "message_id", "request_id", "error_class", "answer",
    )  # fmt: skip
    fields = readonly_fields
    usage_shown = readable_json("usage", "usage as reported")
    unit_prices_shown = readable_json("unit_prices", "prices used")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LLMCall]:
        rows = super().get_queryset(request)
        return rows.defer(
            "response_text", "usage", "unit_prices", "execution__brief", "execution__model_ids", "step__carry"
        )

    @admin.display(description="call", ordering="id")
    def id_short(self, call: LLMCall) -> str:
        return short_id(call.pk)

    @admin.display(description="status", ordering="status")
    def state(self, call: LLMCall) -> SafeString:
        return badge(call.status)

    @admin.display(description="execution")
    def execution_link(self, call: LLMCall) -> SafeString:
        label = f"{call.execution.workflow_id} {short_id(call.execution_id)}"
        return link("executions_execution_change", call.execution_id, label)

    @admin.display(description="step")
    def step_link(self, call: LLMCall) -> SafeString:
        return link("executions_step_change", call.step_id, call.step.path)

    @admin.display(description="attempt")
    def attempt_link(self, call: LLMCall) -> SafeString:
        return link("executions_attempt_change", call.attempt_id, short_id(call.attempt_id))

    @admin.display(description="tokens in / out")
    def tokens(self, call: LLMCall) -> str:
        cached = call.cache_read_tokens + call.cache_write_5m_tokens + call.cache_write_1h_tokens
        return f"{call.input_tokens + cached:,} / {call.output_tokens:,}"

    @admin.display(description="cost", ordering="cost_usd")
    def cost(self, call: LLMCall) -> str:
        shown = money(call.cost_usd)
        return f"{shown} (estimated)" if call.is_estimated and call.cost_usd is not None else shown

    @admin.display(description="reserved")
    def reserved(self, call: LLMCall) -> str:
        return money(call.reserved_usd)

    @admin.display(description="latency", ordering="latency_ms")
    def latency(self, call: LLMCall) -> str:
        return NOTHING if call.latency_ms is None else f"{call.latency_ms / 1000:.1f} s"

    @admin.display(description="started", ordering="started_at")
    def started(self, call: LLMCall) -> str:
        return moment(call.started_at)

    @admin.display(description="finished")
    def finished(self, call: LLMCall) -> str:
        return moment(call.finished_at)

    @admin.display(description="answer of the model")
    def answer(self, call: LLMCall) -> SafeString | str:
        text = model_text(call.response_text)
        return as_text(text) if text else NOTHING
