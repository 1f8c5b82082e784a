"""The shapes of answers, one class each. Names are those of docs/api.md; a value that is not there is null."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from documents.models import Document
from executions.api.fields import Money
from executions.api.pictures import Summary, items_around
from executions.engine.state import TERMINAL, ExecutionStatus
from executions.models import Decision, Event, Gate, GateStatus, Project, Step
from executions.services.access import may_decide

QUESTION_KEYS = ("id", "text", "intent", "priority", "answer_type", "required", "blocking", "choices", "default")


def present(shape: type[serializers.Serializer[Any]], rows: Iterable[Any], **context: Any) -> list[Any]:
    """Return the answers' form of some rows."""
    serializer = shape(context=context)
    return [serializer.to_representation(row) for row in rows]


class TextOrNull(serializers.CharField):
    """A text column in which nothing is the empty text."""

    def to_representation(self, value: Any) -> Any:
        return value or None


class ErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class QuestionSerializer(serializers.Serializer[Any]):
    """A clarification question, as the engine stores it: JSON with these keys."""

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return {key: instance.get(key) for key in QUESTION_KEYS}


class DecisionSerializer(serializers.Serializer[Decision]):
    by = serializers.CharField()
    decision = serializers.CharField()
    comment = TextOrNull()
    comments = serializers.JSONField()
    answers = serializers.JSONField()
    document_id = serializers.UUIDField()
    document_version = serializers.IntegerField()
    content_sha256 = TextOrNull()
    channel = serializers.CharField()
    decided_at = serializers.DateTimeField()


class GateSerializer(serializers.Serializer[Gate]):
    """``viewer`` in the context is who looks: ``may_decide`` is about them, and about now."""

    gate_id = serializers.UUIDField(source="id")
    kind = serializers.CharField()
    status = serializers.CharField()
    execution_id = serializers.UUIDField()
    project_id = serializers.CharField(source="execution.project_id")
    step_id = serializers.CharField(source="step.step_id")
    path = serializers.CharField()
    doc_type = serializers.CharField(source="document_type")
    scope_id = serializers.CharField()
    document_id = serializers.UUIDField()
    document_version = serializers.IntegerField()
    content_sha256 = TextOrNull()
    questions = QuestionSerializer(many=True)
    roles = serializers.JSONField()
    users = serializers.JSONField()
    quorum = serializers.IntegerField()
    due_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField()
    decisions = DecisionSerializer(many=True)
    may_decide = serializers.SerializerMethodField()

    def get_may_decide(self, gate: Gate) -> bool:
        viewer = self.context["viewer"]
        if gate.status != GateStatus.OPEN or ExecutionStatus(gate.execution.status) in TERMINAL:
            return False
        has_voted = any(decision.user_id == viewer.pk for decision in gate.decisions.all())
        return not has_voted and may_decide(viewer, gate)


class PreviewSerializer(serializers.Serializer[Document]):
    """Enough to tell which document waits; the document itself is what is to be read."""

    title = serializers.CharField()
    summary = TextOrNull()
    version = serializers.IntegerField()
    content_sha256 = serializers.CharField()


class PendingAcceptanceSerializer(serializers.Serializer[Any]):
    gate_id = serializers.UUIDField(source="gate.id")
    doc_type = serializers.CharField(source="gate.document_type")
    scope_id = serializers.CharField(source="gate.scope_id")
    document_id = serializers.UUIDField(source="gate.document_id")
    document_preview = PreviewSerializer(source="document")


class PendingClarificationSerializer(serializers.Serializer[Gate]):
    gate_id = serializers.UUIDField(source="id")
    step_id = serializers.CharField(source="step.step_id")
    questions = QuestionSerializer(many=True)


class StepProgressSerializer(serializers.Serializer[Step]):
    step_id = serializers.CharField()
    status = serializers.CharField()
    started_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField()
    attempt = serializers.IntegerField()


class IterationProgressSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    completed = serializers.IntegerField()


