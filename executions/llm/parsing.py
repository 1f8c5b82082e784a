"""From the model's text to a document, a question set, or what is wrong with it.

Nothing here raises for bad output: findings are a result, told to the model at its next try.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from documents.canonical import pointer
from executions.llm.clarification import InvalidQuestionSet, is_question_set, parse_question_set
from executions.llm.strict_json import NotStrictJson, read_json
from executions.llm.values import JSON, CollectionRule, Finding
from workflows.definition import DocumentType

MAX_FINDINGS = 20
MAX_TITLE = 200
MAX_SUMMARY = 500

_ITEM_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TITLE_KEYS = ("title", "name", "document_title", "heading", "subject", "project_name", "product_name")
_SUMMARY_KEYS = (
    "summary", "executive_summary", "abstract", "description", "overview", "purpose", "goal", "objective", "vision",
)  # fmt: skip


class SchemaProblem(Protocol):
    """One way in which a value does not match its schema."""

    @property
    def path(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Validator(Protocol):
    """A schema ready for use: what ``workflows.schemas.build_validator`` returns."""

    def problems(self, value: Any, limit: int = 20) -> Sequence[SchemaProblem]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOutput:
    """A valid document, normalised, with the words that lists show it by."""

    content: Any
    title: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """The model asks people: questions with all their keys."""

    questions: tuple[JSON, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidOutput:
    """Neither a valid document nor a valid question set."""

    findings: tuple[Finding, ...]


def parse_output(
    text: str,
    *,
    doc_type: DocumentType,
    may_ask: bool,
    validator: Validator,
    collection: CollectionRule | None = None,
) -> DocumentOutput | QuestionSet | InvalidOutput:
    """Return what a properly ended answer is. ``collection`` is the rule of the iteration over this type, if any."""
    try:
        value = read_json(text)
    except NotStrictJson as error:
        return InvalidOutput(findings=tuple(error.findings))
    if is_question_set(value):
        return _questions(value, may_ask=may_ask)
    findings = [
        Finding(code=problem.code, path=problem.path, detail=problem.detail)
        for problem in validator.problems(value, MAX_FINDINGS)
    ]
    if collection is not None:
        findings += collection_findings(value, collection)
    if findings:
        return InvalidOutput(findings=tuple(findings[:MAX_FINDINGS]))
    return DocumentOutput(content=value, title=title_of(value, doc_type), summary=summary_of(value))


def item_id(item: Any, id_keys: tuple[str, ...]) -> str | None:
    """Return the id of a collection's item, under the first of ``id_keys`` that holds one; a number is its text."""
    if not isinstance(item, dict):
        return None
    for key in id_keys:
        value = item.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and _ITEM_ID.fullmatch(value):
            return value
    return None


def collection_findings(content: Any, rule: CollectionRule) -> list[Finding]:
    """Return why ``content`` cannot be iterated over: its collection must be a list of objects with unique ids."""
    items = content.get(rule.field) if isinstance(content, dict) else None
    path = pointer("", rule.field)
    if not isinstance(items, list):
        return [Finding(code="COLLECTION", path=path, detail=f"{rule.field!r} must be a list of objects")]
    findings: list[Finding] = []
    keys = " or ".join(repr(key) for key in rule.id_keys)
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        below = pointer(path, index)
        if not isinstance(item, dict):
            findings.append(Finding(code="COLLECTION", path=below, detail="must be an object"))
            continue
        name = item_id(item, rule.id_keys)
        if name is None:
            detail = f"needs an id under {keys}: 1 to 64 letters, digits, '.', '_' or '-'"
            findings.append(Finding(code="ITEM_ID", path=below, detail=detail))
        elif name in seen:
            detail = f"has the id {name!r} of item {seen[name]}; every id must be different"
            findings.append(Finding(code="DUPLICATE_ITEM_ID", path=below, detail=detail))
        else:
            seen[name] = index
    return findings


def title_of(content: Any, doc_type: DocumentType) -> str:
    """Return the document's own title, or else the name of its type."""
    found = _first_text(content, _TITLE_KEYS)
    return _shortened(found or doc_type.name or doc_type.type_id, MAX_TITLE)


def summary_of(content: Any) -> str:
    """Return what the document says of itself: its summary, else its first sentence-like text, else how much it has."""
    found = _first_text(content, _SUMMARY_KEYS)
    if found is None and isinstance(content, dict):
        texts = (value for value in content.values() if isinstance(value, str) and " " in value.strip())
        lists = (f"{len(value)} {key.replace('_', ' ')}" for key, value in content.items() if isinstance(value, list))
        found = next(texts, None) or ", ".join(lists)
    return _shortened(found or "", MAX_SUMMARY)


def _questions(value: JSON, *, may_ask: bool) -> QuestionSet | InvalidOutput:
    if not may_ask:
        detail = "this step may not ask questions; answer with the document"
        return InvalidOutput(findings=(Finding(code="QUESTIONS_NOT_ALLOWED", detail=detail),))
    try:
        return QuestionSet(questions=parse_question_set(value))
    except InvalidQuestionSet as error:
        return InvalidOutput(findings=error.findings[:MAX_FINDINGS])


def _first_text(content: Any, keys: Sequence[str]) -> str | None:
    if not isinstance(content, dict):
        return None
    values = (content.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value.strip()), None)


def _shortened(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}\u2026"
