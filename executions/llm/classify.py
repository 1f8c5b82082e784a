"""From what the SDK or the stream reports to our errors: one row of the table at a time.

Messages are built here, from status, type and code. What the API says in words is quoted only where
people need it to put things right, shortened, and with the key taken out should it be echoed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from executions.llm.errors import (
    AuthFailed,
    BadRequest,
    LLMError,
    Overloaded,
    ProviderUnavailable,
    ProxyGarbage,
    QuotaExhausted,
    RateLimited,
)
from executions.llm.values import JSON, CallProgress

_QUOTA_CODES = ("spend_limit_reached", "billing_unavailable", "not_billable")
_MAX_QUOTE = 300
_OVERLOADED_STATUS = 529
_TRANSIENT_STATUSES = frozenset({408, 409, 425})


def error_from_status(
    *,
    status: int,
    body: object,
    headers: Mapping[str, str],
    progress: CallProgress,
    secret: str | None,
) -> LLMError:
    """Return the error for an answer that is no success."""
    kind, error_code, said = _problem(body)
    facts: dict[str, Any] = {"progress": progress, "request_id": headers.get("request-id"), "status_code": status}
    title = f"the model's provider answered {status}{f' ({kind})' if kind else ''}"
    words = _quoted(said, secret)
    if status == 402 or kind == "billing_error" or any(part in error_code for part in _QUOTA_CODES):
        return QuotaExhausted(title + words, **facts)
    if status == 429:
        return RateLimited(title, retry_after=retry_after_seconds(headers), **facts)
    if status in (401, 403):
        return AuthFailed(title, **facts)
    if status == _OVERLOADED_STATUS or kind == "overloaded_error":
        return Overloaded(title, **facts)
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return ProviderUnavailable(title, **facts)
    if status >= 400:
        return BadRequest(title + words, **facts)
    return ProxyGarbage(title, **facts)


def error_from_stream_event(payload: JSON, progress: CallProgress) -> LLMError:
    """Return the error for an ``error`` event: the status was 200, so the type decides."""
    kind, error_code, _ = _problem(payload)
    message = f"the model's provider broke off the answer ({kind or 'unknown error'})"
    if kind == "billing_error" or any(part in error_code for part in _QUOTA_CODES):
        return QuotaExhausted(message, progress=progress)
    if kind in ("overloaded_error", "rate_limit_error"):
        return Overloaded(message, progress=progress)
    if kind in ("authentication_error", "permission_error"):
        return AuthFailed(message, progress=progress)
    if kind in ("invalid_request_error", "not_found_error", "request_too_large"):
        return BadRequest(message, progress=progress)
    return ProviderUnavailable(message, progress=progress)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the pause that the provider asks for, never negative; ``None`` if it does not say or says nonsense."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _problem(body: object) -> tuple[str, str, str]:
    """Return type, code and words of an API error body; empty texts where it is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", "", ""
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return _short(error.get("type")), _short(code), str(error.get("message") or "")


def _short(value: object) -> str:
    return value[:64] if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def _quoted(said: str, secret: str | None) -> str:
    text = " ".join(said.split())
    if secret:
        text = text.replace(secret, "[key]")
    return f": {text[:_MAX_QUOTE]}" if text else ""
