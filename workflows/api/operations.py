"""What the API's description says of workflows."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from workflows.api.serializers import WorkflowDetailSerializer, WorkflowSerializer

JSON = dict[str, Any]
TAGS = ["Workflows"]

_SUMMARY: JSON = {
    "workflow_id": "newsletter",
    "name": "Newsletter",
    "description": None,
    "revision": "1",
    "effective_date": "2026-01-01",
    "step_count": 2,
    "format": "workflow.v1",
}
_PLAN: JSON = {
    "step_id": "plan",
    "name": "plan",
    "role": "Editor 1.0",
    "task_prompt": "Plan v1.0",
    "produces": "plan",
    "scope": "project",
    "inputs": [],
    "model": None,
    "max_tokens": None,
    "allow_clarification": True,
    "max_attempts": 3,
    "timeout_seconds": None,
}
_WORKFLOW: JSON = {
    **_SUMMARY,
    "digest": "4b2f0d6c1c0f7f5d0f4e3b9d7f6b5a4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a",
    "scopes": {"project": {"parent": None}, "story": {"parent": "project"}},
    "document_types": {
        "plan": {
            "name": "Plan",
            "description": None,
            "scope": "project",
            "may_own": ["story"],
            "collection_field": "stories",
            "acceptance_required": True,
            "accepted_by": ["editor"],
            "acceptance": {
                "users": [],
                "quorum": 1,
                "four_eyes": False,
                "due_in": None,
                "remind_every": None,
                "escalate_to": [],
                "on_timeout": None,
                "max_rework_rounds": None,
            },
        }
    },
    "entity_types": {"story": {"name": "Story", "parent_doc_type": "plan", "creates_scope": "story"}},
    "steps": [
        _PLAN,
        {
            "step_id": "per_story",
            "name": "per_story",
            "iterate_over": {"doc_type": "plan", "collection_field": "stories", "entity_type": "story"},
            "scope": "story",
            "max_items": 200,
            "max_parallel": None,
            "steps": [
                {
                    **_PLAN,
                    "step_id": "article",
                    "name": "article",
                    "task_prompt": "Article v1.0",
                    "produces": "article",
                    "scope": "story",
                    "inputs": [
                        {
                            "doc_type": "plan",
                            "entity_type": None,
                            "scope": "project",
                            "required": True,
                            "context": False,
                        }
                    ],
                }
            ],
        },
    ],
    "warnings": [],
}
_SCHEMA: JSON = {
    "type": "object",
    "required": ["stories"],
    "properties": {"stories": {"type": "array", "items": {"type": "object", "required": ["id"]}}},
}


def _answer(shape: Any, description: str, value: JSON) -> OpenApiResponse:
    return OpenApiResponse(shape, description, [OpenApiExample("Answer", value, response_only=True)])


LIST = extend_schema(
    operation_id="listWorkflows",
    tags=TAGS,
    summary="List workflows",
    description="What can be started, by `workflow_id`: each workflow by its current revision.",
    responses={200: _answer(WorkflowSerializer(many=True), "A page of workflows.", _SUMMARY)},
)
GET = extend_schema(
    operation_id="getWorkflow",
    tags=TAGS,
    summary="Look at a workflow",
    description="Its current revision whole: scopes, types, steps nested as in the file. Prompts are named, not shown.",
    responses={200: _answer(WorkflowDetailSerializer, "The workflow.", _WORKFLOW)},
)
STEP_SCHEMA = extend_schema(
    operation_id="getStepSchema",
    tags=TAGS,
    summary="Look at the JSON Schema of what a step produces",
    description="The step is named by its bare id, at whatever depth it stands. An iteration has no output of its own:"
    " the steps inside it have.",
    responses={
        200: _answer(
            {"type": "object", "additionalProperties": True, "description": "A JSON Schema."},
            "The JSON Schema of the document.",
            _SCHEMA,
        )
    },
)
