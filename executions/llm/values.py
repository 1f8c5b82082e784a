"""The values that travel between the engine and the model: frozen, no Django, no I/O.

The engine fills :class:`PromptInputs`; ``prompt.build_request`` turns it into a :class:`ModelRequest`;
``client.ModelClient.complete`` answers with a :class:`ModelResponse` and keeps a :class:`CallProgress`
up to date meanwhile, so that what a broken or cancelled call has used is never lost.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from workflows.definition import DocumentType, ProductionStep

JSON = dict[str, Any]

OFFLINE_MESSAGE_ID_PREFIX = "msg_offline_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with an output or an answer: told to the model, or to the person who sent it."""

    code: str
    path: str = ""
    detail: str = ""

    def to_json(self) -> JSON:
        return {"code": self.code, "path": self.path, "detail": self.detail}

    @classmethod
    def from_json(cls, data: JSON) -> Finding:
        return cls(code=data["code"], path=data["path"], detail=data["detail"])


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDocument:
    """A document that the step reads, as it was accepted."""

    doc_type: str
    name: str
    scope_type: str
    scope_id: str
    version: int
    content: Any

    @property
    def is_root_scoped(self) -> bool:
        """Whether it belongs to the project itself: its scope id is then the project id, without a ``:``."""
        return ":" not in self.scope_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InputItem:
    """One item of an iteration that encloses the step."""

    entity_type: str
    item_id: str
    content: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """A clarification question and what a person answered."""

    question_id: str
    text: str
    answer: Any
    step_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewComment:
    """A remark on one place of a document (``path`` is a JSON Pointer), or on all of it (``path`` is empty)."""

    path: str
    text: str

    def to_json(self) -> JSON:
        return {"path": self.path, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Why the step runs again: reviewers asked for changes (rework), or people retried a failed execution.

    ``previous_edits`` is what people had changed in the previous version themselves (see ``documents.edits``).
    """

    kind: Literal["rework", "retry"]
    comment: str = ""
    comments: tuple[ReviewComment, ...] = ()
    previous_content: Any = None
    previous_version: int | None = None
    previous_edits: JSON | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The model's own invalid output and what was wrong with it."""

    output_text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRule:
    """``field`` must be a list of objects with unique ids, each under the first of ``id_keys`` that it has."""

    field: str
    id_keys: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInputs:
    """Everything that decides one request. ``model`` is a resolved id; ``brief`` is ``None`` when not given.

    ``items`` are ordered from the outermost iteration to the innermost. Without a ``collection`` rule,
    items of the document type's ``collection_field`` are asked to have an ``id``.
    """

    step: ProductionStep
    doc_type: DocumentType
    workflow_name: str
    path: str
    model: str
    max_tokens: int
    timeout_seconds: float
    collection: CollectionRule | None = None
    brief: JSON | None = None
    documents: tuple[InputDocument, ...] = ()
    items: tuple[InputItem, ...] = ()
    answers: tuple[AnsweredQuestion, ...] = ()
    feedback: Feedback | None = None
    retry_note: str | None = None
    correction: Correction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request to the Messages API. ``output_schema`` is set only where structured outputs are used."""

    model: str
    system: list[JSON]
    messages: list[JSON]
    max_tokens: int
    timeout_seconds: float
    output_schema: JSON | None = None

    def to_api_kwargs(self) -> JSON:
        """Return the body that is sent, without ``stream``."""
        body: JSON = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "system": self.system,
            "messages": self.messages,
        }
        if self.output_schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": self.output_schema}}
        return body

    def digest(self) -> str:
        """Return the SHA-256 (hex) of what is sent: the name of this very prompt."""
        return body_digest(self.to_api_kwargs())

    def char_count(self) -> int:
        """Return the size of the prompt (and schema) in UTF-8 bytes: for reserving and for estimating tokens."""
        texts = [block["text"] for block in self.system]
        for message in self.messages:
            content = message["content"]
            texts += [content] if isinstance(content, str) else [block["text"] for block in content]
        if self.output_schema is not None:
            texts.append(json.dumps(self.output_schema))
        return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """A finished call. ``usage`` is what the API reported: the start's figures updated by the last delta's.

    ``stop_details`` is what the API says about a refusal.
    """

    text: str
    stop_reason: str
    usage: JSON
    model: str
    message_id: str
    request_id: str | None
    latency_ms: int
    ttft_ms: int | None
    stop_details: JSON | None = None

    @property
    def is_offline(self) -> bool:
        """Whether the offline model wrote it: pages and documents say so."""
        return self.message_id.startswith(OFFLINE_MESSAGE_ID_PREFIX)


@dataclass(slots=True, kw_only=True)
class CallProgress:
    """What is known of a call so far; updated in place, so it survives an error and a cancellation.

    ``usage`` stays empty until the API has reported any. ``was_sent`` is false while nothing can have
    reached the API, so nothing can have been charged. ``texts`` are the pieces of the answer, as they came.
    """

    usage: JSON = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    text_chars: int = 0
    ttft_ms: int | None = None
    latency_ms: int = 0
    request_id: str | None = None
    message_id: str | None = None
    model: str | None = None
    was_sent: bool = False


def body_digest(body: JSON) -> str:
    """Return the SHA-256 (hex) of a request body as sorted JSON, ``stream`` left out."""
    plain = {key: value for key, value in body.items() if key != "stream"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
