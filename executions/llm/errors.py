"""What can go wrong with a call to the model. Only ``executions.llm`` raises these.

    LLMError
    ├── TransientError             error_class "transient"
    │   ├── RateLimited            "rate": retry_after seconds, or None
    │   ├── Overloaded             529, or an overload reported in mid-stream
    │   ├── ProviderUnavailable    5xx, 408, 409, api_error in mid-stream
    │   ├── ConnectionFailed       no connection, or a connection that broke
    │   ├── Truncated              "truncated": the stream ended without message_stop or stop reason
    │   ├── Stalled                "stalled": no delta for too long, pings do not count
    │   ├── DeadlineExceeded       "stalled": the whole call took too long
    │   └── ProxyGarbage           "proxy": not the Messages API's language, worth two more tries
    ├── OutputTooLarge             "too_large": more text than a document may have
    ├── QuotaExhausted             "quota": spend limit or billing, people must act
    ├── BadRequest                 "caller": 400, 404, 413 ...: the same request never works
    ├── AuthFailed                 "config": 401, 403: no call works until the key is changed
    └── ProtocolError              "protocol": an answer that we never asked for, such as a tool call

``code`` is the error code that a failed execution shows. ``retryable`` is for the retry policy alone;
``retry_limit``, where set, is the most tries that policy may add. No message carries prompt or
completion text, a header, or a key.
"""

from __future__ import annotations

from typing import ClassVar

from executions.llm.values import JSON, CallProgress


class LLMError(Exception):
    """A call that gave no usable answer, with what it has used until then."""

    code: ClassVar[str] = "PROVIDER_ERROR"
    error_class: ClassVar[str] = "protocol"
    retryable: ClassVar[bool] = False
    retry_limit: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        progress: CallProgress | None = None,
        request_id: str | None = None,
        status_code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.progress = progress if progress is not None else CallProgress()
        self.request_id = request_id or self.progress.request_id
        self.status_code = status_code

    @property
    def usage(self) -> JSON | None:
        """The usage reported before the call broke, or ``None`` if there was none."""
        return self.progress.usage or None

    @property
    def text_chars(self) -> int:
        return self.progress.text_chars

    @property
    def latency_ms(self) -> int:
        return self.progress.latency_ms

    @property
    def ttft_ms(self) -> int | None:
        return self.progress.ttft_ms


class TransientError(LLMError):
    """The same request may well work later."""

    error_class = "transient"
    retryable = True


class RateLimited(TransientError):
    """The provider asks for a pause: ``retry_after`` seconds, or ``None`` if it did not say."""

    error_class = "rate"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        progress: CallProgress | None = None,
        request_id: str | None = None,
        status_code: int | None = None,
    ) -> None:
        super().__init__(message, progress=progress, request_id=request_id, status_code=status_code)
        self.retry_after = retry_after


class Overloaded(TransientError):
    """The provider has no capacity at the moment."""


class ProviderUnavailable(TransientError):
    """The provider, or a gateway before it, failed."""


class ConnectionFailed(TransientError):
    """No connection was made, or it broke."""


class Truncated(TransientError):
    """The stream ended before the message did. What came must never be parsed."""

    error_class = "truncated"


class Stalled(TransientError):
    """The connection is open, but nothing has been written for too long."""

    error_class = "stalled"


class DeadlineExceeded(TransientError):
    """The call took longer than the step allows."""

    code = "STEP_TIMEOUT"
    error_class = "stalled"


class ProxyGarbage(TransientError):
    """Something between us and the provider answered in its place."""

    error_class = "proxy"
    retry_limit = 2


class OutputTooLarge(LLMError):
    """The model wrote more than a document may have; the call was stopped."""

    code = "OUTPUT_TOO_LARGE"
    error_class = "too_large"


class QuotaExhausted(LLMError):
    """The account's spend limit or balance is used up: staff must raise it, then retry."""

    code = "PROVIDER_QUOTA"
    error_class = "quota"


class BadRequest(LLMError):
    """The provider refuses this request, and always will."""

    error_class = "caller"


class AuthFailed(LLMError):
    """The provider refuses our key: no call works until that is changed."""

    code = "PROVIDER_AUTH"
    error_class = "config"


class ProtocolError(LLMError):
    """The answer is of a kind that we never ask for; fail closed."""

    error_class = "protocol"
