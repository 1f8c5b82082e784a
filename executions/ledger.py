"""The ledger: one row per request to the model, booked exactly, priced at call time.

A call, its execution's total and what it changes in shared budgets are settled in one statement, so their sums never
differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from documents import database
from documents.canonical import NotStorable, normalise, storable_text
from executions.engine.state import CallStatus
from executions.llm import pricing
from executions.llm.errors import LLMError
from executions.llm.values import JSON, OFFLINE_MESSAGE_ID_PREFIX, CallProgress, ModelResponse

_PLACES = Decimal("0.0000000001")

# One statement settles calls and their executions together, so that their sums never differ. A call that was
# booked as lost may still be booked with its real figures, when its worker was only slow. The executions are
# locked first, in order, as everywhere, so that this cannot deadlock with a transition.
_SETTLE = """
WITH new AS (
    SELECT * FROM json_to_recordset(%s) AS n (id uuid, execution_id uuid, status text, input int, output int,
        cache_read int, write_5m int, write_1h int, thinking int, usage jsonb, is_estimated bool, cost numeric,
        unit_prices jsonb, price_version text, latency int, ttft int, stop_reason text, message_id text,
        request_id text, error_class text, response_text text, is_offline bool)
), execution AS (
    SELECT id FROM executions_execution WHERE id IN (SELECT execution_id FROM new) ORDER BY id FOR UPDATE
), old AS (
    SELECT c.id, c.cost_usd, c.reserved_usd, c.budget_accounts
      FROM executions_llmcall c JOIN new ON new.id = c.id JOIN execution ON execution.id = c.execution_id
     WHERE c.status = 'in_flight' OR (c.status = 'lost' AND new.status <> 'lost')
       FOR UPDATE OF c
), call AS (
    UPDATE executions_llmcall c
       SET status = new.status, input_tokens = new.input, output_tokens = new.output,
           cache_read_tokens = new.cache_read, cache_write_5m_tokens = new.write_5m,
           cache_write_1h_tokens = new.write_1h, thinking_tokens = new.thinking, usage = new.usage,
           is_estimated = new.is_estimated, cost_usd = new.cost, unit_prices = new.unit_prices,
           price_version = new.price_version, latency_ms = new.latency, time_to_first_token_ms = new.ttft,
           stop_reason = new.stop_reason, message_id = new.message_id, request_id = new.request_id,
           error_class = new.error_class, response_text = new.response_text, is_offline = new.is_offline,
           reserved_usd = 0, finished_at = clock_timestamp()
      FROM old JOIN new ON new.id = old.id WHERE c.id = old.id
    RETURNING c.execution_id, COALESCE(c.cost_usd, 0) - COALESCE(old.cost_usd, 0) AS cost,
              COALESCE(old.reserved_usd, 0) AS released, old.budget_accounts
), entry AS (
    INSERT INTO executions_budgetentry (account_id, spent_usd, reserved_usd)
    SELECT account_id, cost, -released FROM call, unnest(call.budget_accounts) AS account_id
     WHERE cost <> 0 OR released <> 0
)
UPDATE executions_execution e
   SET cost_usd = e.cost_usd + total.cost, reserved_usd = e.reserved_usd - total.released
  FROM (SELECT execution_id, SUM(cost) AS cost, SUM(released) AS released FROM call GROUP BY execution_id) total
 WHERE e.id = total.execution_id
"""

_UNPRICED = """
SELECT id, execution_id, model, status, usage FROM executions_llmcall
 WHERE cost_usd IS NULL AND status <> 'in_flight' AND id > %s ORDER BY id LIMIT %s
"""
# The status is compared because a lost call may be settled with its real figures in between.
_PRICE = """
WITH new AS (
    SELECT * FROM json_to_recordset(%s) AS n (id uuid, execution_id uuid, status text, cost numeric, unit_prices jsonb,
        price_version text)
), execution AS (
    SELECT id FROM executions_execution WHERE id IN (SELECT execution_id FROM new) ORDER BY id FOR UPDATE
), call AS (
    UPDATE executions_llmcall c
       SET cost_usd = new.cost, unit_prices = new.unit_prices, price_version = new.price_version
      FROM new JOIN execution ON execution.id = new.execution_id
     WHERE c.id = new.id AND c.status = new.status AND c.cost_usd IS NULL
    RETURNING c.execution_id, c.cost_usd, c.budget_accounts
), entry AS (
    INSERT INTO executions_budgetentry (account_id, spent_usd, reserved_usd)
    SELECT account_id, cost_usd, 0 FROM call, unnest(call.budget_accounts) AS account_id WHERE cost_usd <> 0
)
UPDATE executions_execution e SET cost_usd = e.cost_usd + total.cost
  FROM (SELECT execution_id, SUM(cost_usd) AS cost FROM call GROUP BY execution_id) total
 WHERE e.id = total.execution_id
