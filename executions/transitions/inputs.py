"""What a step is told: its documents, items, brief, answers and feedback, gathered under the lock.

Inputs are the documents of the step's own execution, final or accepted; never another execution's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from documents import database
from executions import ledger
from executions.engine.layout import scope_id
from executions.llm import parsing
from executions.llm.catalogue import default_max_tokens
from executions.llm.values import (
    JSON,
    AnsweredQuestion,
    CollectionRule,
    Correction,
    Feedback,
    Finding,
    InputDocument,
    InputItem,
    PromptInputs,
    ReviewComment,
)
from executions.transitions.rows import StepRow
from executions.transitions.unit import Unit
from workflows.definition import Definition, IterationStep, ProductionStep

DEFAULT_MODEL = "sonnet"
DEFAULT_TIMEOUT_SECONDS = 600.0

_INPUTS = """
SELECT e.id, e.brief,
       (SELECT json_agg(d) FROM (
            SELECT DISTINCT ON (document_type, scope_id) document_type, scope_type, scope_id, version, content
              FROM documents_document
             WHERE execution_id = e.id AND document_type = ANY(w.types) AND scope_id = ANY(w.scopes)
               AND status IN ('final', 'accepted')
             ORDER BY document_type, scope_id, version DESC) d),
       (SELECT json_agg(g) FROM (
            SELECT path, questions, answers FROM executions_gate
             WHERE execution_id = e.id AND kind = 'clarification' AND status = 'decided' ORDER BY opened_at, id) g)
  FROM json_to_recordset(%s) AS w (id uuid, types text[], scopes text[]) JOIN executions_execution e ON e.id = w.id
