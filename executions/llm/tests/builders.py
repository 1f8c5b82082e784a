"""The fixed cast of these tests: one step, one document type, one request."""

from __future__ import annotations

from typing import Any

from executions.llm.values import ModelRequest, PromptInputs
from workflows.definition import DocumentType, ProductionStep

STORY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 80},
        "summary": {"type": "string", "maxLength": 400},
        "stories": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
                "required": ["id", "text"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "stories"],
    "additionalProperties": False,
}


def doc_type(**changes: Any) -> DocumentType:
    values: dict[str, Any] = {
        "type_id": "story_backlog",
        "name": "Story backlog",
        "scope": "epic",
        "collection_field": "stories",
        "schema": STORY_SCHEMA,
    }
    return DocumentType(**{**values, **changes})


def step(**changes: Any) -> ProductionStep:
    values: dict[str, Any] = {
        "step_id": "story_backlog",
        "name": "Write the stories",
        "role": "Business Analyst 1.0",
        "role_prompt": "You are a business analyst.",
        "task": "Story Backlog v1.0",
        "task_prompt": "Write the stories of the epic.",
        "produces": "story_backlog",
        "scope": "epic",
    }
    return ProductionStep(**{**values, **changes})


def prompt_inputs(**changes: Any) -> PromptInputs:
    values: dict[str, Any] = {
        "step": step(),
        "doc_type": doc_type(),
        "workflow_name": "Software product",
        "path": "per_epic[E1].story_backlog",
        "model": "claude-sonnet-5-5",
        "max_tokens": 16_000,
        "timeout_seconds": 60.0,
    }
    return PromptInputs(**{**values, **changes})


def model_request(text: str = "Write something.", **changes: Any) -> ModelRequest:
    values: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "system": [{"type": "text", "text": "You are a writer."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
        "max_tokens": 1_000,
        "timeout_seconds": 20.0,
    }
    return ModelRequest(**{**values, **changes})


def all_text(request: ModelRequest) -> str:
    """Return every text of a request, in order."""
    texts = [block["text"] for block in request.system]
    for message in request.messages:
        content = message["content"]
        texts += [content] if isinstance(content, str) else [block["text"] for block in content]
    return "\n".join(texts)
