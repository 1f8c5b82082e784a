"""Checks of a workflow as a whole: scopes, the reference rule, who produces what a step needs."""

from __future__ import annotations

from workflows.formats.draft import Draft, InputSite, Iteration, Site
from workflows.formats.reading import shown
from workflows.problems import child


def check_draft(draft: Draft) -> None:
    """Note everything that only shows when the steps are seen together."""
    _check_step_ids(draft)
    _check_unused_ownership(draft)
    for index, site in enumerate(draft.sites):
        if site.iterates is None:
            _check_production(draft, index, site)
        else:
            _check_iteration(draft, index, site, site.iterates)
    _check_producers(draft)


def _check_step_ids(draft: Draft) -> None:
    first: dict[str, str] = {}
    for site in draft.sites:
        if site.step_id and site.step_id in first:
            draft.context.found.error(
                "DUPLICATE_STEP_ID", site.id_path, f"{shown(site.step_id)} is already the id of {first[site.step_id]}"
            )
        first.setdefault(site.step_id, site.path)


def _check_unused_ownership(draft: Draft) -> None:
    iterated = {site.iterates.doc_type for site in draft.sites if site.iterates}
    for type_id, row in draft.document_types.items():
        if row.value.may_own and not row.value.collection_field and type_id not in iterated:
            draft.context.found.warning(
                "MISSING_COLLECTION_FIELD",
                child(row.path, "collection_field"),
                f"{shown(type_id)} may own entities but names no collection_field; nothing iterates over it",
            )


def _check_production(draft: Draft, index: int, site: Site) -> None:
    found = draft.context.found
    if _is_declared_scope(draft, site.scope, site.scope_path):
        _check_level(draft, site, "a step")
    if site.produces and site.produces not in draft.document_types:
        found.error(
            "UNKNOWN_DOCUMENT_TYPE", site.produces_path, f"the document type {shown(site.produces)} is not declared"
        )
    declared = draft.scope_of(site.produces)
    if declared and site.scope and declared != site.scope:
        found.error(
            "SCOPE_MISMATCH",
            site.produces_path,
            f"{shown(site.produces)} lives in scope {shown(declared)}, the step in {shown(site.scope)}",
        )
    for entry in site.inputs:
        if entry.ref.entity_type:
            _check_item(draft, site, entry)
        elif entry.ref.doc_type:
            _check_document(draft, index, site, entry)


def _check_level(draft: Draft, site: Site, what: str) -> None:
    """A step lives in the scope of the iteration around it, or in the root."""
    around = site.around[-1].scope if site.around else next(iter(draft.scopes.roots()), "")
    if around and around in draft.scopes and site.scope != around:
        where = "the iteration around it" if site.around else "the root scope"
        draft.context.found.error(
            "SCOPE_MISMATCH", site.scope_path, f"{what} here must have scope {shown(around)}, that of {where}"
        )


def _check_iteration(draft: Draft, index: int, site: Site, iteration: Iteration) -> None:
    found = draft.context.found
    doc_path, entity_path = child(site.iterates_path, "doc_type"), child(site.iterates_path, "entity_type")
    is_declared = _is_declared_scope(draft, site.scope, site.scope_path)
    enclosing = site.around[-1].scope if site.around else next(iter(draft.scopes.roots()), "")
    if is_declared and enclosing in draft.scopes and draft.scopes.parent(site.scope) != enclosing:
        found.error(
            "SCOPE_MISMATCH",
            site.scope_path,
            f"the scope {shown(site.scope)} does not lie directly below {shown(enclosing)}, where the iteration runs",
        )
    _check_entity(draft, site, iteration, entity_path)
    if not iteration.doc_type:
        return
    if iteration.doc_type not in draft.document_types:
        found.error("UNKNOWN_DOCUMENT_TYPE", doc_path, f"the document type {shown(iteration.doc_type)} is not declared")
        return
    declared = draft.scope_of(iteration.doc_type)
    is_known = declared in draft.scopes and enclosing in draft.scopes
    if is_known and declared != enclosing and not draft.scopes.is_ancestor(declared, of=enclosing):
        found.error(
            "FORBIDDEN_REFERENCE",
            doc_path,
            f"an iteration in scope {shown(enclosing)} cannot run over a document of scope {shown(declared)}",
        )
        return
    _check_is_produced(draft, index, site, iteration.doc_type, doc_path, is_required=True)


def _check_entity(draft: Draft, site: Site, iteration: Iteration, path: str) -> None:
    found = draft.context.found
    if not iteration.entity_type:
        return
    entity = draft.entity_types.get(iteration.entity_type)
    if entity is None:
        found.error("UNKNOWN_ENTITY_TYPE", path, f"the entity type {shown(iteration.entity_type)} is not declared")
        return
    if entity.creates_scope and site.scope and entity.creates_scope != site.scope:
        found.error(
            "SCOPE_MISMATCH",
            site.scope_path,
            f"{shown(entity.type_id)} creates scope {shown(entity.creates_scope)}, not {shown(site.scope)}",
        )
    row = draft.document_types.get(iteration.doc_type)
    if row is not None and (entity.type_id not in row.value.may_own or entity.parent_doc_type != iteration.doc_type):
        found.warning(
            "NOT_OWNED",
            path,
            f"{shown(iteration.doc_type)} does not own {shown(entity.type_id)}: see its may_own"
            " and the entity type's parent_doc_type",
        )


