"""What documents are called: names and order of their types, by the definitions that they were made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from documents.models import Document
from documents.rendering import visible
from executions.models import Execution
from workflows.definition import Definition, IterationStep
from workflows.models import WorkflowRevision

_HEADING_KEYS = ("title", "name", "label")
_MAX_HEADING = 100


class Definitions:
    """The definitions behind some documents, found with two statements, however many documents there are."""

    def __init__(self, documents: Iterable[Document]) -> None:
        executions = {document.execution_id for document in documents if document.execution_id is not None}
        self._revisions: dict[UUID, int] = dict(
            Execution.objects.filter(pk__in=executions).order_by().values_list("pk", "revision_id")
        )
        revisions = WorkflowRevision.objects.filter(pk__in=set(self._revisions.values()))
        revisions = revisions.defer("definition", "warnings").order_by()
        self._parsed: Mapping[int, Definition] = {revision.pk: revision.parsed() for revision in revisions}

    def of(self, document: Document) -> Definition | None:
        revision = self._revisions.get(document.execution_id) if document.execution_id is not None else None
        return self._parsed.get(revision) if revision is not None else None

    def type_name(self, document: Document) -> str:
        definition = self.of(document)
        return type_name(definition, document.document_type)

    def place(self, document: Document) -> int:
        """Return where the type of ``document`` stands in its definition."""
        definition = self.of(document)
        types = list(definition.document_types) if definition is not None else []
        return types.index(document.document_type) if document.document_type in types else len(types)

    def is_collection(self, document: Document) -> bool:
        definition = self.of(document)
        return definition is not None and bool(_collections(definition, document.document_type))

    def item_names(self, document: Document, content: Any) -> Iterator[tuple[str, str]]:
        """Yield id and heading of each item of a collection."""
        definition = self.of(document)
        if definition is None or not isinstance(content, dict):
            return
        for field, id_keys in _collections(definition, document.document_type):
            for item in content.get(field) or ():
                if isinstance(item, dict):
                    yield from named_item(item, id_keys)


def type_name(definition: Definition | None, document_type: str) -> str:
    """Return what a document type is called; one that is in no definition is called by its id."""
    found = definition.document_types.get(document_type) if definition is not None else None
    return found.name if found is not None else document_type


def _collections(definition: Definition, document_type: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the fields of a document type that are iterated over, each with the keys that may hold an item's id."""
    return [
        (step.collection_field, ("id", f"{step.entity_type}_id"))
        for step in definition.walk()
        if isinstance(step, IterationStep) and step.doc_type == document_type
    ]


def named_item(item: Mapping[str, Any], id_keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    key = next((item[name] for name in id_keys if isinstance(item.get(name), str | int)), None)
    heading = next((item[name] for name in _HEADING_KEYS if isinstance(item.get(name), str)), "")
    if key is not None:
        text = visible(heading)
        yield str(key), text if len(text) <= _MAX_HEADING else text[: _MAX_HEADING - 1] + "…"