"""

_DOCUMENT = "SELECT content, version, edits FROM documents_document WHERE id = %s"

_RESPONSE_TEXT = "SELECT response_text FROM executions_llmcall WHERE id = %s"


class InputMissing(Exception):
    """A required document does not exist in this execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything that steps of one execution may be told, loaded once for all that start together."""

    documents: Mapping[tuple[str, str], InputDocument]
    answers: tuple[AnsweredQuestion, ...]
    brief: JSON | None


def gather_all(starting: Sequence[tuple[Unit, Sequence[StepRow]]]) -> dict[UUID, Gathered]:
    """Load what the steps of each unit need, by execution, in one statement."""
    asked, definitions = [], {}
    for unit, steps in starting:
        wanted = {need for step in steps for need in _wanted(unit, step)}
        types, scopes = sorted({name for name, _ in wanted}), sorted({scope for _, scope in wanted})
        asked.append({"id": unit.execution.id, "types": types, "scopes": scopes})
        definitions[unit.execution.id] = unit.layout.definition
    found = database.rows(_INPUTS, (database.json_rows(asked),)) if asked else []
    return {
        execution_id: Gathered(
            documents={
                (row["document_type"], row["scope_id"]): _input_document(definitions[execution_id], row)
                for row in documents or ()
            },
            answers=tuple(_answered(answers or ())),
            brief=brief,
        )
        for execution_id, brief, documents, answers in found
    }


def prompt_inputs(unit: Unit, step: StepRow, gathered: Gathered) -> PromptInputs:
    """Return all that decides the request of ``step``.

    :raises InputMissing: a required document is not there.
    """
    definition = unit.layout.definition
    node = unit.layout.nodes[step.step_id]
    production = node.step
    assert isinstance(production, ProductionStep)
    doc_type = definition.document_types[production.produces]
    model = unit.execution.model_ids[production.model or DEFAULT_MODEL]
    is_root = not step.item_ids
    carry = step.carry
    return PromptInputs(
        step=production if may_ask(production, step) else _silenced(production),
        doc_type=doc_type,
        workflow_name=definition.name,
        path=step.path,
        model=model,
        max_tokens=carry.get("max_tokens") or production.max_tokens or default_max_tokens(model),
        timeout_seconds=production.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
        collection=collection_rule(definition, production.produces),
        brief=gathered.brief if is_root or not production.inputs else None,
        documents=tuple(_documents(unit, step, production, gathered)),
        items=tuple(_items(unit, step, node.chain, gathered)),
        answers=gathered.answers,
        feedback=_feedback(carry),
        retry_note=carry.get("retry_note"),
        correction=_correction(carry),
    )


MAX_QUESTION_ROUNDS = 3


def may_ask(production: ProductionStep, step: StepRow) -> bool:
    """Whether the step may still stop to ask people; a model that only ever asks would never end."""
    return production.allow_clarification and step.question_rounds < MAX_QUESTION_ROUNDS


def _silenced(production: ProductionStep) -> ProductionStep:
    return replace(production, allow_clarification=False)


def collection_rule(definition: Definition, document_type: str) -> CollectionRule | None:
    """Return what the items of a document type must look like, if it is a collection."""
    declared = definition.document_types[document_type].collection_field
    fields = {declared} if declared else set()
    keys = ["id"]
    for node in definition.walk():
        if isinstance(node, IterationStep) and node.doc_type == document_type:
            fields.add(node.collection_field)
            keys.append(f"{node.entity_type}_id")
    if not fields:
        return None
    return CollectionRule(field=sorted(fields)[0], id_keys=tuple(dict.fromkeys(keys)))


def _wanted(unit: Unit, step: StepRow) -> Iterable[tuple[str, str]]:
    """Yield (document type, scope id) of each input document and of each collection around the step."""
    layout, project = unit.layout, unit.execution.project_id
    node = layout.nodes[step.step_id]
    for depth, name in enumerate(node.chain):
        iteration = layout.nodes[name].step
        assert isinstance(iteration, IterationStep)
        yield iteration.doc_type, scope_id(project, step.item_ids[:depth])
    if isinstance(node.step, ProductionStep):
        for ref in node.step.inputs:
            if ref.doc_type is not None:
                yield ref.doc_type, input_scope_id(unit, step, ref.doc_type)
    else:
        yield node.step.doc_type, scope_id(project, step.item_ids)


def input_scope_id(unit: Unit, step: StepRow, doc_type: str) -> str:
    """Return the scope instance, around the step, in which a document of ``doc_type`` lives."""
    definition = unit.layout.definition
    depth = 0
    scope = definition.scopes[definition.document_types[doc_type].scope]
    while scope.parent is not None:
        depth += 1
        scope = definition.scopes[scope.parent]
    return scope_id(unit.execution.project_id, step.item_ids[:depth])


def _documents(unit: Unit, step: StepRow, production: ProductionStep, gathered: Gathered) -> Iterable[InputDocument]:
    for ref in production.inputs:
        if ref.doc_type is None:
            continue
        wanted_scope = input_scope_id(unit, step, ref.doc_type)
        found = gathered.documents.get((ref.doc_type, wanted_scope))
        if found is not None:
            yield found
        elif ref.required:
            raise InputMissing(
                f"The step needs a document of type {ref.doc_type} in {wanted_scope}, and this execution has none:"
                f" no step made it, and the brief has no key {ref.doc_type!r}."
            )


def _items(unit: Unit, step: StepRow, chain: Sequence[str], gathered: Gathered) -> Iterable[InputItem]:
    for depth, (name, wanted) in enumerate(zip(chain, step.item_ids, strict=True)):
        iteration = unit.layout.nodes[name].step
        assert isinstance(iteration, IterationStep)
        document = gathered.documents[iteration.doc_type, scope_id(unit.execution.project_id, step.item_ids[:depth])]
        for item in items_of(document.content, iteration, unit.layout.definition):
            if item.item_id == wanted:
                yield item
                break


def items_of(content: Any, iteration: IterationStep, definition: Definition) -> list[InputItem]:
    """Return the items of a collection document, with their ids as text."""
    rule = collection_rule(definition, iteration.doc_type)
    assert rule is not None
    items = content.get(iteration.collection_field) if isinstance(content, dict) else None
    found = []
    for item in items or []:
        item_id = parsing.item_id(item, rule.id_keys)
        if item_id is not None:
            found.append(InputItem(entity_type=iteration.entity_type, item_id=item_id, content=item))
    return found


def _input_document(definition: Definition, row: JSON) -> InputDocument:
    declared = definition.document_types.get(row["document_type"])
    return InputDocument(
        doc_type=row["document_type"],
        name=declared.name if declared else row["document_type"],
        scope_type=row["scope_type"],
        scope_id=row["scope_id"],
        version=row["version"],
        content=row["content"],
    )


def _answered(gates: Iterable[JSON]) -> Iterable[AnsweredQuestion]:
    for gate in gates:
        answers = gate["answers"] or {}
        for question in gate["questions"]:
            # A question that was skipped is told as such, or the model would ask it again.
            yield AnsweredQuestion(
                question_id=question["id"],
                text=question["text"],
                answer=answers.get(question["id"]),
                step_path=gate["path"],
            )


def _feedback(carry: JSON) -> Feedback | None:
    stored = carry.get("feedback")
    if stored is None:
        return None
    previous = database.rows(_DOCUMENT, (UUID(stored["document_id"]),)) if stored.get("document_id") else []
    return Feedback(
        kind=stored["kind"],
        comment=stored["comment"],
        comments=tuple(ReviewComment(path=row["path"], text=row["text"]) for row in stored["comments"]),
        previous_content=previous[0][0] if previous else None,
        previous_version=previous[0][1] if previous else None,
        previous_edits=previous[0][2] if previous else None,
    )


def _correction(carry: JSON) -> Correction | None:
    stored = carry.get("correction")
    if stored is None:
        return None
    text = database.rows(_RESPONSE_TEXT, (UUID(stored["call_id"]),))[0][0]
    return Correction(
        output_text=ledger.decode_text(text) if text else json.dumps(None),
        findings=tuple(Finding.from_json(row) for row in stored["findings"]),
    )
