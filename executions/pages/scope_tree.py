"""The documents of a project as a tree of scopes: what the project is divided into, and what there is of each part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from documents.models import Document
from executions.pages.definitions import Definitions

MOST_DOCUMENTS = 1000
MOST_COLLECTIONS = 100
# A tree that is longer than a screen or two begins folded.
MOST_OPEN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    document: Document
    name: str


@dataclass(slots=True, kw_only=True)
class Scope:
    """One part of a project. ``title`` is the heading of the item that it stands for, where that is known."""

    key: str
    type: str
    title: str = ""
    leaves: list[Leaf] = field(default_factory=list)
    children: list[Scope] = field(default_factory=list)
    is_open: bool = True

    @property
    def label(self) -> str:
        return self.key.rpartition(":")[2]

    @property
    def count(self) -> int:
        """Return how many documents there are in this scope and below."""
        return len(self.leaves) + sum(child.count for child in self.children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    root: Scope
    is_cut: bool


def tree_of(project_id: str) -> Tree:
    """Return the newest versions of all documents of a project, by scope."""
    rows = Document.objects.filter(project_id=project_id, is_latest=True).order_by("scope_id", "document_type")
    documents = list(rows.defer("content", "summary")[: MOST_DOCUMENTS + 1])
    shown = documents[:MOST_DOCUMENTS]
    definitions = Definitions(shown)
    scopes = {project_id: Scope(key=project_id, type="")}
    for document in sorted(shown, key=lambda row: (row.scope_id.count(":"), definitions.place(row))):
        scope = _scope(scopes, document.scope_id)
        scope.type = scope.type or document.scope_type
        scope.leaves.append(Leaf(document=document, name=definitions.type_name(document)))
    _name(scopes, shown, definitions)
    for scope in scopes.values():
        scope.children.sort(key=lambda child: _by_number(child.label))
        scope.is_open = len(scopes) <= MOST_OPEN or ":" not in scope.key
    return Tree(root=scopes[project_id], is_cut=len(documents) > MOST_DOCUMENTS)


def _by_number(label: str) -> list[tuple[int, str]]:
    """Return the key by which E2 comes before E10."""
    parts = re.split(r"(\d+)", label, flags=re.ASCII)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _scope(scopes: dict[str, Scope], key: str) -> Scope:
    """Return the scope of that id, made with all that are around it where it is new."""
    if key not in scopes:
        scopes[key] = Scope(key=key, type="")
        parent = key.rpartition(":")[0]
        if parent:
            _scope(scopes, parent).children.append(scopes[key])
    return scopes[key]


def _name(scopes: dict[str, Scope], documents: Sequence[Document], definitions: Definitions) -> None:
    """Name scopes after the items that they stand for."""
    collections = [document for document in documents if definitions.is_collection(document)][:MOST_COLLECTIONS]
    contents = dict(
        Document.objects.filter(pk__in=[row.pk for row in collections]).order_by().values_list("pk", "content")
    )
    for document in collections:
        for key, title in definitions.item_names(document, contents.get(document.pk)):
            scope = scopes.get(f"{document.scope_id}:{key}")
            if scope is not None:
                scope.title = scope.title or title
