"""Clarification: the question set that the model may answer with, and the answers that people give.

What comes from the model is checked as strictly as what comes from people: a question that cannot be
answered would stop an execution for ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from documents.canonical import NotStorable, normalise, pointer, text_problem
from executions.llm.values import JSON, Finding

SCHEMA_VERSION = "clarification_question_set.v1"
MODE = "questions_only"
PRIORITIES = ("must", "should", "could")
ANSWER_TYPES = (
    "free_text", "single_choice", "multi_choice", "yes_no", "number", "date", "uuid", "json_object",
)  # fmt: skip
MAX_QUESTIONS = 50
MAX_CHOICES = 100
MAX_TEXT = 4_000
MAX_ANSWER_TEXT = 100_000

_QUESTION_ID = re.compile(r"[A-Z0-9_-]{3,64}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_CHOICE_TYPES = ("single_choice", "multi_choice")


class InvalidQuestionSet(ValueError):
    """The model's question set breaks the contract; ``findings`` says where."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{finding.path}: {finding.detail}" for finding in self.findings[:3]))


def is_question_set(value: Any) -> bool:
    """Whether the model meant ``value`` as questions rather than as a document, well-formed or not."""
    if not isinstance(value, dict):
        return False
    version = value.get("schema_version")
    names_contract = isinstance(version, str) and version.startswith("clarification_question_set")
    return names_contract or (value.get("mode") == MODE and "questions" in value)


def parse_question_set(value: JSON) -> tuple[JSON, ...]:
    """Return the questions of a normalised value, each with all its keys; keys beyond the contract are ignored.

    :raises InvalidQuestionSet: with every finding.
    """
    findings: list[Finding] = []
    if value.get("schema_version") != SCHEMA_VERSION:
        findings.append(_finding("/schema_version", f"must be {SCHEMA_VERSION!r}"))
    if value.get("mode") != MODE:
        findings.append(_finding("/mode", f"must be {MODE!r}"))
    rows = value.get("questions")
    questions: list[JSON] = []
    if not isinstance(rows, list) or not rows:
        findings.append(_finding("/questions", "must be a list of at least one question"))
    elif len(rows) > MAX_QUESTIONS:
        findings.append(_finding("/questions", f"must not hold more than {MAX_QUESTIONS} questions"))
    else:
        questions = [_question(row, f"/questions/{index}", findings) for index, row in enumerate(rows)]
        _require_distinct([question["id"] for question in questions], "/questions", "/id", findings)
    if findings:
        raise InvalidQuestionSet(findings)
    return tuple(questions)


