"""What lists can be asked for, and the rows that are meant. Every list holds only what the caller may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from documents.models import Document, DocumentStatus
from executions.api.fields import Choice, Identifier, Instant, QueryFlag, StrictSerializer, Text, Whole
from executions.engine.state import TERMINAL
from executions.models import Decision, Execution, ExecutionStatus, Gate, GateKind, GateStatus, Project
from executions.services.access import OPERATOR, is_operator, role_names

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class ExecutionQuery(StrictSerializer):
    workflow_id = Text(required=False)
    project_id = Text(required=False)
    status = Choice(ExecutionStatus.values, code="invalid_status", required=False)
    started_after = Instant(required=False)
    started_before = Instant(required=False)


class GateQuery(StrictSerializer):
    kind = Choice(GateKind.values, required=False)
    status = Choice(GateStatus.values, code="invalid_status", required=False)
    mine = QueryFlag(required=False)
    project_id = Text(required=False)


class DocumentQuery(StrictSerializer):
    project_id = Text(required=False)
    scope_type = Text(required=False)
    scope_id = Text(required=False)
    document_type = Text(required=False)
    status = Choice(DocumentStatus.values, code="invalid_status", required=False)
    latest = QueryFlag(required=False)
    execution_id = Identifier(required=False)


class VersionQuery(StrictSerializer):
    version = Whole(required=False, min_value=1)
    status = Choice(DocumentStatus.values, code="invalid_status", required=False)


def executions(user: User, query: Mapping[str, Any]) -> QuerySet[Execution]:
    """Return executions. The window of ``started_after`` and ``started_before`` holds its beginning, not its end."""
    columns = {
        "workflow_id": "workflow_id",
        "project_id": "project_id",
        "status": "status",
        "started_after": "started_at__gte",
        "started_before": "started_at__lt",
    }
    rows = Execution.objects.visible_to(user).select_related("revision").defer("revision__definition", "brief")
    # What is not over comes after all that is.
    rows = rows.annotate(over_at=Coalesce("completed_at", Value(_END_OF_TIME)))
    return rows.filter(**{columns[name]: value for name, value in query.items()})


def gates(user: User, query: Mapping[str, Any]) -> QuerySet[Gate]:
    """Return gates, with all that shows one and says who may decide there."""
    rows = Gate.objects.select_related("execution", "step").prefetch_related("decisions")
    if not user.is_superuser:
        rows = rows.filter(execution__project__in=Project.objects.visible_to(user))
    if query.get("mine"):
        rows = rows.filter(_waits_for(user))
    columns = {"kind": "kind", "status": "status", "project_id": "execution__project_id"}
    return rows.filter(**{columns[name]: value for name, value in query.items() if name != "mine"})


def documents(user: User, query: Mapping[str, Any]) -> QuerySet[Document]:
    """Return versions of documents; ``latest`` keeps the newest of each series."""
    rows = Document.objects.all()
    if not user.is_superuser:
        rows = rows.filter(project_id__in=Project.objects.visible_to(user).values("pk"))
    if query.get("latest"):
        rows = rows.filter(is_latest=True)
    return rows.filter(**{name: value for name, value in query.items() if name != "latest"})


def _waits_for(user: User) -> Q:
    """Say in SQL what ``access.may_decide`` says of one gate, and that nothing else is in the way; a test compares."""
    roles = sorted(role_names(user))
    is_named = Q(users__contains=[user.username])
    has_role = is_named | Q(roles__has_any_keys=roles) if roles else is_named
    may_answer = Q(kind=GateKind.CLARIFICATION) & (Q() if is_operator(user) else has_role)
    is_open_to_all = Q(roles=[], users=[]) if OPERATOR in roles or user.is_superuser else Q(pk__in=[])
    is_four_eyes = Q(four_eyes=True, execution__started_by=user)
    may_accept = Q(kind=GateKind.ACCEPTANCE) & ~is_four_eyes & (has_role | is_open_to_all)
    has_voted = Exists(Decision.objects.filter(gate=OuterRef("pk"), user=user))
    is_over = Q(execution__status__in=[status.value for status in TERMINAL])
    return Q(status=GateStatus.OPEN) & ~is_over & ~has_voted & (may_answer | may_accept)
