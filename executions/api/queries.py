"""What lists can be asked for, and the rows that are meant. Every list holds only what the caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from documents.models import Document, DocumentStatus
from executions.api.filters import (
    ChoiceFilter,
    FlagFilter,
    InstantFilter,
    StatusFilter,
    StrictFilterSet,
    TextFilter,
    UuidFilter,
    WholeFilter,
)
from executions.models import EventType, Execution, ExecutionStatus, Gate, GateKind, GateStatus, Project
from executions.models.execution import END_OF_TIME
from executions.services.access import gates_waiting_for

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ExecutionFilter(StrictFilterSet):
    """The window of ``started_after`` and ``started_before`` holds its beginning, not its end."""

    workflow_id = TextFilter("Executions of this workflow.", "workflow_id")
    project_id = TextFilter("Executions of this project.", "project_id")
    status = StatusFilter("Executions that are this.", "status", choices=ExecutionStatus.values)
    started_after = InstantFilter("Executions started then or later.", "started_at", "gte")
    started_before = InstantFilter("Executions started earlier than that.", "started_at", "lt")


class EventFilter(StrictFilterSet):
    event_type = ChoiceFilter("Events of this type.", "event_type", choices=EventType.values)


class StepFilter(StrictFilterSet):
    """Narrows no rows: the view reads it (:meth:`StrictFilterSet.read`)."""

    responses = FlagFilter("`true`: with what the model answered, word for word. For staff only.")


class GateFilter(StrictFilterSet):
    kind = ChoiceFilter("Gates that wait for this.", "kind", choices=GateKind.values)
    status = StatusFilter("Gates that are this.", "status", choices=GateStatus.values)
    mine = FlagFilter("`true`: only gates that the caller may decide or answer now.", method="keep_mine")
    project_id = TextFilter("Gates of this project.", "execution__project_id")

    def keep_mine(self, rows: QuerySet[Gate], name: str, value: bool) -> QuerySet[Gate]:
        return gates_waiting_for(rows, self.request.user) if value else rows


class DocumentFilter(StrictFilterSet):
    project_id = TextFilter("Documents of this project.", "project_id")
    scope_type = TextFilter("Documents of scopes of this type.", "scope_type")
    scope_id = TextFilter("Documents of this scope.", "scope_id", max_length=1000)
    document_type = TextFilter("Documents of this type.", "document_type")
    status = StatusFilter("Versions of which people said this.", "status", choices=DocumentStatus.values)
    latest = FlagFilter("`true`: only the newest version of each document.", method="keep_latest")
    execution_id = UuidFilter("Documents that this execution made.", "execution_id")

    def keep_latest(self, rows: QuerySet[Document], name: str, value: bool) -> QuerySet[Document]:
        return rows.filter(is_latest=True) if value else rows


class VersionFilter(StrictFilterSet):
    version = WholeFilter("The version of this number.", "version", minimum=1)
    status = StatusFilter("The newest version of which people said this.", "status", choices=DocumentStatus.values)


def executions(user: User) -> QuerySet[Execution]:
    """Return the executions that ``user`` may see, with what shows one but for its steps."""
    return executions_with_what_shows(Execution.objects.visible_to(user))


def executions_with_what_shows(rows: QuerySet[Execution]) -> QuerySet[Execution]:
    """Load what lists show of executions. ``over_at`` of what is not over comes after all that is."""
    rows = rows.select_related("revision")
    rows = rows.defer("revision__definition", "revision__warnings", "brief", "model_ids")
    return rows.annotate(over_at=Coalesce("completed_at", Value(END_OF_TIME)))


def gates(user: User) -> QuerySet[Gate]:
    """Return the gates that ``user`` may see, with what shows one and says who may decide there."""
    rows = Gate.objects.all()
    if not user.is_superuser:
        rows = rows.filter(execution__project__in=Project.objects.visible_to(user))
    return gates_with_what_shows(rows)


def gates_with_what_shows(rows: QuerySet[Gate]) -> QuerySet[Gate]:
    """Load what is shown of gates."""
    rows = rows.select_related("execution", "step").prefetch_related("decisions")
    own = [field.attname for field in Gate._meta.concrete_fields if field.name not in ("answers", "policy")]
    return rows.only(*own, "execution__project_id", "execution__status", "execution__started_by_id", "step__step_id")


def documents(user: User) -> QuerySet[Document]:
    """Return the versions of documents that ``user`` may see."""
    rows = Document.objects.all()
    return rows if user.is_superuser else rows.filter(project_id__in=Project.objects.visible_to(user).values("pk"))
