"""Format A, ``workflow.v1``: scopes, document types, entity types and nested steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from workflows.definition import Definition, DocumentType, EntityType
from workflows.formats.checks import check_draft
from workflows.formats.doc_schemas import check_collection, generated_schema, schema_file, schema_from
from workflows.formats.draft import Draft, DraftType
from workflows.formats.policies import read_acceptance
from workflows.formats.reading import Context, Reader, shown
from workflows.formats.scopes import read_scopes
from workflows.formats.v1_steps import read_steps
from workflows.problems import child

SCHEMA_VERSION = "workflow.v1"


def parse(value: Any, context: Context) -> Definition | None:
    """Return the definition in a ``workflow.v1`` file; what is wrong with it is in ``context.found``."""
    file = Reader.of(value, "$", context, "a workflow")
    if file is None:
        return None
    if file.text("schema_version") not in ("", SCHEMA_VERSION):
        context.found.error("SCHEMA", "$.schema_version", f"schema_version must be {SCHEMA_VERSION!r}")
    workflow_id = file.identifier("workflow_id")
    revision = file.text("revision")
    effective_date = _date(file)
    name = file.text("name")
    description = file.text("description", required=False)
    draft = Draft(context=context, scopes=read_scopes(file))
    _read_document_types(file, draft)
    _read_entity_types(file, draft)
    _check_ownership(draft)
    draft.steps = list(read_steps(file, draft))
    file.finish()
    check_draft(draft)
    _add_schemas(draft)
    if context.found.has_errors:
        return None
    return Definition(
        workflow_id=workflow_id,
        name=name,
        revision=revision,
        format="workflow.v1",
        scopes=draft.scopes.declared(),
        document_types={type_id: row.value for type_id, row in draft.document_types.items()},
        entity_types=draft.entity_types,
        steps=tuple(draft.steps),
        description=description,
        effective_date=effective_date,
        metadata={"unknown_keys": context.leftovers} if context.leftovers else {},
    )


def _date(file: Reader) -> str | None:
    text = file.text("effective_date")
    if not text:
        return None
    try:
        # fromisoformat also takes week dates and dates without dashes
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    file.context.found.error("BAD_DATE", "$.effective_date", f"expected a date such as 2026-01-31, not {shown(text)}")
    return None


def _read_document_types(file: Reader, draft: Draft) -> None:
    types = file.object("document_types")
    if types is None:
        return
    if not types.items():
        draft.context.found.error("SCHEMA", types.path, "document_types must not be empty")
    for type_id, value, path in types.items():
        draft.context.check_id(type_id, path, "the document type")
        reader = Reader.of(value, path, draft.context, "a document type")
        if reader is None:
            empty = DocumentType(type_id=type_id, name="", scope="")
            draft.document_types[type_id] = DraftType(value=empty, path=path, schema_path=path)
        else:
            draft.document_types[type_id] = _document_type(type_id, reader, draft)


def _document_type(type_id: str, reader: Reader, draft: Draft) -> DraftType:
    context = draft.context
    value = DocumentType(
        type_id=type_id,
        name=reader.text("name"),
        scope=_scope(reader, "scope", draft),
        may_own=reader.texts("may_own"),
        collection_field=reader.text("collection_field", required=False) or None,
        acceptance=read_acceptance(reader),
        description=reader.text("description", required=False),
    )
    schema_path = reader.place("schema")
    demanded = reader.raw("schema")
    if demanded is None:
        schema = schema_file(context, type_id, reader.path)
    else:
        schema = schema_from(context, demanded, schema_path)
    reader.finish()
    return DraftType(
        value=value,
        path=reader.path,
        schema_path=reader.path if demanded is None else schema_path,
        schema=schema,
    )


def _read_entity_types(file: Reader, draft: Draft) -> None:
    types = file.object("entity_types")
    for type_id, value, path in types.items() if types else []:
        draft.context.check_id(type_id, path, "the entity type")
        reader = Reader.of(value, path, draft.context, "an entity type")
        if reader is None:
            draft.entity_types[type_id] = EntityType(type_id=type_id, name="", parent_doc_type="", creates_scope="")
            continue
        entity = EntityType(
            type_id=type_id,
            name=reader.text("name"),
            parent_doc_type=reader.text("parent_doc_type"),
            creates_scope=_scope(reader, "creates_scope", draft),
        )
        draft.entity_types[type_id] = entity
        _check_entity(entity, reader, draft)
        reader.finish()


def _scope(reader: Reader, key: str, draft: Draft) -> str:
    name = reader.text(key)
    if name and name not in draft.scopes:
        draft.context.found.error("UNKNOWN_SCOPE", reader.place(key), f"the scope {shown(name)} is not declared")
    return name


def _check_entity(entity: EntityType, reader: Reader, draft: Draft) -> None:
    found = draft.context.found
    parent, scope = entity.parent_doc_type, entity.creates_scope
    if parent and parent not in draft.document_types:
        path = reader.place("parent_doc_type")
        found.error("UNKNOWN_DOCUMENT_TYPE", path, f"the document type {shown(parent)} is not declared")
    if draft.scopes.is_root(scope):
        path = reader.place("creates_scope")
        found.error("SCOPE_MISMATCH", path, f"an item cannot create the root scope {shown(scope)}")
    elif scope in draft.scopes and draft.scope_of(parent) not in ("", draft.scopes.parent(scope)):
        # Legal as long as nothing iterates here: files declare entity types ahead of their steps.
        found.warning(
            "SCOPE_MISMATCH",
            reader.place("creates_scope"),
            f"the scope {shown(scope)} does not lie directly below {shown(draft.scope_of(parent))},"
            f" the scope of {shown(parent)}",
        )


def _check_ownership(draft: Draft) -> None:
    found = draft.context.found
    for row in draft.document_types.values():
        for index, entity_type in enumerate(row.value.may_own):
            if entity_type not in draft.entity_types:
                path = child(child(row.path, "may_own"), index)
                found.error("UNKNOWN_ENTITY_TYPE", path, f"the entity type {shown(entity_type)} is not declared")


def _add_schemas(draft: Draft) -> None:
    """Give each document type its schema, and check that it describes the collection that is iterated over."""
    iterated = {site.iterates.doc_type: site.iterates for site in draft.sites if site.iterates}
    for type_id, row in draft.document_types.items():
        field = row.value.collection_field
        if row.schema is None:
            owned = {entity.type_id for entity in draft.entity_types.values() if entity.parent_doc_type == type_id}
            if type_id in iterated:
                owned.add(iterated[type_id].entity_type)
            schema = generated_schema(row.value.name, field, owned | set(row.value.may_own))
            row.value = replace(row.value, schema=schema, is_generated_schema=True)
        else:
            row.value = replace(row.value, schema=row.schema)
            if type_id in iterated and field:
                check_collection(draft.context, row.schema, field, row.schema_path)
