"""What a receiver is told: that something happened, and where to look. No content of documents, no words of people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from executions.models.webhooks import WebhookDelivery

# Keys of an event's data that name things. The others hold texts: questions, comments, findings, reasons, names.
_THIN = (
    "document_id", "doc_type", "version", "content_sha256", "gate_id", "decision", "code", "attempt", "total", "due_at",
    "workflow_id", "revision", "scope", "period", "percent", "spent_usd", "budget_usd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What a delivery is about: an event, or (without an execution) a test."""

    event_type: str
    at: datetime
    project_id: str
    webhook_id: UUID
    execution_id: UUID | None = None
    seq: int | None = None
    step_id: str = ""
    path: str = ""
    facts: Mapping[str, Any] | None = None


def happening_of(delivery: WebhookDelivery) -> Happening:
    """Return what a delivery is about; its webhook and event are read."""
    happening = Happening(
        event_type=delivery.event_type,
        at=delivery.created_at,
        project_id=delivery.webhook.project_id,
        webhook_id=delivery.webhook_id,
    )
    event = delivery.event
    if event is None:
        return happening
    return replace(
        happening,
        at=event.timestamp,
        execution_id=event.execution_id,
        seq=event.seq,
        step_id=event.step_id,
        path=event.path,
        facts=event.data,
    )


def body_of(happening: Happening) -> bytes:
    """Return the message, the same for every attempt: ``{type, timestamp, data}``."""
    return json.dumps(message_of(happening), separators=(",", ":")).encode()


def message_of(happening: Happening) -> dict[str, Any]:
    """Return the message as JSON values."""
    data: dict[str, Any] = {"webhook_id": str(happening.webhook_id), "project_id": happening.project_id}
    if happening.execution_id is not None:
        facts = happening.facts or {}
        data |= {
            "execution_id": str(happening.execution_id),
            "seq": happening.seq,
            "step_id": happening.step_id or None,
            "path": happening.path or None,
            **{key: facts[key] for key in _THIN if key in facts},
        }
    timestamp = happening.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"type": happening.event_type, "timestamp": timestamp, "data": data}
