"""One run of the product workflow, as clients see it at several moments: the examples of the API's description."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]

EXECUTION_ID = "6b1f2a60-3c5e-4b0e-9d0a-0f6a5d1c7e42"
GATE_ID = "0d3f8a52-7b1c-4c9e-8a57-51b6f0f6f1aa"
QUESTIONS_ID = "8c1e4c0b-52a7-4f0d-9a3e-6e0b7a4c9d21"
DOCUMENT_ID = "f2b9f5ba-96d1-4d7c-8c7e-2f4f7c0f4f11"
SHA256 = "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"

BRIEF: JSON = {"idea": "A library that lends tools to its neighbours."}
SUMMARY: JSON = {
    "execution_id": EXECUTION_ID,
    "workflow_id": "software_product",
    "revision": "1.0",
    "project_id": "apollo",
    "status": "waiting_acceptance",
    "current_step_id": "epic_backlog",
    "started_at": "2026-01-31T12:00:00Z",
    "completed_at": None,
    "error": None,
    "cost_usd": "0.0834",
    "budget_usd": "5",
    "links": {
        "self": f"/api/v1/executions/{EXECUTION_ID}",
        "events": f"/api/v1/executions/{EXECUTION_ID}/events",
        "steps": f"/api/v1/executions/{EXECUTION_ID}/steps",
        "documents": f"/api/v1/documents?execution_id={EXECUTION_ID}",
        "workflow": "/api/v1/workflows/software_product",
        "project": "/api/v1/projects/apollo",
    },
}
QUESTION: JSON = {
    "id": "AUDIENCE",
    "text": "Who will use it most?",
    "intent": "The main users decide what comes first.",
    "priority": "must",
    "answer_type": "single_choice",
    "required": True,
    "blocking": True,
    "choices": [
        {"value": "members", "label": "People who borrow"},
        {"value": "volunteers", "label": "Volunteers at the desk"},
    ],
    "default": "members",
}
DECISION: JSON = {
    "by": "ed",
    "decision": "request_changes",
    "comment": "The second epic is two.",
    "comments": [{"path": "/epics/1", "text": "Split lending from reminders."}],
    "answers": None,
    "document_id": DOCUMENT_ID,
    "document_version": 1,
    "content_sha256": SHA256,
    "channel": "api",
    "decided_at": "2026-01-31T12:09:30Z",
}
GATE: JSON = {
    "gate_id": GATE_ID,
    "kind": "acceptance",
    "status": "open",
    "execution_id": EXECUTION_ID,
    "project_id": "apollo",
    "step_id": "epic_backlog",
    "path": "epic_backlog",
    "doc_type": "epic_backlog",
    "scope_id": "apollo",
    "document_id": DOCUMENT_ID,
    "document_version": 1,
    "content_sha256": SHA256,
    "questions": [],
    "roles": ["pm"],
    "users": [],
    "quorum": 1,
    "due_at": None,
    "opened_at": "2026-01-31T12:05:10Z",
    "closed_at": None,
    "decisions": [],
    "may_decide": True,
    "links": {
        "self": f"/api/v1/gates/{GATE_ID}",
        "execution": f"/api/v1/executions/{EXECUTION_ID}",
        "document": f"/api/v1/documents/{DOCUMENT_ID}",
    },
}
EXECUTION: JSON = {
    **SUMMARY,
    "completed_steps": ["project_discovery"],
    "step_progress": {
        "project_discovery": {
            "step_id": "project_discovery",
            "status": "completed",
            "started_at": "2026-01-31T12:00:01Z",
            "completed_at": "2026-01-31T12:04:12Z",
            "attempt": 1,
        },
        "epic_backlog": {
            "step_id": "epic_backlog",
            "status": "waiting_acceptance",
            "started_at": "2026-01-31T12:04:12Z",
            "completed_at": None,
            "attempt": 1,
        },
    },
    "iteration_progress": {"per_epic": {"total": None, "completed": 0}},
    "pending_acceptance": {
        "gate_id": GATE_ID,
        "doc_type": "epic_backlog",
        "scope_id": "apollo",
        "document_id": DOCUMENT_ID,
        "document_preview": {
            "title": "Epics of the tool library",
            "summary": "Three epics: membership, lending, reminders.",
            "version": 1,
            "content_sha256": SHA256,
        },
    },
    "pending_clarification": None,
    "pending_gates": [GATE],
}
_AT_START: JSON = {
    **EXECUTION,
    "status": "pending",
    "current_step_id": "project_discovery",
    "cost_usd": "0",
    "completed_steps": [],
    "step_progress": {
        path: {
            "step_id": path,
            "status": "pending",
            "started_at": None,
            "completed_at": None,
            "attempt": 0,
        }
        for path in ("project_discovery", "epic_backlog")
    },
    "pending_acceptance": None,
    "pending_gates": [],
}
STARTED = _AT_START
CANCELLED: JSON = {
    **EXECUTION,
    "status": "cancelled",
    "current_step_id": None,
    "completed_at": "2026-01-31T12:20:00Z",
    "step_progress": {
        path: {**step, "status": "cancelled"} if step["status"] != "completed" else step
        for path, step in EXECUTION["step_progress"].items()
    },
    "pending_acceptance": None,
    "pending_gates": [],
}
GOES_ON: JSON = {
    **EXECUTION,
    "status": "running",
    "pending_acceptance": None,
    "pending_gates": [],
}
EVENT: JSON = {
    "event_type": "document_created",
    "execution_id": EXECUTION_ID,
    "seq": 6,
    "step_id": "epic_backlog",
    "path": "epic_backlog",
    "timestamp": "2026-01-31T12:05:10Z",
    "data": {"document_id": DOCUMENT_ID, "doc_type": "epic_backlog", "version": 1, "content_sha256": SHA256},
}
STEP: JSON = {
    "path": "epic_backlog",
    "step_id": "epic_backlog",
    "is_iteration": False,
    "scope_type": "project",
    "scope_id": "apollo",
    "items": [],
    "status": "waiting_acceptance",
    "attempt": 1,
    "started_at": "2026-01-31T12:04:12Z",
    "completed_at": None,
    "document_id": DOCUMENT_ID,
    "total": None,
    "error": None,
    "attempts": [
        {
            "n": 1,
            "attempt": 1,
            "status": "succeeded",
            "started_at": "2026-01-31T12:04:12Z",
            "finished_at": "2026-01-31T12:05:10Z",
            "outcome": "document",
            "detail": None,
            "findings": [],
            "calls": [
                {
                    "call_id": "57a0a8f7-6d0d-4a4e-8f39-3d5b8f2f7b10",
                    "model": "claude-sonnet-4-5",
                    "status": "succeeded",
                    "started_at": "2026-01-31T12:04:12Z",
                    "finished_at": "2026-01-31T12:05:10Z",
                    "input_tokens": 812,
                    "output_tokens": 2304,
                    "cache_read_tokens": 6120,
                    "cache_write_tokens": 0,
                    "cost_usd": "0.0388",
                    "is_estimated": False,
                    "is_offline": False,
                    "latency_ms": 57800,
                    "stop_reason": "end_turn",
                    "response_text": None,
                }
            ],
        }
    ],
}
DOCUMENT: JSON = {
    "document_id": DOCUMENT_ID,
    "document_type": "epic_backlog",
    "project_id": "apollo",
    "scope_type": "project",
    "scope_id": "apollo",
    "version": 1,
    "is_latest": True,
    "status": "in_review",
    "title": "Epics of the tool library",
    "content": {"title": "Epics of the tool library", "epics": [{"id": "E1", "name": "Membership"}]},
    "content_sha256": SHA256,
    "summary": "Three epics: membership, lending, reminders.",
    "created_at": "2026-01-31T12:05:10Z",
    "created_by": "claude-sonnet-4-5",
    "created_by_step": "epic_backlog",
    "execution_id": EXECUTION_ID,
}
PROJECT: JSON = {
    "project_id": "apollo",
    "name": "The tool library",
    "members": {"users": ["olga"], "groups": ["pm"]},
    "created_by": "olga",
    "created_at": "2026-01-31T11:58:00Z",
}
STREAM = f"""retry: 3000

event: connected
data: {{"event_type":"connected","execution_id":"{EXECUTION_ID}","seq":null,"step_id":null,"path":null,\
"timestamp":"2026-01-31T12:05:09Z","data":{{"execution_id":"{EXECUTION_ID}","status":"running"}}}}

id: 6
event: document_created
data: {{"event_type":"document_created","execution_id":"{EXECUTION_ID}","seq":6,"step_id":"epic_backlog",\
"path":"epic_backlog","timestamp":"2026-01-31T12:05:10Z","data":{{"document_id":"{DOCUMENT_ID}",\
"doc_type":"epic_backlog","version":1,"content_sha256":"{SHA256}"}}}}

: keepalive
"""
