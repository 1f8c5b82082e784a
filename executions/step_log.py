"""What the log is told of a step: where it belongs, what its call did, what it brought. Ids and figures, no texts."""

from __future__ import annotations

from typing import Any

from executions.llm.errors import LLMError
from executions.llm.values import ModelResponse
from executions.values import Claim, Failed, Outcome

Facts = dict[str, Any]

_MOST_OF_AN_ID = 100


def facts_of(claim: Claim, action: str) -> Facts:
    """Return what every record about a step has."""
    return {
        "action": action,
        "execution_id": str(claim.execution_id),
        "step_id": claim.step_id,
        "path": claim.path,
        "attempt": claim.attempt,
    }


def answered(claim: Claim, response: ModelResponse) -> Facts:
    return facts_of(claim, "call_answered") | _of_call(claim, response.latency_ms, response.request_id)


def failed(claim: Claim, error: LLMError) -> Facts:
    """Return what is known of a failed call, without the provider's words: they may quote the prompt."""
    kind = {"error": type(error).__name__, "http_status": error.status_code}
    return facts_of(claim, "call_failed") | kind | _of_call(claim, error.latency_ms, error.request_id)


def recorded(claim: Claim, outcome: Outcome) -> Facts:
    code = {"code": outcome.code.value} if isinstance(outcome, Failed) else {}
    return facts_of(claim, "step_recorded") | {"outcome": type(outcome).__name__} | code


def _of_call(claim: Claim, latency_ms: int, request_id: str | None) -> Facts:
    return {
        "call_id": str(claim.call_id),
        "model": claim.request.model,
        "latency_ms": latency_ms,
        "provider_request_id": None if request_id is None else request_id[:_MOST_OF_AN_ID],
    }
