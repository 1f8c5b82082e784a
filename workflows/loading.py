"""A package's workflow files, parsed one by one. No database: this is also what ``validate_workflow`` runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from workflows.definition import Definition
from workflows.formats.reading import DEFAULT_MODELS, shown
from workflows.library import Library, Unusable
from workflows.packages import Package, PackageFile, package_around
from workflows.parsing import Parsed, parse_text
from workflows.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """One workflow file of a package. ``definition`` is ``None`` exactly where a problem is an error."""

    path: str
    workflow_id: str | None
    definition: Definition | None
    problems: tuple[Problem, ...]

    @property
    def has_errors(self) -> bool:
        return self.definition is None


def parse_package(package: Package, models: Collection[str] = DEFAULT_MODELS) -> Iterator[ParsedFile]:
    """Yield the workflow files of a package in the order of their names; one bad file never stops the others."""
    paths: dict[str, str] = {}
    for file in package.workflows:
        parsed = _parse(file, package.library, models)
        if parsed.definition is not None:
            workflow_id = parsed.definition.workflow_id
            if workflow_id in paths:
                parsed = _refuse_duplicate(parsed, paths[workflow_id])
            paths.setdefault(workflow_id, file.path)
        yield parsed


def parse_file(path: Path, models: Collection[str] = DEFAULT_MODELS) -> ParsedFile:
    """Parse one workflow file with the prompts and schemas of the package around it."""
    package, file = package_around(path)
    return _parse(file, package.library if package else Library.of(), models)


def _parse(file: PackageFile, library: Library, models: Collection[str]) -> ParsedFile:
    try:
        parsed = parse_text(file.text(), library, models)
    except Unusable as error:
        parsed = Parsed(
            workflow_id=None,
            definition=None,
            problems=(Problem(severity="error", code="BAD_FILE", path="$", detail=f"the file {error}"),),
        )
    problems = parsed.problems
    if file.manifest_problem:
        note = f"the file {file.manifest_problem}"
        problems = (Problem(severity="warning", code="MANIFEST", path="$", detail=note), *problems)
    return ParsedFile(path=file.path, workflow_id=parsed.workflow_id, definition=parsed.definition, problems=problems)


def _refuse_duplicate(parsed: ParsedFile, first: str) -> ParsedFile:
    problem = Problem(
        severity="error",
        code="DUPLICATE_WORKFLOW",
        path="$.workflow_id",
        detail=f"{first} has the workflow_id {shown(parsed.workflow_id)} already",
    )
    return ParsedFile(
        path=parsed.path,
        workflow_id=parsed.workflow_id,
        definition=None,
        problems=(*parsed.problems, problem),
    )