class LinksField(serializers.Field[Any, Any, dict[str, str], Any]):
    """Where to go on from an execution: paths on this server."""

    def to_representation(self, value: Any) -> dict[str, str]:
        execution_id = str(value.pk)
        return {
            "self": reverse("execution", args=[execution_id]),
            "events": reverse("execution-events", args=[execution_id]),
            "steps": reverse("execution-steps", args=[execution_id]),
            "documents": f"{reverse('documents')}?execution_id={execution_id}",
            "workflow": reverse("workflow", args=[value.workflow_id]),
            "project": reverse("project", args=[value.project_id]),
        }


class ExecutionSummarySerializer(serializers.Serializer[Summary]):
    execution_id = serializers.UUIDField(source="execution.id")
    workflow_id = serializers.CharField(source="execution.workflow_id")
    revision = serializers.CharField(source="execution.revision.revision")
    project_id = serializers.CharField(source="execution.project_id")
    status = serializers.CharField(source="execution.status")
    current_step_id = serializers.CharField()
    started_at = serializers.DateTimeField(source="execution.started_at")
    completed_at = serializers.DateTimeField(source="execution.completed_at")
    error = ErrorSerializer()
    cost_usd = Money(source="execution.cost_usd")
    budget_usd = Money(source="execution.budget_usd")
    links = LinksField(source="execution")


class ExecutionSerializer(ExecutionSummarySerializer):
    """Everything about one execution, of a :class:`Picture`; ``viewer`` in the context is who looks."""

    completed_steps = serializers.ListField(child=serializers.CharField())
    step_progress = serializers.DictField(child=StepProgressSerializer())
    iteration_progress = serializers.DictField(child=IterationProgressSerializer())
    pending_acceptance = PendingAcceptanceSerializer()
    pending_clarification = PendingClarificationSerializer()
    pending_gates = GateSerializer(source="gates", many=True)


class StepSerializer(serializers.Serializer[Step]):
    """A row of an execution's steps; iterations have ``total``, production steps a document."""

    path = serializers.CharField()
    step_id = serializers.CharField()
    is_iteration = serializers.BooleanField()
    scope_type = serializers.CharField()
    scope_id = serializers.CharField()
    items = serializers.SerializerMethodField()
    status = serializers.CharField()
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField()
    document_id = serializers.UUIDField()
    total = serializers.IntegerField(source="total_items")
    error = serializers.SerializerMethodField()

    def get_items(self, step: Step) -> list[str]:
        return [item for _, item in items_around(step.path)]

    def get_error(self, step: Step) -> dict[str, str] | None:
        return {"code": step.error_code, "detail": step.error_detail} if step.error_code else None


class EventSerializer(serializers.Serializer[Event]):
    """One row of the history: what the streams send as ``data``."""

    event_type = serializers.CharField()
    execution_id = serializers.UUIDField()
    seq = serializers.IntegerField()
    step_id = TextOrNull()
    path = TextOrNull()
    timestamp = serializers.DateTimeField()
    data = serializers.JSONField()  # type: ignore[assignment] # fields are taken from the class before it is made


class DocumentSerializer(serializers.Serializer[Document]):
    document_id = serializers.UUIDField(source="id")
    document_type = serializers.CharField()
    project_id = serializers.CharField()
    scope_type = serializers.CharField()
    scope_id = serializers.CharField()
    version = serializers.IntegerField()
    is_latest = serializers.BooleanField()
    status = serializers.CharField()
    title = serializers.CharField()
    content = serializers.JSONField()
    content_sha256 = serializers.CharField()
    summary = TextOrNull()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    created_by_step = TextOrNull()
    execution_id = serializers.UUIDField()


class MembersSerializer(serializers.Serializer[Project]):
    users = serializers.SerializerMethodField()
    groups = serializers.SerializerMethodField()

    def get_users(self, project: Project) -> list[str]:
        return sorted(user.username for user in project.users.all())

    def get_groups(self, project: Project) -> list[str]:
        return sorted(group.name for group in project.groups.all())


class ProjectSerializer(serializers.Serializer[Project]):
    project_id = serializers.CharField(source="id")
    name = TextOrNull()
    members = MembersSerializer(source="*")
    created_by = serializers.CharField(source="created_by.username", default=None)
    created_at = serializers.DateTimeField()
