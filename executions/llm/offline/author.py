"""What the offline model answers: questions first, then a written sample, else a generated document.

It reads the prompt as the real model would: the output contract says what is wanted, the labelled blocks
say for which item, whether people have answered, and what reviewers want changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from executions.llm.contract import DataBlock, OutputContract, read_blocks, read_contract
from executions.llm.offline import sse
from executions.llm.offline.generate import generate_document
from executions.llm.offline.samples import SampleLibrary
from executions.llm.parsing import collection_findings
from executions.llm.values import JSON, body_digest
from workflows.schemas import InvalidSchema, SchemaValidator, build_validator

_PLAIN_ANSWER = {
    "title": "Answer of the offline model",
    "summary": "No model is configured. The request held no output contract, so there was nothing to write for.",
}
_REVISION_KEYS = ("summary", "description", "overview", "introduction", "notes", "title", "name")
_SHORTENED = "\u2026 "


@dataclass(frozen=True, slots=True)
class _Assignment:
    """What a prompt asks for, as far as it can be read."""

    contract: OutputContract
    blocks: list[DataBlock]
    digest: str

    def first(self, kind: str) -> DataBlock | None:
        return next((block for block in self.blocks if block.kind == kind), None)

    @property
    def items(self) -> list[JSON]:
        """The enclosing items, outermost first, with ``id`` and ``entity_type`` beside their content."""
        return [{"content": block.value(), **block.attributes} for block in self.blocks if block.kind == "item"]

    @property
    def has_answers(self) -> bool:
        """Whether people have answered questions that this very step asked."""
        step, answers = self.first("step"), self.first("answers")
        path = step.attributes.get("path") if step else None
        return answers is not None and any(row.get("asked_by") == path for row in answers.value())


class OfflineAuthor:
    """Writes answers. Deterministic: the same prompt gets the same answer."""

    def __init__(self, library: SampleLibrary, *, asks_questions: bool = True) -> None:
        self._library = library
        self._asks_questions = asks_questions

    def answer(self, body: JSON) -> str:
        """Return the text that answers a Messages API request."""
        contract = read_contract("\n".join(sse.system_texts(body)))
        if contract is None:
            return json.dumps(_PLAIN_ANSWER, indent=2)
        blocks = [block for text in sse.message_texts(body) for block in read_blocks(text)]
        assignment = _Assignment(contract, blocks, body_digest(body))
        questions = self._questions(assignment)
        answer = questions if questions is not None else self._document(assignment)
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def _questions(self, assignment: _Assignment) -> JSON | None:
        contract = assignment.contract
        if not (self._asks_questions and contract.may_ask) or assignment.has_answers or assignment.first("review"):
            return None
        return next(iter(self._library.question_sets(contract.document_type)), None)

    def _document(self, assignment: _Assignment) -> Any:
        contract = assignment.contract
        validator = _validator(contract)
        document = next(
            (sample for sample in self._samples(assignment) if _is_valid(sample, contract, validator)), None
        )
        if document is None:
            document = generate_document(contract.schema, seed=assignment.digest, collection=contract.collection)
        review = assignment.first("review")
        return _revised(document, review.value(), validator) if review is not None else document

    def _samples(self, assignment: _Assignment) -> Iterator[Any]:
        """Yield what could be sent: the version that reviewers read, if any, then the written samples."""
        previous = assignment.first("previous_version")
        if previous is not None:
            yield previous.value()
        yield from self._library.documents(assignment.contract.document_type, assignment.items, assignment.digest)


def _validator(contract: OutputContract) -> SchemaValidator | None:
    try:
        return build_validator(contract.schema)
    except InvalidSchema:
        return None


def _is_valid(document: Any, contract: OutputContract, validator: SchemaValidator | None) -> bool:
    if validator is not None and validator.problems(document, 1):
        return False
    return contract.collection is None or not collection_findings(document, contract.collection)


def _revised(document: Any, review: JSON, validator: SchemaValidator | None) -> Any:
    """Return the document with each remark worked in where it points, or in its summary: a visible new version."""
    remarks = [(row["path"], row["text"]) for row in review.get("comments", [])]
    if review.get("comment"):
        remarks.append(("", review["comment"]))
    for path, text in remarks:
        document = _with_remark(document, path, f"Revised after review: {text}", validator)
    return document


def _with_remark(document: Any, path: str, note: str, validator: SchemaValidator | None) -> Any:
    """Return a valid copy that holds ``note`` at the first place that takes it; unchanged where none does."""
    for place in _places(document, path):
        for length in (None, 400, 200, 80):
            changed = _changed_at(document, place, note, length)
            if validator is None or not validator.problems(changed, 1):
                return changed
    return document


def _places(document: Any, path: str) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of texts that may take a remark: the one pointed at, one below it, then the usual ones."""
    keys = tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    target = document
    found: list[str | int] = []
    for key in keys:
        if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            found.append(int(key))
            target = target[int(key)]
        elif isinstance(target, dict) and key in target:
            found.append(key)
            target = target[key]
        else:
            target, found = document, []
            break
    yield from _texts_below(target, tuple(found))
    if found:
        yield from _texts_below(document, ())


def _texts_below(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts_below(inner, (*path, index))
    elif isinstance(value, dict):
        rank = {key: number for number, key in enumerate(_REVISION_KEYS)}
        for key in sorted(value, key=lambda key: rank.get(key, len(rank))):
            if key == "id" or key.endswith("_id"):
                continue  # other documents refer to it
            yield from _texts_below(value[key], (*path, key))


def _changed_at(document: Any, place: tuple[str | int, ...], note: str, length: int | None) -> Any:
    """Return a copy in which the text at ``place`` ends with ``note``, made shorter to have room for it."""
    copy = json.loads(json.dumps(document))
    if not place:
        return f"{document} {note}"
    parent = copy
    for key in place[:-1]:
        parent = parent[key]
    text = parent[place[-1]]
    if length is not None:
        note = note[:length]
        text = text[: max(0, len(text) - len(note) - len(_SHORTENED) - 1)].rstrip() + _SHORTENED.rstrip()
    parent[place[-1]] = f"{text} {note}".strip()
    return copy