def _check_item(draft: Draft, site: Site, entry: InputSite) -> None:
    """An input that is the item of an iteration around the step."""
    found = draft.context.found
    name = entry.ref.entity_type or ""
    entity = draft.entity_types.get(name)
    if entity is None:
        found.error("UNKNOWN_ENTITY_TYPE", entry.path, f"the entity type {shown(name)} is not declared")
    is_declared = _is_declared_scope(draft, entry.ref.scope, entry.scope_path)
    if entity is None:
        return
    if is_declared and entity.creates_scope and entity.creates_scope != entry.ref.scope:
        found.error(
            "SCOPE_MISMATCH",
            entry.scope_path,
            f"{shown(name)} lives in scope {shown(entity.creates_scope)}, not in {shown(entry.ref.scope)}",
        )
    if _is_reachable(draft, site, entry, is_declared) and all(
        iteration.entity_type != name for iteration in site.around
    ):
        found.error("INPUT_NOT_PRODUCED", entry.path, f"no iteration around this step runs over {shown(name)}")


def _check_document(draft: Draft, index: int, site: Site, entry: InputSite) -> None:
    """An input that is a document."""
    found = draft.context.found
    name = entry.ref.doc_type or ""
    declared = draft.scope_of(name)
    is_declared = _is_declared_scope(draft, entry.ref.scope, entry.scope_path)
    if name not in draft.document_types:
        found.error("UNKNOWN_DOCUMENT_TYPE", entry.path, f"the document type {shown(name)} is not declared")
    elif is_declared and declared and declared != entry.ref.scope:
        found.error(
            "SCOPE_MISMATCH",
            entry.scope_path,
            f"{shown(name)} lives in scope {shown(declared)}, not in {shown(entry.ref.scope)}",
        )
    if _is_reachable(draft, site, entry, is_declared) and name in draft.document_types:
        _check_is_produced(draft, index, site, name, entry.path, is_required=entry.ref.required)


def _is_reachable(draft: Draft, site: Site, entry: InputSite, is_declared: bool) -> bool:
    """Apply the reference rule: ancestors yes; the same scope with context or at the root; nothing else."""
    scopes, target = draft.scopes, entry.ref.scope
    if not is_declared or site.scope not in scopes or scopes.is_ancestor(target, of=site.scope):
        return True
    if target == site.scope:
        if entry.ref.context or scopes.is_root(target):
            return True
        detail = f"a step may only read its own scope {shown(target)} with context: true"
    elif scopes.is_ancestor(site.scope, of=target):
        detail = f"the scope {shown(target)} lies below the step's scope {shown(site.scope)}"
    else:
        detail = f"the scope {shown(target)} is another branch than the step's scope {shown(site.scope)}"
    draft.context.found.error("FORBIDDEN_REFERENCE", entry.scope_path, detail)
    return False


def _check_is_produced(draft: Draft, index: int, site: Site, name: str, path: str, *, is_required: bool) -> None:
    found = draft.context.found
    producers = draft.producers(name)
    if any(place < index and _sees(site, producer) for place, producer in producers):
        return
    note = found.error if is_required else found.warning
    if producers:
        place, producer = producers[0]
        if place == index:
            note("INPUT_NOT_PRODUCED", path, f"the step would need {shown(name)}, which it produces itself")
        elif place > index:
            note("INPUT_NOT_PRODUCED", path, f"only a later step ({producer.step_id}) produces {shown(name)}")
        else:
            note("INPUT_NOT_PRODUCED", path, f"{shown(name)} is produced in another iteration ({producer.step_id})")
    elif draft.scopes.is_root(draft.scope_of(name)):
        found.warning("INPUT_NOT_PRODUCED", path, f"no step produces {shown(name)}: it must come from the brief")
    else:
        note("INPUT_NOT_PRODUCED", path, f"no step produces {shown(name)}")


def _sees(site: Site, producer: Site) -> bool:
    """Say whether a producer runs over the same items as the step, as far as it iterates at all."""
    return producer.collections == site.collections[: len(producer.collections)]


def _check_producers(draft: Draft) -> None:
    produced = dict.fromkeys(site.produces for site in draft.sites)
    read = {entry.ref.doc_type for site in draft.sites for entry in site.inputs}
    read |= {site.iterates.doc_type for site in draft.sites if site.iterates}
    for name in produced:
        for _, site in draft.producers(name)[1:]:
            _, first = draft.producers(name)[0]
            if name in read:
                detail = f"{first.step_id} produces {shown(name)} too, and a step reads it: which one is meant?"
                draft.context.found.error("DUPLICATE_PRODUCER", site.produces_path, detail)
            else:
                detail = f"{first.step_id} produces {shown(name)} too: each makes a new version"
                draft.context.found.warning("DUPLICATE_PRODUCER", site.produces_path, detail)


def _is_declared_scope(draft: Draft, name: str, path: str) -> bool:
    if name and name not in draft.scopes:
        draft.context.found.error("UNKNOWN_SCOPE", path, f"the scope {shown(name)} is not declared")
    return name in draft.scopes
