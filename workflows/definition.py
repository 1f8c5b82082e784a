"""The parsed form of a workflow definition: frozen values, no Django, no I/O.

A :class:`Definition` is self-contained: prompt texts and JSON Schemas are inside it. It is what a
``WorkflowRevision`` stores (as the JSON of :meth:`Definition.to_json`) and what the planner and the
prompt assembly read. Both source formats are turned into it by ``workflows.formats``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JSON = dict[str, Any]
SourceFormat = Literal["workflow.v1", "flat"]

DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_MAX_ITEMS = 200
DEFAULT_MAX_REWORK_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptancePolicy:
    """Who may accept a document, and how many of them it takes.

    ``roles`` are names of Django groups (the definition's ``accepted_by``), ``users`` are user names.
    Durations are ISO 8601 texts, checked at load.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    quorum: int = 1
    four_eyes: bool = False
    due_in: str | None = None
    remind_every: str | None = None
    escalate_to: tuple[str, ...] = ()
    on_timeout: Literal["fail", "accept"] | None = None
    max_rework_rounds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    """``schema`` is the JSON Schema of the content; ``is_generated_schema`` says that the package gave none."""

    type_id: str
    name: str
    scope: str
    may_own: tuple[str, ...] = ()
    collection_field: str | None = None
    acceptance: AcceptancePolicy | None = None
    schema: JSON = field(default_factory=dict)
    is_generated_schema: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityType:
    type_id: str
    name: str
    parent_doc_type: str
    creates_scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """One input of a production step: a document type, or the item of an iteration (an entity type)."""

    doc_type: str | None = None
    entity_type: str | None = None
    scope: str = ""
    required: bool = True
    context: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionStep:
    """A step that calls the model and produces one document.

    ``role_prompt`` and ``task_prompt`` are the texts; ``role`` and ``task`` the names they were found by.
    ``model`` is an alias (sonnet, haiku, opus) or a model id; ``None`` means the default alias.
    """

    step_id: str
    name: str
    role: str
    role_prompt: str
    task: str
    task_prompt: str
    produces: str
    scope: str
    inputs: tuple[InputRef, ...] = ()
    model: str | None = None
    max_tokens: int | None = None
    allow_clarification: bool = True
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationStep:
    """A step that runs its inner steps once per item of ``doc_type``'s ``collection_field``."""

    step_id: str
    name: str
    doc_type: str
    collection_field: str
    entity_type: str
    scope: str
    steps: tuple[Step, ...]
    max_items: int = DEFAULT_MAX_ITEMS
    max_parallel: int | None = None


Step = ProductionStep | IterationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One workflow, whole. ``root_scope`` is the scope without a parent in which executions live."""

    workflow_id: str
    name: str
    revision: str
    format: SourceFormat
    scopes: Mapping[str, Scope]
    document_types: Mapping[str, DocumentType]
    entity_types: Mapping[str, EntityType]
    steps: tuple[Step, ...]
    description: str = ""
    effective_date: str | None = None
    metadata: JSON = field(default_factory=dict)

    @property
    def root_scope(self) -> str:
        return next(scope.name for scope in self.scopes.values() if scope.parent is None)

    def walk(self) -> Iterator[Step]:
        """Yield every step, outer before inner, in file order."""
        yield from _walk(self.steps)

    def step(self, step_id: str) -> Step | None:
        """Return the step of that bare id, at any depth, or ``None``."""
        return next((step for step in self.walk() if step.step_id == step_id), None)

    def producer_of(self, doc_type: str) -> ProductionStep | None:
        """Return the step that produces ``doc_type``, or ``None`` when only a brief can."""
        for step in self.walk():
            if isinstance(step, ProductionStep) and step.produces == doc_type:
                return step
        return None

    def to_json(self) -> JSON:
        """Return the canonical JSON form, complete enough for :meth:`from_json`."""
        plain: JSON = _plain(self)
        return plain

    @classmethod
    def from_json(cls, data: JSON) -> Definition:
        """Rebuild a definition from :meth:`to_json`'s result."""
        return cls(
            workflow_id=data["workflow_id"],
            name=data["name"],
            revision=data["revision"],
            format=data["format"],
            scopes={name: Scope(**row) for name, row in data["scopes"].items()},
            document_types={name: _document_type(row) for name, row in data["document_types"].items()},
            entity_types={name: EntityType(**row) for name, row in data["entity_types"].items()},
            steps=tuple(_step(row) for row in data["steps"]),
            description=data["description"],
            effective_date=data["effective_date"],
            metadata=data["metadata"],
        )


def _walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, IterationStep):
            yield from _walk(step.steps)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _document_type(row: JSON) -> DocumentType:
    policy = row["acceptance"]
    if policy is not None:
        policy = AcceptancePolicy(
            **{**policy, **{key: tuple(policy[key]) for key in ("roles", "users", "escalate_to")}}
        )
    return DocumentType(**{**row, "may_own": tuple(row["may_own"]), "acceptance": policy})


def _step(row: JSON) -> Step:
    if "steps" in row:
        return IterationStep(**{**row, "steps": tuple(_step(inner) for inner in row["steps"])})
    return ProductionStep(**{**row, "inputs": tuple(InputRef(**ref) for ref in row["inputs"])})
