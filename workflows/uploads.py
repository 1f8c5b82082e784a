"""Packages from a browser: kept, looked at, and loaded by whoever has seen what is in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from workflows.archives import package_name, unpack
from workflows.comparison import Change, compare
from workflows.definition import Definition
from workflows.exceptions import BadPackage
from workflows.loading import ParsedFile, parse_package
from workflows.models import PackageUpload, Workflow
from workflows.packages import read_package
from workflows.parsed import digest_of
from workflows.problems import Problem
from workflows.services import LoadResult, known_models, load_package

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT_FOR = timedelta(days=1)
KEPT_PER_USER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """One workflow file of an upload, and what loading it would do. The manifest's problems have a row of their own.

    ``changes`` are those to the revision that is current now; ``None`` where the workflow is a new one.
    """

    path: str
    workflow_id: str
    revision: str
    problems: tuple[Problem, ...]
    is_loadable: bool
    is_current: bool
    current_revision: str
    changes: list[Change] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPackage:
    name: str
    files: list[CheckedFile]

    @property
    def loadable_count(self) -> int:
        return sum(file.is_loadable for file in self.files)

    @property
    def bad_count(self) -> int:
        return sum(any(problem.severity == "error" for problem in file.problems) for file in self.files)


def keep_upload(*, actor: User, name: str, data: bytes, at: datetime) -> PackageUpload:
    """Keep an archive until it is loaded, or for a day. Older ones of the same person go.

    :raises BadArchive: it is not one that is unpacked. :raises BadPackage: there is not one package in it.
    """
    with tempfile.TemporaryDirectory(prefix="combine-upload-") as directory:
        read_package(unpack(data, Path(directory), name=name))
    kept = PackageUpload.objects.create(name=package_name(name), archive=data, uploaded_by=actor, uploaded_at=at)
    newest = PackageUpload.objects.filter(uploaded_by=actor).values_list("pk", flat=True)[:KEPT_PER_USER]
    surplus = Q(uploaded_by=actor) & ~Q(pk__in=list(newest))
    PackageUpload.objects.filter(surplus | Q(uploaded_at__lt=at - KEPT_FOR)).delete()
    return kept


def find_upload(upload_id: UUID, actor: User) -> PackageUpload | None:
    """Return what ``actor`` has uploaded under that id, if it is still there."""
    return PackageUpload.objects.filter(pk=upload_id, uploaded_by=actor).first()


def check_upload(upload: PackageUpload) -> CheckedPackage:
    """Say what is in an upload: every problem of every file, and what loading would change. Nothing is loaded."""
    with _unpacked(upload) as directory:
        package = read_package(directory)
        parsed = list(parse_package(package, known_models()))
    ids = [file.workflow_id for file in parsed if file.workflow_id is not None]
    rows = Workflow.objects.filter(pk__in=ids).select_related("current_revision")
    current = {row.workflow_id: row for row in rows}
    files = [_checked(file, current.get(file.workflow_id or "")) for file in parsed]
    if package.problems:
        files.insert(0, _manifest(package.problems))
    return CheckedPackage(name=package.name, files=files)


def load_upload(upload: PackageUpload, *, at: datetime) -> list[LoadResult]:
    """Load what is good in an upload, which is gone then. Bad files stop no other."""
    with _unpacked(upload) as directory:
        results = load_package(directory, at=at)
    if not any(result.revision is not None for result in results):
        raise BadPackage("No workflow of the package can be loaded.")
    upload.delete()
    return results


@contextmanager
def _unpacked(upload: PackageUpload) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="combine-upload-") as directory:
        yield unpack(bytes(upload.archive), Path(directory), name=upload.name)


def _checked(file: ParsedFile, workflow: Workflow | None) -> CheckedFile:
    definition, current = file.definition, workflow.current_revision if workflow is not None else None
    changes = None
    if definition is not None and current is not None:
        changes = compare(current.definition, definition.to_json())
    return CheckedFile(
        path=file.path,
        workflow_id=file.workflow_id or "",
        revision=definition.revision if definition is not None else "",
        problems=file.problems,
        is_loadable=definition is not None,
        is_current=_is(definition, current.digest if current is not None else ""),
        current_revision=current.revision if current is not None else "",
        changes=changes,
    )


def _is(definition: Definition | None, digest: str) -> bool:
    return definition is not None and digest_of(definition) == digest


def _manifest(problems: tuple[Problem, ...]) -> CheckedFile:
    return CheckedFile(
        path="manifest.json", workflow_id="", revision="", problems=problems, is_loadable=False, is_current=False,
        current_revision="", changes=None,
    )  # fmt: skip
