"""Loading packages into revisions, and finding revisions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from workflows.definition import Definition, ProductionStep
from workflows.exceptions import InvalidWorkflow, RevisionNotFound, WorkflowNotFound
from workflows.formats.reading import DEFAULT_MODELS
from workflows.jsonfile import text_problem
from workflows.loading import ParsedFile, parse_package
from workflows.models import Workflow, WorkflowRevision
from workflows.packages import read_package
from workflows.parsed import digest_of
from workflows.problems import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What became of one file. ``is_created`` tells a new revision from one that was there already.

    The manifest of a package has a result of its own where something is wrong with it; it names no workflow.
    """

    path: str
    workflow_id: str | None
    revision: WorkflowRevision | None
    is_created: bool
    problems: tuple[Problem, ...]

    @property
    def is_bad(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def raise_if_bad(self) -> None:
        """Turn a bad file into an exception, for callers that want all or nothing.

        :raises InvalidWorkflow: where the file has errors.
        """
        if self.is_bad:
            raise InvalidWorkflow(self.path, self.problems)


def load_package(directory: Path, *, at: datetime) -> list[LoadResult]:
    """Load every workflow of a package and make it the current revision of its id.

    A definition that is stored already makes no new row. Each file has a transaction of its own, so one bad
    file stops no other, and several processes may load the same package at once.

    :raises BadPackage: where ``directory`` is no package.
    """
    package = read_package(directory)
    results = []
    if package.problems:
        results.append(_result("manifest.json", None, None, False, package.problems))
    for parsed in parse_package(package, known_models()):
        if parsed.definition is None:
            results.append(_result(parsed.path, parsed.workflow_id, None, False, parsed.problems))
        else:
            revision, is_created = _store(parsed, parsed.definition, package.name, at)
            results.append(_result(parsed.path, revision.workflow_id, revision, is_created, parsed.problems))
    return results


def known_models() -> frozenset[str]:
    """Return the model aliases that a workflow may use."""
    return DEFAULT_MODELS | frozenset(settings.COMBINE_MODELS)


def current_revision(workflow_id: str) -> WorkflowRevision:
    """Return the revision that new executions take.

    :raises WorkflowNotFound: where there is no workflow of that id.
    """
    if text_problem(workflow_id) is None:
        for revision_id in Workflow.objects.filter(pk=workflow_id).values_list("current_revision_id", flat=True):
            return _revision(revision_id)
    raise WorkflowNotFound(workflow_id)


@lru_cache(maxsize=256)
def _revision(revision_id: int) -> WorkflowRevision:
    """Return a revision, read once per process: revisions never change."""
    # The definition is large, and whoever needs it has it parsed already.
    return WorkflowRevision.objects.defer("definition").get(pk=revision_id)


def find_revision(workflow_id: str, revision_or_digest: str) -> WorkflowRevision:
    """Return a revision by its digest, or the one loaded last under a revision name.

    :raises WorkflowNotFound: where there is no workflow of that id.
    :raises RevisionNotFound: where it has no such revision.
    """
    current = current_revision(workflow_id)
    if text_problem(revision_or_digest) is None:
        if revision_or_digest in (current.digest, current.revision):
            return current
        rows = WorkflowRevision.objects.filter(workflow_id=workflow_id)
        found = rows.filter(digest=revision_or_digest).first() or rows.filter(revision=revision_or_digest).first()
        if found is not None:
            return found
    raise RevisionNotFound(workflow_id, revision_or_digest)


def _make_roles(definition: Definition) -> None:
    """Make the groups that the definition names, so that staff can put people into them."""
    policies = [each.acceptance for each in definition.document_types.values() if each.acceptance is not None]
    names = {name for policy in policies for name in (*policy.roles, *policy.escalate_to)}
    Group.objects.bulk_create([Group(name=name) for name in sorted(names)], ignore_conflicts=True)


def _store(parsed: ParsedFile, definition: Definition, package: str, at: datetime) -> tuple[WorkflowRevision, bool]:
    digest = digest_of(definition)
    row = WorkflowRevision(
        workflow_id=definition.workflow_id,
        digest=digest,
        revision=definition.revision,
        name=definition.name,
        description=definition.description,
        format=definition.format,
        effective_date=date.fromisoformat(definition.effective_date) if definition.effective_date else None,
        definition=definition.to_json(),
        warnings=[problem.to_json() for problem in parsed.problems],
        package=package,
        step_count=sum(isinstance(step, ProductionStep) for step in definition.walk()),
        loaded_at=at,
    )
    with transaction.atomic():
        stored, is_created = _insert_or_get(row)
        Workflow.objects.update_or_create(
            workflow_id=stored.workflow_id, defaults={"current_revision": stored, "updated_at": at}
        )
        _make_roles(definition)
    logger.info(
        "Workflow loaded",
        extra={
            "action": "workflow_loaded",
            "workflow_id": stored.workflow_id,
            "digest": digest,
            "is_created": is_created,
        },
    )
    return stored, is_created


def _insert_or_get(row: WorkflowRevision) -> tuple[WorkflowRevision, bool]:
    known = WorkflowRevision.objects.filter(digest=row.digest).first()
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        # Another process loaded the same definition at this moment; its row is committed by now.
        return WorkflowRevision.objects.get(digest=row.digest), False
    return row, True


def _result(
    path: str,
    workflow_id: str | None,
    revision: WorkflowRevision | None,
    is_created: bool,
    problems: tuple[Problem, ...],
) -> LoadResult:
    return LoadResult(path=path, workflow_id=workflow_id, revision=revision, is_created=is_created, problems=problems)
