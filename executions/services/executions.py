"""Starting, cancelling and retrying executions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from documents import database
from documents.canonical import NotStorable, canonical_json, normalise, text_problem
from documents.models import DocumentStatus
from documents.services import NewDocument, create_version
from executions import wakeups
from executions.engine.layout import Layout
from executions.engine.state import ExecutionStatus
from executions.exceptions import FieldError, Invalid, InvalidState, ProjectNotFound
from executions.llm.catalogue import resolve_model
from executions.llm.parsing import summary_of, title_of
from executions.models import AuditAct, EventType, Execution, Project
from executions.services import audit
from executions.services.access import require_operator, visible_execution
from executions.services.caps import hold_place
from executions.services.preconditions import Precondition, check
from executions.transitions import lifecycle
from executions.transitions.definitions import layout_of
from executions.transitions.inputs import DEFAULT_MODEL
from executions.transitions.unit import Unit, lock, unit_of_new
from workflows.definition import ProductionStep
from workflows.models import WorkflowRevision
from workflows.schemas import build_validator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PROJECT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
MAX_BRIEF_BYTES = 1_000_000
MAX_REASON = 2_000
MAX_BUDGET = Decimal(1_000_000)

# One statement where Django's get_or_create takes four.
_NEW_PROJECT = """
INSERT INTO executions_project (id, name, created_by_id, created_at) VALUES (%s, '', %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExecution:
    """What a start is asked with, as it came: checked by :func:`start_execution`."""

    project_id: Any
    brief: Any = None
    budget_usd: Decimal | None = None


def start_execution(*, actor: User, revision: WorkflowRevision, new: NewExecution, at: datetime) -> Execution:
    """Start a run of ``revision`` and have a worker look at it.

    :raises Invalid: the project id, brief or budget is wrong. :raises NotPermitted: the actor is no operator,
        or the project has members and the actor is none of them. :raises TooManyRuns: one more is too much.
    """
    about = audit.About(project_id=str(new.project_id)[:64], subject=revision.workflow_id)
    with audit.refusals(act=AuditAct.EXECUTION_START, actor=actor, about=about):
        require_operator(actor, "start a run")
    brief = _checked(new, layout_of(revision.pk))
    with transaction.atomic():
        _ensure_project(new.project_id, actor, at)
        hold_place(new.project_id, actor.pk)
        execution = Execution.objects.create(
            id=uuid4(),
            project_id=new.project_id,
            revision=revision,
            workflow_id=revision.workflow_id,
            brief=brief,
            budget_usd=new.budget_usd,
            model_ids=_model_ids(layout_of(revision.pk)),
            started_by=actor,
            started_at=at,
            updated_at=at,
        )
        unit = unit_of_new(execution)
        lifecycle.begin(unit)
        _create_brief_documents(unit, brief, actor)
        _audit_start(unit, execution, actor)
        unit.flush()
        wakeups.tx_defer(execution.pk)
    return execution


def cancel_execution(
    *, actor: User, execution_id: UUID, reason: str = "", precondition: Precondition | None = None
) -> Execution:
    """Cancel a run, for good; cancelling a cancelled one changes nothing.

    :raises InvalidState: it is completed or failed.
    """
    execution = visible_execution(actor, execution_id)
    about = audit.About(execution_id=execution_id, project_id=execution.project_id)
    with audit.refusals(act=AuditAct.EXECUTION_CANCEL, actor=actor, about=about):
        require_operator(actor, "cancel a run")
    _check_reason(reason)
    with transaction.atomic():
        unit = lock(execution_id)
        check(precondition)
        status = unit.execution.status
        if status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
            raise InvalidState(f"The run is {status.value}; only a run that is not over can be cancelled.")
        if status is not ExecutionStatus.CANCELLED:
            before = {"status": status.value}
            audit.record(
                act=AuditAct.EXECUTION_CANCEL, actor=actor, about=about, before=before, detail=reason, unit=unit
            )
            lifecycle.cancel(unit, by=actor.get_username(), reason=reason)
            unit.flush()
    return Execution.objects.get(pk=execution_id)


def retry_execution(
    *,
    actor: User,
    execution_id: UUID,
    reason: str = "",
    budget_usd: Decimal | None = None,
    precondition: Precondition | None = None,
) -> Execution:
    """Bring a failed run back. Finished steps are not run, or paid for, again; the model sees ``reason``.

    :raises InvalidState: the run has not failed. :raises TooManyRuns: it would be one more than may be under way.
    """
    execution = visible_execution(actor, execution_id)
    about = audit.About(execution_id=execution_id, project_id=execution.project_id)
    with audit.refusals(act=AuditAct.EXECUTION_RETRY, actor=actor, about=about):
        require_operator(actor, "retry a run")
    _check_reason(reason)
    errors = budget_errors(budget_usd)
    if errors:
        raise Invalid(errors)
    with transaction.atomic():
        unit = lock(execution_id)
        check(precondition)
        if unit.execution.status is not ExecutionStatus.FAILED:
            raise InvalidState(f"The run is {unit.execution.status.value}; only a failed run can be retried.")
        hold_place(unit.execution.project_id, unit.execution.started_by_id)
        _audit_retry(unit, actor, about, reason, budget_usd)
        lifecycle.retry(unit, by=actor.get_username(), reason=reason, budget_usd=budget_usd)
        unit.flush()
        wakeups.tx_defer(execution_id)
    return Execution.objects.get(pk=execution_id)


def _audit_start(unit: Unit, execution: Execution, actor: User) -> None:
    budget = execution.budget_usd
    audit.record(
        act=AuditAct.EXECUTION_START,
        actor=actor,
        about=audit.About(execution_id=execution.pk, project_id=execution.project_id, subject=execution.workflow_id),
        after={"revision_id": execution.revision_id, "budget_usd": None if budget is None else str(budget)},
        at=execution.started_at,
        unit=unit,
    )


def _audit_retry(unit: Unit, actor: User, about: audit.About, reason: str, budget_usd: Decimal | None) -> None:
    row = unit.execution
    before = {"status": row.status.value, "error_code": row.error_code}
    audit.record(act=AuditAct.EXECUTION_RETRY, actor=actor, about=about, before=before, detail=reason, unit=unit)
    if budget_usd is not None and budget_usd != row.budget_usd:
        audit.record(
            act=AuditAct.EXECUTION_BUDGET,
            actor=actor,
            about=about,
            before={"budget_usd": None if row.budget_usd is None else str(row.budget_usd)},
            after={"budget_usd": str(budget_usd)},
            unit=unit,
        )


def _checked(new: NewExecution, layout: Layout) -> Any:
    errors = []
    if not isinstance(new.project_id, str) or not PROJECT_ID.fullmatch(new.project_id):
        detail = "must be a text of 1 to 64 letters, digits, dots, dashes or underscores"
        errors.append(FieldError(path="/project_id", code="INVALID_ID", detail=detail))
    errors += budget_errors(new.budget_usd)
    brief, brief_errors = checked_brief(new.brief, layout)
    errors += brief_errors
    if errors:
        raise Invalid(errors)
    return brief


def checked_brief(brief: Any, layout: Layout) -> tuple[Any, list[FieldError]]:
    """Return a brief in canonical form, and what is wrong with it."""
    if brief is None:
        return None, []
    root = "/initial_context"
    if not isinstance(brief, Mapping):
        return None, [FieldError(path=root, code="WRONG_TYPE", detail="must be a JSON object")]
    try:
        normal = normalise(dict(brief))
    except NotStorable as error:
        problems = error.problems
        return None, [FieldError(path=root + each.path, code=each.code, detail=each.detail) for each in problems]
    size = len(canonical_json(normal).encode())
    if size > MAX_BRIEF_BYTES:
        detail = f"is {size} bytes; at most {MAX_BRIEF_BYTES} are taken"
        return None, [FieldError(path=root, code="TOO_LARGE", detail=detail)]
    errors = []
    for name, content in _brief_documents(normal, layout):
        for problem in build_validator(layout.definition.document_types[name].schema).problems(content):
            path = f"{root}/{name}{problem.path}"
            errors.append(FieldError(path=path, code=problem.code.upper(), detail=problem.detail))
    return normal, errors


def _brief_documents(brief: Mapping[str, Any], layout: Layout) -> list[tuple[str, Any]]:
    """Return the (type, content) of the root documents that a brief brings with it, in a fixed order."""
    definition = layout.definition
    return [
        (name, brief[name])
        for name in sorted(brief)
        if name in definition.document_types
        and definition.document_types[name].scope == definition.root_scope
        and isinstance(brief[name], dict)
    ]


def _create_brief_documents(unit: Unit, brief: Any, actor: User) -> None:
    for name, content in _brief_documents(brief or {}, unit.layout):
        execution = unit.execution
        doc_type = unit.layout.definition.document_types[name]
        stored = create_version(
            NewDocument(
                project_id=execution.project_id,
                scope_type=unit.layout.definition.root_scope,
                scope_id=execution.project_id,
                document_type=name,
                status=DocumentStatus.FINAL,
                title=title_of(content, doc_type),
                summary=summary_of(content),
                content=content,
                created_at=unit.now,
                created_by=actor.get_username(),
                created_by_step="",
                execution_id=execution.id,
            )
        )
        data = {
            "document_id": str(stored.document_id),
            "doc_type": name,
            "version": stored.version,
            "content_sha256": stored.content_sha256,
        }
        unit.event(EventType.DOCUMENT_CREATED, data)


def _ensure_project(project_id: str, actor: User, at: datetime) -> None:
    """Make the project if this is its first start. :raises ProjectNotFound: the actor may not see it."""
    is_new = database.execute(_NEW_PROJECT, (project_id, actor.pk, at))
    if not is_new and not Project.objects.visible_to(actor).filter(pk=project_id).exists():
        raise ProjectNotFound(project_id)


def _model_ids(layout: Layout) -> dict[str, str]:
    """Pin what each model name of the definition means today."""
    names = {step.model or DEFAULT_MODEL for step in layout.definition.walk() if isinstance(step, ProductionStep)}
    return {name: resolve_model(name, settings.COMBINE_MODELS) for name in sorted(names)}


def budget_errors(budget: Decimal | None, *, path: str = "/budget_usd") -> list[FieldError]:
    """Return what is wrong with an amount of money that is to be a budget."""
    if budget is None or (budget.is_finite() and 0 <= budget <= MAX_BUDGET):
        return []
    detail = f"must be a decimal number from 0 to {MAX_BUDGET}"
    return [FieldError(path=path, code="OUT_OF_RANGE", detail=detail)]


def _check_reason(reason: str) -> None:
    detail = text_problem(reason)
    if detail is None and len(reason) > MAX_REASON:
        detail = f"is longer than {MAX_REASON} characters"
    if detail is not None:
        raise Invalid([FieldError(path="/reason", code="INVALID_TEXT", detail=detail)])
