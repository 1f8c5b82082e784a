"""The shapes of answers, one class each. Names are those of docs/api.md; a value that is not there is null."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from documents.models import Document, DocumentStatus
from executions.api.attempts import response_text
from executions.api.event_data import data_rules, data_schema
from executions.api.fields import AnyJSON, Choice, Money
from executions.api.links import path_named, path_of, path_to
from executions.api.pictures import Summary, items_around
from executions.engine.state import TERMINAL, ExecutionStatus
from executions.llm.clarification import ANSWER_TYPES, MAX_QUESTIONS, PRIORITIES
from executions.models import (
    Attempt,
    AttemptStatus,
    CallStatus,
    Decision,
    DecisionChannel,
    DecisionKind,
    Event,
    EventType,
    Gate,
    GateKind,
    GateStatus,
    LLMCall,
    Project,
    Step,
    StepStatus,
)
from executions.models import ExecutionStatus as Status
from executions.services.access import voice

QUESTION_KEYS = ("id", "text", "intent", "priority", "answer_type", "required", "blocking", "choices", "default")

_TEXTS = {"type": "array", "items": {"type": "string"}}
_PATH = {"type": "string", "format": "uri-reference"}
ANSWERS = {
    "type": "object",
    "additionalProperties": True,
    "maxProperties": MAX_QUESTIONS,
    "description": "Answers by the id of the question, each as its `answer_type` says; null skips one.",
}


def links_of(*names: str, optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of links: paths on this server, by name."""
    return {"type": "object", "required": [*names], "properties": dict.fromkeys((*names, *optional), _PATH)}


def present(shape: type[serializers.Serializer[Any]], rows: Iterable[Any], **context: Any) -> list[Any]:
    """Return the answers' form of some rows."""
    serializer = shape(context=context)
    return [serializer.to_representation(row) for row in rows]


