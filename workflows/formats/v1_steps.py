"""Steps of a ``workflow.v1`` file, nested to any depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.definition import DEFAULT_MAX_ITEMS, InputRef, IterationStep, ProductionStep, Step
from workflows.formats.draft import Draft, InputSite, Iteration, Site
from workflows.formats.prompts import role_text, task_text
from workflows.formats.reading import Reader, shown
from workflows.formats.step_options import MAX_STEPS, read_options, step_name
from workflows.problems import child

MAX_ITEMS = 10_000
MAX_PARALLEL = 1_000
Around = tuple[Iteration, ...]


def read_steps(parent: Reader, draft: Draft, around: Around = ()) -> Iterator[Step]:
    """Yield the steps under ``steps``; their sites are added to the draft in file order."""
    for value, path in parent.elements("steps"):
        if len(draft.sites) >= MAX_STEPS:
            draft.context.found.error("OUT_OF_RANGE", path, f"a workflow has at most {MAX_STEPS} steps")
            return
        reader = Reader.of(value, path, draft.context, "a step")
        if reader is None:
            continue
        is_iteration = reader.has("iterate_over") or (reader.has("steps") and not reader.has("produces"))
        step = _iteration(reader, draft, around) if is_iteration else _production(reader, draft, around)
        reader.finish()
        yield step


def _production(reader: Reader, draft: Draft, around: Around) -> ProductionStep:
    step_id = reader.identifier("step_id")
    role, task = reader.text("role"), reader.text("task_prompt")
    produces, scope = reader.text("produces"), reader.text("scope")
    inputs = tuple(
        site for value, path in reader.elements("inputs", required=False) if (site := _input(value, path, draft))
    )
    draft.add(
        Site(
            step_id=step_id,
            path=reader.path,
            id_path=reader.place("step_id"),
            scope=scope,
            scope_path=reader.place("scope"),
            around=around,
            produces=produces,
            produces_path=reader.place("produces"),
            inputs=inputs,
        )
    )
    options = read_options(reader)
    return ProductionStep(
        step_id=step_id,
        name=step_name(reader, step_id),
        role=role,
        role_prompt=role_text(draft.context, role, reader.place("role")),
        task=task,
        task_prompt=task_text(draft.context, task, reader.place("task_prompt")),
        produces=produces,
        scope=scope,
        inputs=tuple(site.ref for site in inputs),
        model=options.model,
        max_tokens=options.max_tokens,
        allow_clarification=options.allow_clarification,
        max_attempts=options.max_attempts,
        timeout_seconds=options.timeout_seconds,
    )


def _input(value: Any, path: str, draft: Draft) -> InputSite | None:
    reader = Reader.of(value, path, draft.context, "an input")
    if reader is None:
        return None
    ref = InputRef(
        doc_type=reader.text("doc_type", required=False) or None,
        entity_type=reader.text("entity_type", required=False) or None,
        scope=reader.text("scope"),
        required=reader.boolean("required", default=True),
        context=reader.boolean("context", default=False),
    )
    if reader.has("doc_type") == reader.has("entity_type"):
        draft.context.found.error("SCHEMA", path, "an input names either a doc_type or an entity_type")
    reader.finish()
    key = "doc_type" if reader.has("doc_type") else "entity_type"
    return InputSite(ref=ref, path=reader.place(key), scope_path=reader.place("scope"))


def _iteration(reader: Reader, draft: Draft, around: Around) -> IterationStep:
    step_id, scope = reader.identifier("step_id"), reader.text("scope")
    over = reader.object("iterate_over")
    iteration = _iterate_over(over, scope, draft)
    draft.add(
        Site(
            step_id=step_id,
            path=reader.path,
            id_path=reader.place("step_id"),
            scope=scope,
            scope_path=reader.place("scope"),
            around=around,
            iterates=iteration,
            iterates_path=reader.place("iterate_over"),
        )
    )
    return IterationStep(
        step_id=step_id,
        name=step_name(reader, step_id),
        doc_type=iteration.doc_type,
        collection_field=iteration.collection_field,
        entity_type=iteration.entity_type,
        scope=scope,
        max_items=reader.integer("max_items", 1, MAX_ITEMS) or DEFAULT_MAX_ITEMS,
        max_parallel=reader.integer("max_parallel", 1, MAX_PARALLEL),
        steps=tuple(read_steps(reader, draft, (*around, iteration))),
    )


def _iterate_over(over: Reader | None, scope: str, draft: Draft) -> Iteration:
    if over is None:
        return Iteration(doc_type="", collection_field="", entity_type="", scope=scope)
    iteration = Iteration(
        doc_type=over.text("doc_type"),
        collection_field=over.text("collection_field", required=False),
        entity_type=over.text("entity_type"),
        scope=scope,
    )
    _check_collection_field(over, iteration, draft)
    over.finish()
    return iteration


def _check_collection_field(over: Reader, iteration: Iteration, draft: Draft) -> None:
    """Both the document type and the iteration name the collection, and they agree."""
    found = draft.context.found
    path = over.place("collection_field")
    if over.raw("collection_field") in (None, ""):
        found.error("MISSING_COLLECTION_FIELD", path, "iterate_over must name the collection_field")
    row = draft.document_types.get(iteration.doc_type)
    if row is None or not row.value.name:
        return
    declared = row.value.collection_field
    if declared is None:
        found.error(
            "MISSING_COLLECTION_FIELD",
            child(row.path, "collection_field"),
            f"{shown(iteration.doc_type)} is iterated over: it must name its collection_field",
        )
    elif iteration.collection_field and declared != iteration.collection_field:
        found.error(
            "COLLECTION_FIELD_MISMATCH",
            path,
            f"{shown(iteration.doc_type)} keeps its collection in {shown(declared)},"
            f" not in {shown(iteration.collection_field)}",
        )