def check_answers(questions: Sequence[JSON], answers: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with ``answers``, by question id; paths are ``/answers/<question id>``.

    ``null`` skips a question that is not required; leaving it out does the same.
    """
    known = {question["id"]: question for question in questions}
    findings = [
        Finding(code="UNKNOWN_QUESTION", path=_answer_path(key), detail="no question has this id")
        for key in answers
        if key not in known
    ]
    for key, question in known.items():
        answer = answers.get(key)
        if answer is None:
            if question["required"]:
                findings.append(Finding(code="REQUIRED", path=_answer_path(key), detail="an answer is required"))
            continue
        problem = _CHECKS[question["answer_type"]](answer, question)
        if problem is not None:
            findings.append(Finding(code="INVALID_ANSWER", path=_answer_path(key), detail=problem))
    return findings


def cleaned_answers(questions: Sequence[JSON], answers: Mapping[str, Any]) -> JSON:
    """Return checked answers in their stored form: in the order of the questions, skipped ones left out."""
    cleaned: JSON = {}
    for question in questions:
        answer = answers.get(question["id"])
        if answer is None:
            continue
        if question["answer_type"] == "uuid":
            answer = answer.lower()
        cleaned[question["id"]] = normalise(answer)
    return cleaned


def _question(row: Any, path: str, findings: list[Finding]) -> JSON:
    if not isinstance(row, dict):
        findings.append(_finding(path, "must be an object"))
        return {"id": None}
    text = _text(row, "text", path, findings)
    question: JSON = {
        "id": row.get("id"),
        "text": text,
        "intent": _text(row, "intent", path, findings, is_required=False),
        "priority": _one_of(row, "priority", PRIORITIES, path, findings, default="should"),
        "answer_type": _one_of(row, "answer_type", ANSWER_TYPES, path, findings, default="free_text"),
        "required": _flag(row, "required", path, findings, default=row.get("priority") == "must"),
        "blocking": _flag(row, "blocking", path, findings, default=True),
        "choices": _choices(row, path, findings),
        "default": row.get("default"),
    }
    if not isinstance(question["id"], str) or not _QUESTION_ID.fullmatch(question["id"]):
        findings.append(_finding(f"{path}/id", "must be 3 to 64 of A-Z, 0-9, '_' and '-'"))
    if not text.endswith(_QUESTION_MARKS):
        findings.append(_finding(f"{path}/text", "must be a question, ending with '?'"))
    _check_default(question, path, findings)
    return question


def _check_default(question: JSON, path: str, findings: list[Finding]) -> None:
    """Check the default like an answer; an empty one means none."""
    default = question["default"]
    if default in (None, "", []):
        question["default"] = None
        return
    problem = _CHECKS[question["answer_type"]](default, question)
    if problem is not None:
        findings.append(_finding(f"{path}/default", problem))


def _choices(row: JSON, path: str, findings: list[Finding]) -> list[JSON]:
    """Return the choices as value and label; a plain text stands for both."""
    given = row.get("choices") or []
    if row.get("answer_type") not in _CHOICE_TYPES:
        return []
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_CHOICES:
        findings.append(_finding(f"{path}/choices", f"must be a list of 1 to {MAX_CHOICES} choices"))
        return []
    choices = [_choice(choice, f"{path}/choices/{index}", findings) for index, choice in enumerate(given)]
    _require_distinct([choice["value"] for choice in choices], f"{path}/choices", "/value", findings)
    return choices


def _choice(given: Any, path: str, findings: list[Finding]) -> JSON:
    row = {"value": given} if isinstance(given, str) else given
    value = row.get("value") if isinstance(row, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        findings.append(_finding(f"{path}/value", "must be a text"))
        return {"value": None, "label": ""}
    label = row.get("label")
    return {"value": value, "label": label if isinstance(label, str) and label.strip() else value}


def _text(row: JSON, key: str, path: str, findings: list[Finding], *, is_required: bool = True) -> str:
    value = row.get(key)
    if value is None and not is_required:
        return ""
    if not isinstance(value, str) or (is_required and not value.strip()) or len(value) > MAX_TEXT:
        findings.append(_finding(f"{path}/{key}", f"must be a text of at most {MAX_TEXT} characters"))
        return "?"
    return value.strip()


def _one_of(row: JSON, key: str, allowed: Sequence[str], path: str, findings: list[Finding], *, default: str) -> str:
    value = row.get(key, default)
    if value in allowed:
        return str(value)
    findings.append(_finding(f"{path}/{key}", f"must be one of {', '.join(allowed)}"))
    return default


def _flag(row: JSON, key: str, path: str, findings: list[Finding], *, default: bool) -> bool:
    value = row.get(key, default)
    if isinstance(value, bool):
        return value
    findings.append(_finding(f"{path}/{key}", "must be true or false"))
    return default


def _require_distinct(values: Sequence[Any], path: str, suffix: str, findings: list[Finding]) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if isinstance(value, str) and value in seen:
            findings.append(_finding(f"{path}/{index}{suffix}", f"{value!r} is used twice"))
        elif isinstance(value, str):
            seen.add(value)


def _finding(path: str, detail: str) -> Finding:
    return Finding(code="QUESTION_SET", path=path, detail=detail)


def _answer_path(question_id: str) -> str:
    # An unknown id is the sender's text: it must not break the answer that quotes it.
    return pointer("/answers", question_id.encode("utf-8", "replace").decode())


def _check_text(answer: Any, question: JSON) -> str | None:
    if not isinstance(answer, str):
        return "must be a text"
    if question["required"] and not answer.strip():
        return "must not be empty"
    if len(answer) > MAX_ANSWER_TEXT:
        return f"must not be longer than {MAX_ANSWER_TEXT} characters"
    return text_problem(answer)


def _check_single_choice(answer: Any, question: JSON) -> str | None:
    values = [choice["value"] for choice in question["choices"]]
    return None if isinstance(answer, str) and answer in values else _choice_problem("must be one of", values)


def _check_multi_choice(answer: Any, question: JSON) -> str | None:
    values = [choice["value"] for choice in question["choices"]]
    if not isinstance(answer, list) or not all(isinstance(value, str) and value in values for value in answer):
        return _choice_problem("must be a list of values among", values)
    if len(set(answer)) != len(answer):
        return "must not name a value twice"
    return "must name at least one value" if question["required"] and not answer else None


def _choice_problem(words: str, values: Sequence[str]) -> str:
    shown = ", ".join(values[:20])
    return f"{words}: {shown}{' ...' if len(values) > 20 else ''}"


def _check_yes_no(answer: Any, question: JSON) -> str | None:
    return None if isinstance(answer, bool) else "must be true or false"


def _check_number(answer: Any, question: JSON) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return "must be a number"
    if isinstance(answer, float) and not math.isfinite(answer):
        return "must be a finite number"
    return _storable_problem(answer)


def _check_date(answer: Any, question: JSON) -> str | None:
    if isinstance(answer, str) and _DATE.fullmatch(answer):
        try:
            date.fromisoformat(answer)
        except ValueError:
            return "must be a date that exists"
        return None
    return "must be a date of the form YYYY-MM-DD"


def _check_uuid(answer: Any, question: JSON) -> str | None:
    return None if isinstance(answer, str) and _UUID.fullmatch(answer) else "must be a UUID"


def _check_object(answer: Any, question: JSON) -> str | None:
    return _storable_problem(answer) if isinstance(answer, dict) else "must be a JSON object"


def _storable_problem(answer: Any) -> str | None:
    try:
        normalise(answer)
    except NotStorable as error:
        return str(error)
    return None


_CHECKS: dict[str, Callable[[Any, JSON], str | None]] = {
    "free_text": _check_text,
    "single_choice": _check_single_choice,
    "multi_choice": _check_multi_choice,
    "yes_no": _check_yes_no,
    "number": _check_number,
    "date": _check_date,
    "uuid": _check_uuid,
    "json_object": _check_object,
}
