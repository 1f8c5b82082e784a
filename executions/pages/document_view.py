"""Everything that the page of one document version says, gathered in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet

from documents.models import Document, DocumentStatus
from documents.rendering import Rendered, render
from executions.models import Decision, DecisionKind, Execution, Gate, Project
from executions.pages.definitions import type_name
from executions.pages.home import gate_url
from executions.services.access import undecided_gates, waits_for
from workflows.definition import Definition, ProductionStep
from workflows.models import WorkflowRevision

MOST_VERSIONS = 50
# What counts without anybody's further word; all else is a draft.
SETTLED = (DocumentStatus.ACCEPTED.value, DocumentStatus.FINAL.value)
_MOST_CONTENTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a version came from. ``by_model`` is whether a model wrote it, or a person brought it."""

    execution: Execution | None
    revision: WorkflowRevision | None
    step: ProductionStep | None
    by_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What people said of this version, and whether it waits for the one who looks."""

    decisions: Sequence[Decision]
    gate: Gate | None
    url: str | None

    @property
    def acceptances(self) -> list[Decision]:
        return [each for each in self.decisions if each.decision == DecisionKind.ACCEPT]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    document: Document
    type_name: str
    rendered: Rendered
    versions: Sequence[Document]
    provenance: Provenance
    review: Review

    @property
    def is_draft(self) -> bool:
        return self.document.status not in SETTLED

    @property
    def settled(self) -> Document | None:
        """Return the newest version that counts, where it is another one."""
        found = next((each for each in self.versions if each.status in SETTLED), None)
        return found if found is not None and found.pk != self.document.pk else None

    @property
    def newest(self) -> Document | None:
        """Return the newest version, where it is another one."""
        found = next((each for each in self.versions if each.is_latest), None)
        return found if found is not None and found.pk != self.document.pk else None

    @property
    def parts(self) -> list[str]:
        """Return the scope as its parts below the project."""
        return self.document.scope_id.split(":")[1:]

    @property
    def has_contents(self) -> bool:
        """Whether a list of contents would help."""
        return len(self.rendered.root.fields) >= _MOST_CONTENTS


def visible_documents(user: User) -> QuerySet[Document]:
    """Return the versions of documents that ``user`` may see."""
    rows = Document.objects.all()
    return rows if user.is_superuser else rows.filter(project_id__in=Project.objects.visible_to(user).values("pk"))


def document_view(document: Document, user: User) -> DocumentView:
    """Return what there is to say of a version that ``user`` may see."""
    provenance = _provenance(document)
    definition = provenance.revision.parsed() if provenance.revision is not None else None
    return DocumentView(
        document=document,
        type_name=type_name(definition, document.document_type),
        rendered=render(document.content, _schema(definition, document)),
        versions=list(versions_of(document)[:MOST_VERSIONS]),
        provenance=provenance,
        review=_review(document, user),
    )


def versions_of(document: Document) -> QuerySet[Document]:
    """Return all versions of the same document, newest first, without what is in them."""
    series = Document.objects.filter(
        scope_type=document.scope_type, scope_id=document.scope_id, document_type=document.document_type
    )
    return series.order_by("-version").defer("content", "summary")


def _provenance(document: Document) -> Provenance:
    if document.execution_id is None:
        return Provenance(execution=None, revision=None, step=None, by_model=False)
    rows = Execution.objects.select_related("revision").defer("brief", "revision__definition", "revision__warnings")
    execution = rows.filter(pk=document.execution_id).first()
    revision = execution.revision if execution is not None else None
    # What stands behind the last item: ids of steps may hold dots, but no brackets.
    step_id = document.created_by_step.rpartition("].")[2]
    step = revision.parsed().step(step_id) if revision is not None and step_id else None
    return Provenance(
        execution=execution,
        revision=revision,
        step=step if isinstance(step, ProductionStep) else None,
        by_model=bool(document.created_by_step),
    )


def _schema(definition: Definition | None, document: Document) -> dict[str, object] | None:
    doc_type = definition.document_types.get(document.document_type) if definition is not None else None
    return doc_type.schema if doc_type is not None else None


def _review(document: Document, user: User) -> Review:
    if document.execution_id is None:
        return Review(decisions=(), gate=None, url=None)
    # By the execution, for which there is an index.
    gates = Gate.objects.filter(execution=document.execution_id, document_id=document.pk).select_related("execution")
    gates = gates.defer("questions", "answers", "execution__brief", "execution__model_ids")
    gate = undecided_gates(gates).annotate(is_mine=waits_for(user)).first()
    decisions = Decision.objects.filter(gate__execution=document.execution_id, document_id=document.pk)
    return Review(
        decisions=list(decisions.order_by("decided_at", "id")),
        gate=gate,
        url=gate_url(gate, user) if gate is not None and gate.is_mine else None,
    )
