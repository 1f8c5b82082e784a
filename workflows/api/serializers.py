"""The shapes of workflows in the API. Prompts are not shown: they are named."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from workflows.definition import Definition, DocumentType, InputRef, IterationStep, ProductionStep, Step
from workflows.models import WorkflowRevision


class WorkflowSerializer(serializers.Serializer[WorkflowRevision]):
    """A workflow by its current revision."""

    workflow_id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.SerializerMethodField()
    revision = serializers.CharField()
    effective_date = serializers.DateField()
    step_count = serializers.IntegerField()
    format = serializers.CharField()

    def get_description(self, revision: WorkflowRevision) -> str | None:
        return revision.description or None


class WorkflowDetailSerializer(WorkflowSerializer):
    """A workflow whole: the definition's own names for everything, steps nested as in the file."""

    digest = serializers.CharField()
    scopes = serializers.SerializerMethodField()
    document_types = serializers.SerializerMethodField()
    entity_types = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    warnings = serializers.JSONField()

    def get_scopes(self, revision: WorkflowRevision) -> dict[str, Any]:
        return {name: {"parent": scope.parent} for name, scope in revision.parsed().scopes.items()}

    def get_document_types(self, revision: WorkflowRevision) -> dict[str, Any]:
        return {name: _document_type(each) for name, each in revision.parsed().document_types.items()}

    def get_entity_types(self, revision: WorkflowRevision) -> dict[str, Any]:
        return {
            name: {"name": each.name, "parent_doc_type": each.parent_doc_type, "creates_scope": each.creates_scope}
            for name, each in revision.parsed().entity_types.items()
        }

    def get_steps(self, revision: WorkflowRevision) -> list[dict[str, Any]]:
        definition = revision.parsed()
        return [_step(step, definition) for step in definition.steps]


def _document_type(each: DocumentType) -> dict[str, Any]:
    policy = each.acceptance
    return {
        "name": each.name,
        "description": each.description or None,
        "scope": each.scope,
        "may_own": list(each.may_own),
        "collection_field": each.collection_field,
        "acceptance_required": policy is not None,
        "accepted_by": [] if policy is None else list(policy.roles),
        "acceptance": None
        if policy is None
        else {
            "users": list(policy.users),
            "quorum": policy.quorum,
            "four_eyes": policy.four_eyes,
            "due_in": policy.due_in,
            "remind_every": policy.remind_every,
            "escalate_to": list(policy.escalate_to),
            "on_timeout": policy.on_timeout,
            "max_rework_rounds": policy.max_rework_rounds,
        },
    }


def _step(step: Step, definition: Definition) -> dict[str, Any]:
    if isinstance(step, IterationStep):
        return {
            "step_id": step.step_id,
            "name": step.name,
            "iterate_over": {
                "doc_type": step.doc_type,
                "collection_field": step.collection_field,
                "entity_type": step.entity_type,
            },
            "scope": step.scope,
            "max_items": step.max_items,
            "max_parallel": step.max_parallel,
            "steps": [_step(inner, definition) for inner in step.steps],
        }
    return _production(step)


def _production(step: ProductionStep) -> dict[str, Any]:
    return {
        "step_id": step.step_id,
        "name": step.name,
        "role": step.role,
        "task_prompt": step.task,
        "produces": step.produces,
        "scope": step.scope,
        "inputs": [_input(ref) for ref in step.inputs],
        "model": step.model,
        "max_tokens": step.max_tokens,
        "allow_clarification": step.allow_clarification,
        "max_attempts": step.max_attempts,
        "timeout_seconds": step.timeout_seconds,
    }


def _input(ref: InputRef) -> dict[str, Any]:
    return {
        "doc_type": ref.doc_type,
        "entity_type": ref.entity_type,
        "scope": ref.scope,
        "required": ref.required,
        "context": ref.context,
    }