class TextOrNull(serializers.CharField):
    """A text column in which nothing is the empty text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class ExecutionErrorSerializer(serializers.Serializer[Any]):
    """Why it failed."""

    code = serializers.CharField(help_text="Such as `OUTPUT_INVALID` or `BUDGET_EXHAUSTED`.")
    detail = serializers.CharField()


class QuestionChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="What an answer names.")
    # A field of that name, and no label of this one; as below.
    label = serializers.CharField(help_text="What people are shown.")  # type: ignore[assignment]


class QuestionSerializer(serializers.Serializer[Any]):
    """A clarification question."""

    # It is stored as JSON with these keys, so nothing needs to be turned into anything.
    id = serializers.CharField()
    text = serializers.CharField()
    intent = serializers.CharField(help_text="Why the model asks.")
    priority = Choice(PRIORITIES, enum_name="QuestionPriority")
    answer_type = Choice(ANSWER_TYPES, enum_name="AnswerType")
    required = serializers.BooleanField()  # type: ignore[assignment] # fields are taken before the class is made
    blocking = serializers.BooleanField()
    choices = QuestionChoiceSerializer(many=True, help_text="Of the two types of choice; else empty.")
    default = AnyJSON({"description": "What to answer in doubt: JSON of the `answer_type`, or null."})

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return {key: instance.get(key) for key in QUESTION_KEYS}


class RemarkSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="A JSON Pointer into the document; empty: all of it.")
    text = serializers.CharField()


class DecisionSerializer(serializers.Serializer[Decision]):
    """What one person said at a gate."""

    by = serializers.CharField()
    decision = Choice(DecisionKind.values, enum_name="DecisionKind")
    comment = TextOrNull()
    comments = RemarkSerializer(many=True)
    answers = AnyJSON(ANSWERS, "Answers", allow_null=True)
    document_id = serializers.UUIDField(allow_null=True)
    document_version = serializers.IntegerField(allow_null=True)
    content_sha256 = TextOrNull()
    channel = Choice(DecisionChannel.values, enum_name="DecisionChannel")
    decided_at = serializers.DateTimeField()


@extend_schema_field(links_of("self", "execution", optional=["document"]), component_name="GateLinks")
class GateLinksField(serializers.Field[Any, Any, dict[str, str], Any]):
    """Where to go on from a gate; ``self`` answers with the ETag that a decision or an answer can name in If-Match."""

    def to_representation(self, value: Any) -> dict[str, str]:
        links = {
            "self": path_of("gate", value.pk),
            "execution": path_of("execution", value.execution_id),
        }
        if value.document_id is not None:
            links["document"] = path_of("document", value.document_id)
        return links


class GateSerializer(serializers.Serializer[Gate]):
    """A point that waits for people: to answer questions, or to decide on a version of a document."""

    # ``viewer`` in the context is who looks.
    gate_id = serializers.UUIDField(source="id")
    kind = Choice(GateKind.values, enum_name="GateKind")
    status = Choice(GateStatus.values, enum_name="GateStatus")
    execution_id = serializers.UUIDField()
    project_id = serializers.CharField(source="execution.project_id")
    step_id = serializers.CharField(source="step.step_id")
    path = serializers.CharField()
    doc_type = serializers.CharField(source="document_type")
    scope_id = serializers.CharField()
    document_id = serializers.UUIDField(allow_null=True, help_text="What is to be decided on: this very version.")
    document_version = serializers.IntegerField(allow_null=True)
    content_sha256 = TextOrNull()
    questions = QuestionSerializer(many=True)
    roles = AnyJSON(_TEXTS, source="deciding_roles", help_text="Groups whose members may decide.")
    users = AnyJSON(_TEXTS, help_text="Accounts that may decide as well.")
    quorum = serializers.IntegerField(help_text="How many have to accept.")
    due_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    decisions = DecisionSerializer(many=True)
    may_decide = serializers.SerializerMethodField(help_text="Whether the caller may decide or answer now.")
    links = GateLinksField(source="*")

    def get_may_decide(self, gate: Gate) -> bool:
        viewer = self.context["viewer"]
        if gate.status != GateStatus.OPEN or ExecutionStatus(gate.execution.status) in TERMINAL:
            return False
        return voice(viewer, gate, gate.decisions.all()) is not None


class DocumentPreviewSerializer(serializers.Serializer[Document]):
    """Enough to tell which document waits; the document itself is what is to be read."""

    title = serializers.CharField()
    summary = TextOrNull()
    version = serializers.IntegerField()
    content_sha256 = serializers.CharField()


class PendingAcceptanceSerializer(serializers.Serializer[Any]):
    """The oldest gate at which somebody has to decide on a document."""

    gate_id = serializers.UUIDField(source="gate.id")
    doc_type = serializers.CharField(source="gate.document_type")
    scope_id = serializers.CharField(source="gate.scope_id")
    document_id = serializers.UUIDField(source="gate.document_id")
    document_preview = DocumentPreviewSerializer(source="document")


class PendingClarificationSerializer(serializers.Serializer[Gate]):
    """The oldest gate at which somebody has to answer questions."""

    gate_id = serializers.UUIDField(source="id")
    step_id = serializers.CharField(source="step.step_id")
    questions = QuestionSerializer(many=True)


class StepProgressSerializer(serializers.Serializer[Step]):
    """How far a production step is."""

    step_id = serializers.CharField()
    status = Choice(StepStatus.values, enum_name="StepStatus")
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    attempt = serializers.IntegerField(help_text="Attempts at valid content.")


class IterationProgressSerializer(serializers.Serializer[Any]):
    """How far an iteration is."""

    total = serializers.IntegerField(allow_null=True, help_text="Items; null until the collection is known.")
    completed = serializers.IntegerField()


@extend_schema_field(
    links_of("self", "events", "steps", "documents", "workflow", "project"), component_name="ExecutionLinks"
)
class LinksField(serializers.Field[Any, Any, dict[str, str], Any]):
    """Where to go on from an execution: paths on this server."""

    def to_representation(self, value: Any) -> dict[str, str]:
        return {
            "self": path_of("execution", value.pk),
            "events": path_of("execution-events", value.pk),
            "steps": path_of("execution-steps", value.pk),
            "documents": f"{path_to('documents')}?execution_id={value.pk}",
            "workflow": path_named("workflow", value.workflow_id),
            "project": path_named("project", value.project_id),
        }


class ExecutionSummarySerializer(serializers.Serializer[Summary]):
    """A run of a workflow, as lists show it."""

    execution_id = serializers.UUIDField(source="execution.id")
    workflow_id = serializers.CharField(source="execution.workflow_id")
    revision = serializers.CharField(source="execution.revision.revision")
    project_id = serializers.CharField(source="execution.project_id")
    status = Choice(Status.values, source="execution.status", enum_name="ExecutionStatus")
    current_step_id = serializers.CharField(
        allow_null=True,
        help_text="The first step in file order that is at work or waits for people, else the next; null when over.",
    )
    started_at = serializers.DateTimeField(source="execution.started_at")
    completed_at = serializers.DateTimeField(source="execution.completed_at", allow_null=True)
    error = ExecutionErrorSerializer(allow_null=True)
    cost_usd = Money(source="execution.cost_usd", help_text="What it has cost so far, as far as prices are known.")
    budget_usd = Money(source="execution.budget_usd", allow_null=True)
    links = LinksField(source="execution")


class ExecutionSerializer(ExecutionSummarySerializer):
    """A run of a workflow: where it stands, and what it waits for."""

    # Of a :class:`Picture`; ``viewer`` in the context is who looks.
    completed_steps = serializers.ListField(
        child=serializers.CharField(), help_text="Paths of the finished production steps, in the order of their end."
    )
    step_progress = serializers.DictField(child=StepProgressSerializer(), help_text="Production steps by path.")
    iteration_progress = serializers.DictField(child=IterationProgressSerializer(), help_text="Iterations by path.")
    pending_acceptance = PendingAcceptanceSerializer(allow_null=True)
    pending_clarification = PendingClarificationSerializer(allow_null=True)
    pending_gates = GateSerializer(source="gates", many=True, help_text="All open gates, oldest first.")


class FindingSerializer(serializers.Serializer[Any]):
    """What was wrong with an answer: a JSON Pointer into it, a code, and what the model was told."""

    path = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ModelCallSerializer(serializers.Serializer[LLMCall]):
    """One request to the model."""

    call_id = serializers.UUIDField(source="id")
    model = serializers.CharField()
    status = Choice(CallStatus.values, enum_name="CallStatus")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.SerializerMethodField()
    cost_usd = Money(allow_null=True, help_text="Null: no price is known, or it is not over.")
    is_estimated = serializers.BooleanField()
    is_offline = serializers.BooleanField()
    latency_ms = serializers.IntegerField(allow_null=True)
    stop_reason = TextOrNull()
    response_text = serializers.SerializerMethodField(help_text="Only with `responses=true`, for staff; else null.")

    def get_cache_write_tokens(self, call: LLMCall) -> int:
        return call.cache_write_5m_tokens + call.cache_write_1h_tokens

    def get_response_text(self, call: LLMCall) -> str | None:
        return response_text(call) if self.context.get("with_responses") else None


class AttemptSerializer(serializers.Serializer[Attempt]):
    """One try of a step."""

    n = serializers.IntegerField()
    attempt = serializers.IntegerField(source="content_attempt", help_text="Of attempts at valid content.")
    status = Choice(AttemptStatus.values, enum_name="AttemptStatus")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    outcome = TextOrNull()
    detail = TextOrNull()
    findings = FindingSerializer(many=True)
    calls = ModelCallSerializer(source="called", many=True)


class StepSerializer(serializers.Serializer[Step]):
    """A step of an execution. Iterations have a `total`, production steps a document and attempts."""

    path = serializers.CharField()
    step_id = serializers.CharField()
    is_iteration = serializers.BooleanField()
    scope_type = serializers.CharField()
    scope_id = serializers.CharField()
    items = serializers.SerializerMethodField(help_text="The item of each iteration around it, outermost first.")
    status = Choice(StepStatus.values, enum_name="StepStatus")
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    document_id = serializers.UUIDField(allow_null=True)
    total = serializers.IntegerField(source="total_items", allow_null=True)
    error = serializers.SerializerMethodField()
    attempts = AttemptSerializer(source="tried", many=True)

    def get_items(self, step: Step) -> list[str]:
        return [item for _, item in items_around(step.path)]

    @extend_schema_field(ExecutionErrorSerializer(allow_null=True))
    def get_error(self, step: Step) -> dict[str, str] | None:
        return {"code": step.error_code, "detail": step.error_detail} if step.error_code else None


class EventSerializer(serializers.Serializer[Event]):
    """One row of an execution's history: what streams send as `data`, and webhooks name."""

    rules = data_rules()
    event_type = Choice(EventType.values, enum_name="EventType")
    execution_id = serializers.UUIDField()
    seq = serializers.IntegerField()
    step_id = TextOrNull()
    path = TextOrNull()
    timestamp = serializers.DateTimeField()
    data = AnyJSON(data_schema())  # type: ignore[assignment] # fields are taken from the class before it is made


