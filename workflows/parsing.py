"""One workflow file into a definition: which format it is, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from workflows.definition import Definition
from workflows.formats import flat, workflow_v1
from workflows.formats.reading import DEFAULT_MODELS, Context, shown
from workflows.jsonfile import parse_json, unstorable
from workflows.library import Library
from workflows.problems import Findings, Problem

_V1_KEYS = frozenset({"scopes", "document_types", "entity_types"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a file holds. ``definition`` is ``None`` exactly where a problem is an error."""

    workflow_id: str | None
    definition: Definition | None
    problems: tuple[Problem, ...]

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


def parse_text(text: str, library: Library, models: Collection[str] = DEFAULT_MODELS) -> Parsed:
    """Parse the text of a workflow file."""
    value, problems = parse_json(text)
    return _parse(value, problems, library, models)


def parse_workflow(value: Any, library: Library, models: Collection[str] = DEFAULT_MODELS) -> Parsed:
    """Parse the JSON value of a workflow file, whatever it is."""
    return _parse(value, unstorable(value), library, models)


def _parse(value: Any, problems: tuple[Problem, ...], library: Library, models: Collection[str]) -> Parsed:
    context = Context(library=library, models=models)
    context.found.extend(problems)
    definition = None
    # A text that is no JSON has no format; nesting without end must not be walked.
    if not any(problem.code == "TOO_DEEP" or (problem.code == "BAD_JSON" and value is None) for problem in problems):
        definition = _of_format(value, context)
    workflow_id = value.get("workflow_id") if isinstance(value, dict) else None
    return Parsed(
        workflow_id=workflow_id if isinstance(workflow_id, str) else None,
        definition=None if context.found.has_errors else definition,
        problems=context.found.as_tuple(),
    )


def _of_format(value: Any, context: Context) -> Definition | None:
    if isinstance(value, dict):
        version = value.get("schema_version")
        if version == workflow_v1.SCHEMA_VERSION or (version is None and _V1_KEYS & value.keys()):
            return workflow_v1.parse(value, context)
        if version is None and "steps" in value:
            return flat.parse(value, context)
    _unknown_format(value, context.found)
    return None


def _unknown_format(value: Any, found: Findings) -> None:
    if isinstance(value, dict) and value.get("schema_version") is not None:
        path, was = "$.schema_version", f"schema_version is {shown(value['schema_version'])}"
    else:
        path, was = "$", "it has neither schema_version nor steps" if isinstance(value, dict) else "it is no object"
    found.error(
        "UNKNOWN_FORMAT",
        path,
        f"not a workflow: {was}; a workflow has schema_version 'workflow.v1', or is flat with workflow_id and steps",
    )
