"""Format B, flat: a list of steps that hand each other documents by name, all in the scope ``project``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.definition import Definition, DocumentType, InputRef, ProductionStep
from workflows.formats.checks import check_draft
from workflows.formats.doc_schemas import generated_schema, schema_file
from workflows.formats.draft import Draft, DraftType, InputSite, Site
from workflows.formats.prompts import role_text, task_text
from workflows.formats.reading import Context, Reader, type_name
from workflows.formats.scopes import ScopeTree
from workflows.formats.step_options import MAX_STEPS, read_options, readable, step_name

ROOT_SCOPE = "project"
INFORMATION = ("description", "quality_gate", "is_final")
ROLE_ALIASES = {
    "PM": "Project Manager 1.0",
    "BA": "Business Analyst 1.0",
    "Architect": "Technical Architect 1.0",
    "QA": "Quality Assurance 1.0",
    "Developer": "Developer 1.0",
}


def parse(value: Any, context: Context) -> Definition | None:
    """Return the definition in a flat workflow file; what is wrong with it is in ``context.found``."""
    file = Reader.of(value, "$", context, "a workflow")
    if file is None:
        return None
    workflow_id = file.identifier("workflow_id")
    name = file.text("name")
    version = _version(file)
    description = file.text("description", required=False)
    metadata = _metadata(file)
    draft = Draft(context=context, scopes=ScopeTree({ROOT_SCOPE: None}))
    draft.steps = list(_read_steps(file, draft))
    file.finish()
    _declare_inputs(draft)
    check_draft(draft)
    if context.found.has_errors:
        return None
    if context.leftovers:
        metadata["unknown_keys"] = context.leftovers
    return Definition(
        workflow_id=workflow_id,
        name=name,
        revision=version,
        format="flat",
        scopes=draft.scopes.declared(),
        document_types={type_id: row.value for type_id, row in draft.document_types.items()},
        entity_types={},
        steps=tuple(draft.steps),
        description=description,
        metadata=metadata,
    )


def _version(file: Reader) -> str:
    """Return the version as a text: editors of such files write numbers too."""
    value = file.raw("version")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return file.text("version")


def _metadata(file: Reader) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if file.object("metadata", required=False) is not None:
        metadata.update(file.raw("metadata"))
    document_type = file.text("document_type", required=False)
    if document_type:
        metadata.setdefault("document_type", document_type)
    return metadata


def _read_steps(file: Reader, draft: Draft) -> Iterator[ProductionStep]:
    for value, path in file.elements("steps"):
        if len(draft.sites) >= MAX_STEPS:
            draft.context.found.error("OUT_OF_RANGE", path, f"a workflow has at most {MAX_STEPS} steps")
            return
        reader = Reader.of(value, path, draft.context, "a step")
        if reader is not None:
            yield _step(reader, draft)


def _step(reader: Reader, draft: Draft) -> ProductionStep:
    context = draft.context
    step_id = reader.identifier("step_id")
    role, task = _role(reader), reader.text("task_prompt_id")
    inputs = tuple(_input(value, path, context) for value, path in reader.elements("inputs", required=False))
    produces, produces_path = _output(reader, draft)
    draft.add(
        Site(
            step_id=step_id,
            path=reader.path,
            id_path=reader.place("step_id"),
            scope=ROOT_SCOPE,
            scope_path=reader.path,
            around=(),
            produces=produces,
            produces_path=produces_path,
            inputs=inputs,
        )
    )
    options, name = read_options(reader), step_name(reader, step_id)
    for key in INFORMATION:
        reader.keep(key)
    reader.finish()
    return ProductionStep(
        step_id=step_id,
        name=name,
        role=role,
        role_prompt=role_text(context, role, reader.place("role")),
        task=task,
        task_prompt=task_text(context, task, reader.place("task_prompt_id")),
        produces=produces,
        scope=ROOT_SCOPE,
        inputs=tuple(entry.ref for entry in inputs if entry.ref.doc_type),
        model=options.model,
        max_tokens=options.max_tokens,
        allow_clarification=options.allow_clarification,
        max_attempts=options.max_attempts,
        timeout_seconds=options.timeout_seconds,
    )


def _role(reader: Reader) -> str:
    """Return the stem of the role prompt; a prompt that really has the alias for its name comes first."""
    name = reader.text("role")
    if name in ROLE_ALIASES and not reader.context.library.roles.find(name):
        return ROLE_ALIASES[name]
    return name


def _input(value: Any, path: str, context: Context) -> InputSite:
    name = value if isinstance(value, str) else ""
    if not isinstance(value, str) or not value.strip():
        context.found.error("SCHEMA", path, f"an input must be the name of a document, not {type_name(value)}")
    else:
        context.check_id(name, path, "the input")
    ref = InputRef(doc_type=name or None, scope=ROOT_SCOPE)
    return InputSite(ref=ref, path=path, scope_path=path)


def _output(reader: Reader, draft: Draft) -> tuple[str, str]:
    """Read the one output of a step and declare its document type."""
    context, path = draft.context, reader.place("outputs")
    outputs = reader.texts("outputs")
    if not outputs:
        if reader.raw("outputs") in (None, []):
            context.found.error("SCHEMA", path, "a step must have an output")
        reader.raw("output_schema")
        return "", path
    if len(outputs) > 1:
        context.found.error("TOO_MANY_OUTPUTS", path, f"a step produces one document, not {len(outputs)}")
    name = outputs[0]
    context.check_id(name, f"{path}[0]", "the output")
    schema = _schema(reader, context, name)
    if name not in draft.document_types or schema is not None:
        _declare(draft, name, path, schema)
    return name, f"{path}[0]"


def _schema(reader: Reader, context: Context, output: str) -> dict[str, Any] | None:
    path = reader.place("output_schema")
    stem = reader.text("output_schema", required=False)
    if stem and not context.library.schemas.find(stem):
        context.found.warning("MISSING_SCHEMA", path, context.library.schemas.missing(stem) + "; any object will do")
        stem = ""
    return schema_file(context, stem or output, path)


def _declare(draft: Draft, name: str, path: str, schema: dict[str, Any] | None = None) -> None:
    """Declare a document type that a flat file only names."""
    title = readable(name)
    value = DocumentType(
        type_id=name,
        name=title,
        scope=ROOT_SCOPE,
        schema=generated_schema(title, None, ()) if schema is None else schema,
        is_generated_schema=schema is None,
    )
    draft.document_types[name] = DraftType(value=value, path=path, schema_path=path)


def _declare_inputs(draft: Draft) -> None:
    """Declare what no step produces: a brief may give it."""
    for site in draft.sites:
        for entry in site.inputs:
            if entry.ref.doc_type and entry.ref.doc_type not in draft.document_types:
                _declare(draft, entry.ref.doc_type, entry.path)
