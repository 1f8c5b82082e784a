"""The shapes of workflows in the API. Prompts are not shown: they are named."""

from __future__ import annotations

from typing import Any, get_args

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from workflows.definition import AcceptancePolicy, DocumentType, InputRef, IterationStep, ProductionStep, SourceFormat
from workflows.definition import Step as AnyStep
from workflows.models import WorkflowRevision


class TextOrNull(serializers.CharField):
    """A text in which nothing is the empty text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class FormatField(serializers.CharField):
    """One of the two formats of definitions."""


extend_schema_field({"type": "string", "enum": [*get_args(SourceFormat)]}, component_name="WorkflowFormat")(FormatField)


class WorkflowSerializer(serializers.Serializer[WorkflowRevision]):
    """A workflow by its current revision."""

    workflow_id = serializers.CharField()
    name = serializers.CharField()
    description = TextOrNull()
    revision = serializers.CharField()
    effective_date = serializers.DateField(allow_null=True)
    step_count = serializers.IntegerField(help_text="Production steps, at whatever depth.")
    format = FormatField()


class ScopeSerializer(serializers.Serializer[Any]):
    """A level of the tree that documents live in; the root has no parent."""

    # A field of that name; fields are taken from the class before it is made.
    parent = serializers.CharField(allow_null=True)  # type: ignore[assignment]


class AcceptancePolicySerializer(serializers.Serializer[AcceptancePolicy]):
    """How a type of document is accepted. Durations are ISO 8601."""

    users = serializers.ListField(child=serializers.CharField())
    quorum = serializers.IntegerField(help_text="How many have to accept.")
    four_eyes = serializers.BooleanField(help_text="Whoever started the execution may not decide.")
    due_in = serializers.CharField(allow_null=True)
    remind_every = serializers.CharField(allow_null=True)
    escalate_to = serializers.ListField(child=serializers.CharField())
    on_timeout = serializers.CharField(allow_null=True, help_text="`fail`, `accept`, or nothing.")
    max_rework_rounds = serializers.IntegerField(allow_null=True)


class DocumentTypeSerializer(serializers.Serializer[DocumentType]):
    """What the workflow says of a type of document."""

    name = serializers.CharField()
    description = TextOrNull()
    scope = serializers.CharField()
    may_own = serializers.ListField(child=serializers.CharField())
    collection_field = serializers.CharField(allow_null=True)
    acceptance_required = serializers.SerializerMethodField()
    accepted_by = serializers.SerializerMethodField(help_text="Groups whose members decide.")
    acceptance = AcceptancePolicySerializer(allow_null=True)

    def get_acceptance_required(self, each: DocumentType) -> bool:
        return each.acceptance is not None

    def get_accepted_by(self, each: DocumentType) -> list[str]:
        return [] if each.acceptance is None else list(each.acceptance.roles)


class EntityTypeSerializer(serializers.Serializer[Any]):
    """What the items of a collection are."""

    name = serializers.CharField()
    parent_doc_type = serializers.CharField()
    creates_scope = serializers.CharField()


class StepInputSerializer(serializers.Serializer[InputRef]):
    """What a step is given: a document, or the item that is iterated over."""

    doc_type = serializers.CharField(allow_null=True)
    entity_type = serializers.CharField(allow_null=True)
    scope = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment] # fields are taken before the class is made
    context = serializers.BooleanField()  # type: ignore[assignment]


class ProductionStepSerializer(serializers.Serializer[ProductionStep]):
    """A step that has a model write one document."""

    step_id = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()
    task_prompt = serializers.CharField(source="task")
    produces = serializers.CharField()
    scope = serializers.CharField()
    inputs = StepInputSerializer(many=True)
    model = serializers.CharField(allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)
    allow_clarification = serializers.BooleanField()
    max_attempts = serializers.IntegerField()
    timeout_seconds = serializers.FloatField(allow_null=True)


class IterateOverSerializer(serializers.Serializer[IterationStep]):
    """The collection whose items an iteration runs its steps for."""

    doc_type = serializers.CharField()
    collection_field = serializers.CharField()
    entity_type = serializers.CharField()


def _kinds_of_steps() -> list[type[serializers.Serializer[Any]]]:
    return [ProductionStepSerializer, IterationStepSerializer]


def _steps() -> Any:
    # A function, since steps are made of steps.
    return PolymorphicProxySerializer(
        component_name="WorkflowStep",
        serializers=_kinds_of_steps,
        resource_type_field_name=None,
        many=True,
    )


class IterationStepSerializer(serializers.Serializer[IterationStep]):
    """A step that runs the steps inside it for each item of a collection."""

    step_id = serializers.CharField()
    name = serializers.CharField()
    iterate_over = IterateOverSerializer(source="*")
    scope = serializers.CharField()
    max_items = serializers.IntegerField()
    max_parallel = serializers.IntegerField(allow_null=True)
    steps = serializers.SerializerMethodField()

    @extend_schema_field(_steps())
    def get_steps(self, step: IterationStep) -> list[dict[str, Any]]:
        return [_step(inner) for inner in step.steps]


class WorkflowWarningSerializer(serializers.Serializer[Any]):
    """What is odd about the definition, and did not keep it from being loaded."""

    severity = serializers.CharField()
    code = serializers.CharField()
    path = serializers.CharField()
    detail = serializers.CharField()


class WorkflowDetailSerializer(WorkflowSerializer):
    """A workflow whole: the definition's own names for everything, steps nested as in the file."""

    digest = serializers.CharField(help_text="The SHA-256 of the definition: what `revision` of a start may name too.")
    scopes = serializers.DictField(source="parsed.scopes", child=ScopeSerializer())
    document_types = serializers.DictField(source="parsed.document_types", child=DocumentTypeSerializer())
    entity_types = serializers.DictField(source="parsed.entity_types", child=EntityTypeSerializer())
    steps = serializers.SerializerMethodField()
    warnings = WorkflowWarningSerializer(many=True)

    @extend_schema_field(_steps())
    def get_steps(self, revision: WorkflowRevision) -> list[dict[str, Any]]:
        return [_step(step) for step in revision.parsed().steps]


def _step(step: AnyStep) -> dict[str, Any]:
    if isinstance(step, IterationStep):
        return dict(IterationStepSerializer(step).data)
    return dict(ProductionStepSerializer(step).data)
