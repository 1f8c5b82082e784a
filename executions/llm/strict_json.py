"""JSON from a model's text, read strictly: what Python's reader lets pass silently is a finding here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from documents.canonical import MAX_INTEGER_DIGITS, NotStorable, normalise
from executions.llm.values import Finding

_FENCE = "```"
_MAX_FINDINGS = 20


class NotStrictJson(ValueError):
    """The text is not one JSON value that can be stored; ``findings`` says why."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings[:_MAX_FINDINGS]
        super().__init__("; ".join(finding.detail for finding in self.findings[:3]))


def read_json(text: str) -> Any:
    """Return the one JSON value in ``text``, normalised.

    The whole text, else the last fenced block, else what stands between the outermost braces.

    :raises NotStrictJson: where there is none, or it has doubled keys, or holds what cannot be stored.
    """
    text = text.strip("\ufeff \t\r\n")
    errors: list[json.JSONDecodeError] = []
    for candidate in _candidates(text):
        reader = _Reader()
        try:
            value = reader.read(candidate)
        except json.JSONDecodeError as error:
            errors.append(error)
            continue
        except RecursionError:
            raise NotStrictJson([Finding(code="TOO_DEEP", detail="the JSON is nested too deeply")]) from None
        return _storable(value, reader.findings)
    raise NotStrictJson([_syntax_finding(text, errors)])


def _candidates(text: str) -> Iterator[str]:
    yield text
    blocks = _fenced_blocks(text)
    if blocks:
        labelled = [body for label, body in blocks if label == "json"]
        yield labelled[-1] if labelled else blocks[-1][1]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        yield text[start : end + 1]


def _fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return label and body of each Markdown fence, in one pass: the text is not ours, so no regular expression."""
    if _FENCE not in text:
        return []
    blocks: list[tuple[str, str]] = []
    label, body, is_open = "", [""], False
    for line in text.split("\n"):
        stripped = line.strip()
        if is_open and stripped == _FENCE:
            blocks.append((label, "\n".join(body)))
            is_open = False
        elif is_open:
            body.append(line)
        elif stripped.startswith(_FENCE):
            label, body, is_open = stripped.removeprefix(_FENCE).strip().lower(), [], True
    return blocks


def _storable(value: Any, findings: list[Finding]) -> Any:
    try:
        value = normalise(value)
    except NotStorable as error:
        findings += [Finding(code=found.code, path=found.path, detail=found.detail) for found in error.problems]
    if findings:
        raise NotStrictJson(findings)
    return value


def _syntax_finding(text: str, errors: list[json.JSONDecodeError]) -> Finding:
    """Say where reading failed: in the text itself if it begins like JSON, else in the part that looked like it."""
    if not text:
        return Finding(code="NOT_JSON", detail="the answer is empty; it must be one JSON document")
    error = errors[0 if text.startswith(("{", "[")) else -1]
    where = f"line {error.lineno}, column {error.colno}"
    return Finding(code="NOT_JSON", detail=f"the answer is no JSON document: {error.msg} at {where}")


class _Reader:
    """One reading: the standard reader with hooks that note what it would let pass."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def read(self, text: str) -> Any:
        return json.loads(text, object_pairs_hook=self._object, parse_constant=self._constant, parse_int=self._integer)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            self._note_doubled(pairs)
        return result

    def _note_doubled(self, pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                shown = key[:80].encode("utf-8", "replace").decode()
                detail = f"the key {shown!r} stands more than once in one object"
                self.findings.append(Finding(code="DUPLICATE_KEY", detail=detail))
            seen.add(key)

    def _constant(self, name: str) -> None:
        self.findings.append(Finding(code="NOT_FINITE", detail=f"{name} is no JSON number"))

    def _integer(self, digits: str) -> int:
        if len(digits) > MAX_INTEGER_DIGITS:
            detail = f"a number has more than {MAX_INTEGER_DIGITS} digits"
            self.findings.append(Finding(code="NUMBER_TOO_LARGE", detail=detail))
            return 0
        return int(digits)
