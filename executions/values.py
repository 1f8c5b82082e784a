"""What travels between a worker and the transitions: a claimed step, and what its attempt brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from executions.engine.state import ErrorCode
from executions.llm.errors import LLMError
from executions.llm.values import JSON, CollectionRule, Feedback, Finding, ModelRequest
from workflows.definition import DocumentType, ProductionStep


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer of a call that was paid for by an attempt whose worker died before it was recorded."""

    text: str
    stop_reason: str
    is_offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One step to try: everything the worker needs, with no further look at the database."""

    execution_id: UUID
    step_row_id: int
    path: str
    step_id: str
    token: UUID
    call_id: UUID
    request: ModelRequest
    request_chars: int
    step: ProductionStep
    doc_type: DocumentType
    collection: CollectionRule | None
    may_ask: bool
    attempt: int
    runs_alone: bool
    stored_answer: StoredAnswer | None
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    content: object
    title: str
    summary: str
    model: str
    is_offline: bool
    edits: JSON | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    questions: Sequence[JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutShort:
    """The answer ended at ``max_tokens``; there is room for more only up to ``room``."""

    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An end that no further try can mend."""

    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFailed:
    error: LLMError
    jitter: float


Outcome = Produced | Asked | Invalid | CutShort | Failed | ProviderFailed