class DocumentSerializer(serializers.Serializer[Document]):
    """One version of a document. It never changes, but for `status` and `is_latest`."""

    document_id = serializers.UUIDField(source="id")
    document_type = serializers.CharField()
    project_id = serializers.CharField()
    scope_type = serializers.CharField()
    scope_id = serializers.CharField()
    version = serializers.IntegerField()
    is_latest = serializers.BooleanField()
    status = Choice(DocumentStatus.values, enum_name="DocumentStatus")
    title = serializers.CharField()
    content = AnyJSON({"description": "The document itself: JSON as the schema of its type says, mostly an object."})
    content_sha256 = serializers.CharField(help_text="Over the content with sorted keys, no spaces, in UTF-8.")
    summary = TextOrNull()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="A model, or the account that brought it with a brief.")
    created_by_step = TextOrNull()
    execution_id = serializers.UUIDField(allow_null=True)


class MembersSerializer(serializers.Serializer[Project]):
    """Who sees a project. Without any it is open to everybody with a role."""

    users = serializers.SerializerMethodField()
    groups = serializers.SerializerMethodField()

    def get_users(self, project: Project) -> list[str]:
        return sorted(user.username for user in project.users.all())

    def get_groups(self, project: Project) -> list[str]:
        return sorted(group.name for group in project.groups.all())


class ProjectSerializer(serializers.Serializer[Project]):
    """What executions and documents belong to."""

    project_id = serializers.CharField(source="id")
    name = TextOrNull()
    members = MembersSerializer(source="*")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
