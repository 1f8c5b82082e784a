"""Problems of a workflow package: what is wrong, where, and how bad.

Every check of this app reports through a :class:`Findings`, so that one pass over a file names all of its
problems. A problem's ``path`` is a JSON path into the file (``$.steps[2].inputs[0].scope``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

# Every code, with the one sentence that docs/workflow-format.md repeats (a test compares the two).
CODES: dict[str, str] = {
    "BAD_FILE": "A file cannot be read: too large, no regular file, outside the package, not UTF-8 or UTF-16 text.",
    "BAD_JSON": "The text is not JSON, or holds a number that JSON cannot carry.",
    "BAD_TEXT": "A text holds a NUL character or half a surrogate pair, or a prompt is empty.",
    "DUPLICATE_KEY": "An object has the same key twice.",
    "TOO_DEEP": "The file is nested more than 128 levels deep.",
    "UNKNOWN_FORMAT": "The file is neither a `workflow.v1` nor a flat workflow.",
    "DUPLICATE_WORKFLOW": "Another file of the package has the same `workflow_id`.",
    "MANIFEST": "`manifest.json` and the files of the package disagree.",
    "SCHEMA": "A required key is missing, or a value has the wrong type.",
    "UNKNOWN_KEY": "A key that means nothing here; it is kept in the revision's metadata.",
    "OUT_OF_RANGE": "A number is outside its range, or there are too many steps (1,000) or scopes (100).",
    "BAD_ID": "An id is not letters, digits, `.`, `_` and `-`, or is too long.",
    "BAD_DATE": "A date is not `YYYY-MM-DD`.",
    "NO_ROOT_SCOPE": "No scope has `parent: null`.",
    "SEVERAL_ROOT_SCOPES": "More than one scope has `parent: null`; executions live in exactly one.",
    "SCOPE_CYCLE": "Scopes are each other's ancestors.",
    "UNKNOWN_SCOPE": "A scope that is not declared under `scopes`.",
    "UNKNOWN_DOCUMENT_TYPE": "A document type that is not declared under `document_types`.",
    "UNKNOWN_ENTITY_TYPE": "An entity type that is not declared under `entity_types`.",
    "SCOPE_MISMATCH": "Two scopes that must agree do not.",
    "FORBIDDEN_REFERENCE": "The reference rule forbids this input: see the reference rule.",
    "NOT_OWNED": "A document type is iterated over for an entity type that it does not own.",
    "MISSING_COLLECTION_FIELD": "An iterated document type, or its iteration, names no `collection_field`.",
    "COLLECTION_FIELD_MISMATCH": "The document type and the iteration name different collection fields.",
    "COLLECTION_NOT_IN_SCHEMA": "The schema of an iterated document type does not describe its collection.",
    "DUPLICATE_STEP_ID": "Two steps, at whatever depth, have the same `step_id`.",
    "INPUT_NOT_PRODUCED": "No earlier step produces this input.",
    "DUPLICATE_PRODUCER": "Several steps produce the same document type; an error where a step reads it.",
    "TOO_MANY_OUTPUTS": "A step of a flat workflow has more than one output.",
    "MISSING_ROLE": "There is no file of that stem under `prompts/roles`.",
    "MISSING_PROMPT": "There is no file of that stem under `prompts/tasks`.",
    "AMBIGUOUS_PROMPT": "Two prompt files have the same stem (`.txt` and `.md`).",
    "UNKNOWN_MODEL": "Neither a model alias nor a model id that we know.",
    "BAD_POLICY": "An acceptance policy that nobody could carry out.",
    "BAD_DURATION": "Not an ISO 8601 duration of weeks, days, hours, minutes and seconds.",
    "NO_ACCEPTORS": "Acceptance is required, but nobody is named: anyone with the operator role may decide.",
    "NO_EFFECT": "A setting without effect, because another one is missing.",
    "MISSING_SCHEMA": "There is no file of that stem under `schemas`.",
    "AMBIGUOUS_SCHEMA": "Two files under `schemas` have the same stem.",
    "BAD_SCHEMA": "Not a valid JSON Schema.",
    "SCHEMA_DIALECT": "A `$schema` other than drafts 4, 6, 7, 2019-09 and 2020-12.",
    "SCHEMA_REMOTE_REF": "A `$ref` that leaves the file; nothing is ever fetched.",
    "SCHEMA_PATTERN": "A pattern that the linear-time engine cannot compile (look-around, back-references, too large).",
    "SCHEMA_TOO_LARGE": "The schema has more than 50,000 parts.",
    "SCHEMA_TOO_DEEP": "The schema is nested more than 100 levels deep.",
    "SCHEMA_TOO_COMPLEX": "The schema's references multiply beyond a million checks.",
    "SCHEMA_SLOW": "The schema refers back to itself in several ways; it is checked in a process of its own.",
    "SCHEMA_UNIQUE_ITEMS": "`uniqueItems` on an array of objects without `maxItems`.",
}

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
_DETAIL_LENGTH = 400
MAX_PROBLEMS = 1_000  # of either severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a package. Errors keep a workflow from loading, warnings do not."""

    severity: Severity
    code: str
    path: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Return the form that is stored with a revision and printed by ``--json``."""
        return {"severity": self.severity, "code": self.code, "path": self.path, "detail": self.detail}

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.path}: {self.detail}"


class Findings:
    """Collects problems, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._counts: dict[Severity, int] = {"error": 0, "warning": 0}

    def error(self, code: str, path: str, detail: str) -> None:
        """Note a problem that keeps the workflow from loading."""
        self._add("error", code, path, detail)

    def warning(self, code: str, path: str, detail: str) -> None:
        """Note a problem that the workflow loads with."""
        self._add("warning", code, path, detail)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take over problems that another check found."""
        for problem in problems:
            self._note(problem)

    def _add(self, severity: Severity, code: str, path: str, detail: str) -> None:
        problem = Problem(severity=severity, code=code, path=path, detail=printable(detail))
        self._note(problem)

    def _note(self, problem: Problem) -> None:
        # A file of thousands of mistakes is one mistake; somebody has to read this.
        if problem not in self._found and self._counts[problem.severity] < MAX_PROBLEMS:
            self._counts[problem.severity] += 1
            self._found[problem] = None

    @property
    def has_errors(self) -> bool:
        return self._counts["error"] > 0

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def as_tuple(self) -> tuple[Problem, ...]:
        """Return what was found."""
        return tuple(self._found)


def child(path: str, key: str | int) -> str:
    """Return the JSON path of ``key`` below ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN_KEY.match(key):
        return f"{path}.{key}"
    escaped = key[:120].replace("\\", "\\\\").replace("'", "\\'")
    return f"{path}['{printable(escaped)}']"


def below(path: str, keys: Iterable[str | int]) -> str:
    """Return the JSON path of the place that ``keys`` lead to below ``path``."""
    for key in keys:
        path = child(path, key)
    return path


def printable(text: str, limit: int = _DETAIL_LENGTH) -> str:
    """Return ``text`` short, and without what a terminal, a log or the database could not take."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)
