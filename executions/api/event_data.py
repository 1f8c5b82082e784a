"""What the ``data`` of an event holds, by its type: for those who read streams, histories and webhooks."""

from __future__ import annotations

from typing import Any

from executions.engine.state import RetryReason
from executions.models import BudgetPeriod, EventType

JSON = dict[str, Any]

_TEXT: JSON = {"type": "string"}
_TEXT_OR_NULL: JSON = {"type": ["string", "null"]}
_WHOLE: JSON = {"type": "integer"}
_ID: JSON = {"type": "string", "format": "uuid"}
_TEXTS: JSON = {"type": "array", "items": _TEXT}
_FINDINGS: JSON = {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}}
_QUESTIONS: JSON = {"type": "array", "items": {"$ref": "#/components/schemas/Question"}}
_DECISION: JSON = {"$ref": "#/components/schemas/Verdict"}
_REASON: JSON = {"type": "string", "enum": [reason.value for reason in RetryReason]}

DATA: dict[str, JSON] = {
    EventType.EXECUTION_STARTED: {"workflow_id": _TEXT, "revision": _TEXT, "project_id": _TEXT},
    EventType.STEP_STARTED: {"attempt": _WHOLE, "role": _TEXT, "model": _TEXT},
    EventType.STEP_RETRYING: {"attempt": _WHOLE, "reason": _REASON, "findings": _FINDINGS},
    EventType.STEP_COMPLETED: {"document_id": {"type": ["string", "null"], "format": "uuid"}},
    EventType.STEP_FAILED: {"code": _TEXT, "detail": _TEXT},
    EventType.CLARIFICATION_NEEDED: {"gate_id": _ID, "questions": _QUESTIONS},
    EventType.CLARIFICATION_ANSWERED: {"gate_id": _ID, "by": _TEXT},
    EventType.ACCEPTANCE_NEEDED: {
        "gate_id": _ID,
        "document_id": _ID,
        "doc_type": _TEXT,
        "roles": _TEXTS,
        "due_at": {"type": ["string", "null"], "format": "date-time"},
    },
    EventType.ACCEPTANCE_DECIDED: {
        "gate_id": _ID,
        "document_id": _ID,
        "decision": _DECISION,
        "by": _TEXT,
        "comment": _TEXT,
    },
    EventType.DOCUMENT_CREATED: {"document_id": _ID, "doc_type": _TEXT, "version": _WHOLE, "content_sha256": _TEXT},
    EventType.ITERATION_EXPANDED: {"total": _WHOLE, "items": _TEXTS},
    EventType.EXECUTION_RETRIED: {"by": _TEXT, "reason": _TEXT_OR_NULL},
    EventType.BUDGET_WARNING: {
        "scope": {"type": "string", "enum": ["execution", "project", "project_workflow", "workflow", "all"]},
        "project_id": _TEXT_OR_NULL,
        "workflow_id": _TEXT_OR_NULL,
        "period": {"type": ["string", "null"], "enum": [*BudgetPeriod.values, None]},
        "percent": _WHOLE,
        "spent_usd": _TEXT_OR_NULL,
        "budget_usd": _TEXT_OR_NULL,
    },
    EventType.EXECUTION_COMPLETED: {},
    EventType.EXECUTION_FAILED: {"code": _TEXT, "detail": _TEXT},
    EventType.EXECUTION_CANCELLED: {"by": _TEXT, "reason": _TEXT_OR_NULL},
}


def data_schema() -> JSON:
    """Return what is said of ``data`` wherever an event is shown."""
    rows = [f"| `{name}` | {' '.join(f'`{key}`' for key in keys) or '-'} |" for name, keys in DATA.items()]
    table = "\n".join(["| Type | Keys of `data` |", "|---|---|", *rows])
    return {"type": "object", "additionalProperties": True, "description": f"What has happened, by type:\n\n{table}"}


def data_rules() -> JSON:
    """Return the same for programs: a schema for each type of event."""
    rules = []
    for name, keys in DATA.items():
        data = {"type": "object", "required": [*keys], "properties": dict(keys)}
        is_of_type = {"properties": {"event_type": {"const": str(name)}}, "required": ["event_type"]}
        rules.append({"if": is_of_type, "then": {"properties": {"data": data}}})
    return {"allOf": rules}