"""
_FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedCall:
    """A call that is over, of a model that had no known price then."""

    id: UUID
    execution_id: UUID
    model: str
    status: str
    usage: JSON


def encode_text(text: str) -> str:
    """Return ``text`` as an ASCII JSON string: PostgreSQL can keep it, whatever the model wrote."""
    return json.dumps(text)


def decode_text(stored: str) -> str:
    """Return the text that :func:`encode_text` was given."""
    text = json.loads(stored)
    assert isinstance(text, str)
    return text


def book_responses(answered: Sequence[tuple[UUID, UUID, ModelResponse]]) -> None:
    """Book finished calls (execution, call, response) with their whole answers, before anybody looks at them."""
    database.execute(_SETTLE, (database.json_rows([_answer_row(*each) for each in answered]),))


def _answer_row(execution_id: UUID, call_id: UUID, response: ModelResponse) -> JSON:
    return _row(
        execution_id,
        call_id,
        status=CallStatus.SUCCEEDED,
        model=response.model,
        usage=response.usage,
        is_estimated=False,
        latency=response.latency_ms,
        ttft=response.ttft_ms,
        stop_reason=response.stop_reason,
        message_id=response.message_id,
        request_id=response.request_id or "",
        response_text=encode_text(response.text),
        is_offline=response.is_offline,
    )


def book_failure(
    *, execution_id: UUID, call_id: UUID, model: str, request_chars: int, error: LLMError, progress: CallProgress
) -> None:
    """Book a call that ended in an error; what it used is estimated from what the stream had reported."""
    _settle_broken(
        execution_id,
        call_id,
        status=CallStatus.FAILED,
        model=model,
        request_chars=request_chars,
        progress=progress,
        error_class=type(error).__name__,
    )


def book_cancelled(
    *, execution_id: UUID, call_id: UUID, model: str, request_chars: int, progress: CallProgress
) -> None:
    """Book a call that we broke off."""
    _settle_broken(
        execution_id,
        call_id,
        status=CallStatus.CANCELLED,
        model=model,
        request_chars=request_chars,
        progress=progress,
        error_class="Cancelled",
    )


def book_lost(*, execution_id: UUID, call_id: UUID, model: str, request_chars: int) -> None:
    """Book a call whose worker died: it was sent, for all we know, and its answer never came."""
    _settle_broken(
        execution_id,
        call_id,
        status=CallStatus.LOST,
        model=model,
        request_chars=request_chars,
        progress=CallProgress(was_sent=True),
        error_class="WorkerLost",
    )


def unpriced_calls(*, after: UUID | None, limit: int) -> list[UnpricedCall]:
    """Return calls without a price, in the order of their ids, from the one that follows ``after`` on."""
    names = ("id", "execution_id", "model", "status", "usage")
    found = database.rows(_UNPRICED, (after or _FIRST_ID, limit))
    return [UnpricedCall(**dict(zip(names, row, strict=True))) for row in found]


def find_price(call: UnpricedCall) -> pricing.CallPrice:
    """Return what a call costs by the prices that are known now, to the ledger's places."""
    price = pricing.price_call(call.model, call.usage)
    return price if price.cost is None else replace(price, cost=price.cost.quantize(_PLACES))


def book_prices(priced: Sequence[tuple[UnpricedCall, pricing.CallPrice]]) -> None:
    """Give calls the price that was found, and add it to their executions. What has one by now keeps it."""
    rows: list[JSON] = [
        {
            "id": call.id,
            "execution_id": call.execution_id,
            "status": call.status,
            "cost": price.cost,
            "unit_prices": price.unit_prices,
            "price_version": price.price_version,
        }
        for call, price in priced
    ]
    database.execute(_PRICE, (database.json_rows(rows),))


def _settle_broken(
    execution_id: UUID,
    call_id: UUID,
    *,
    status: CallStatus,
    model: str,
    request_chars: int,
    progress: CallProgress,
    error_class: str,
) -> None:
    usage: JSON = {}
    if progress.was_sent and (progress.usage or status is not CallStatus.FAILED):
        usage = pricing.estimate_usage(request_chars, progress.text_chars, progress.usage or None)
    row = _row(
        execution_id,
        call_id,
        status=status,
        model=model,
        usage=usage,
        is_estimated=bool(usage),
        latency=progress.latency_ms or None,
        ttft=progress.ttft_ms,
        message_id=progress.message_id or "",
        request_id=progress.request_id or "",
        error_class=error_class,
        is_offline=(progress.message_id or "").startswith(OFFLINE_MESSAGE_ID_PREFIX),
    )
    database.execute(_SETTLE, (database.json_rows([row]),))


def _storable(usage: JSON) -> JSON:
    """Return a usage that can be kept: as it was reported, or else only its counts."""
    try:
        kept: JSON = normalise(usage)
    except NotStorable:
        kept = pricing.usage_counts(usage).to_usage()
    return kept


def _row(
    execution_id: UUID,
    call_id: UUID,
    *,
    status: CallStatus,
    model: str,
    usage: JSON,
    is_estimated: bool,
    latency: int | None,
    ttft: int | None,
    stop_reason: str = "",
    message_id: str = "",
    request_id: str = "",
    error_class: str = "",
    response_text: str = "",
    is_offline: bool = False,
) -> JSON:
    usage = _storable(usage)
    counts = pricing.usage_counts(usage)
    # A call that was answered by an error before any token costs nothing: that is known, not unknown.
    price = (
        pricing.price_call(model, usage)
        if usage
        else pricing.CallPrice(cost=Decimal(0), unit_prices={}, price_version="")
    )
    return {
        "id": call_id,
        "execution_id": execution_id,
        "status": status.value,
        "input": counts.input,
        "output": counts.output,
        "cache_read": counts.cache_read,
        "write_5m": counts.cache_write_5m,
        "write_1h": counts.cache_write_1h,
        "thinking": counts.thinking,
        "usage": usage,
        "is_estimated": is_estimated,
        "cost": None if price.cost is None else price.cost.quantize(_PLACES),
        "unit_prices": price.unit_prices,
        "price_version": price.price_version,
        "latency": latency,
        "ttft": ttft,
        # What a provider says must never be why a call cannot be booked.
        "stop_reason": storable_text(stop_reason, 40),
        "message_id": storable_text(message_id, 100),
        "request_id": storable_text(request_id, 100),
        "error_class": error_class,
        "response_text": response_text,
        "is_offline": is_offline,
    }
