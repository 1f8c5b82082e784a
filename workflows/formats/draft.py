"""A workflow as it stands in its file, with the paths that problems point to.

Both formats are read into a :class:`Draft`; ``workflows.formats.checks`` looks at it as a whole. Names that
the file leaves out are empty texts: what was reported once is not reported again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workflows.definition import DocumentType, EntityType, InputRef, Step
from workflows.formats.reading import JSON, Context
from workflows.formats.scopes import ScopeTree


@dataclass(slots=True, kw_only=True)
class DraftType:
    """A document type that has no schema yet, and what its file said about one."""

    value: DocumentType
    path: str
    schema_path: str
    schema: JSON | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One iteration around a step: what it runs over, in which scope."""

    doc_type: str
    collection_field: str
    entity_type: str
    scope: str

    @property
    def collection(self) -> tuple[str, str, str]:
        """What makes two iterations run over the same items."""
        return (self.doc_type, self.collection_field, self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSite:
    """An input and the paths of its name and of its scope."""

    ref: InputRef
    path: str
    scope_path: str


@dataclass(slots=True, kw_only=True)
class Site:
    """One step of the file, at whatever depth. ``around`` are the iterations it stands in, outermost first."""

    step_id: str
    path: str
    scope: str
    around: tuple[Iteration, ...]
    scope_path: str
    id_path: str
    produces: str = ""
    produces_path: str = ""
    inputs: tuple[InputSite, ...] = ()
    iterates: Iteration | None = None
    iterates_path: str = ""

    @property
    def collections(self) -> tuple[tuple[str, str, str], ...]:
        return tuple(iteration.collection for iteration in self.around)


@dataclass(slots=True, kw_only=True)
class Draft:
    """Everything that was read from one file."""

    context: Context
    scopes: ScopeTree
    document_types: dict[str, DraftType] = field(default_factory=dict)
    entity_types: dict[str, EntityType] = field(default_factory=dict)
    entity_paths: dict[str, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    _producers: dict[str, list[tuple[int, Site]]] = field(default_factory=dict)

    def add(self, site: Site) -> None:
        """Take the next step of the file."""
        if site.produces:
            self._producers.setdefault(site.produces, []).append((len(self.sites), site))
        self.sites.append(site)

    def scope_of(self, doc_type: str) -> str:
        """Return the declared scope of a document type, or an empty text."""
        draft = self.document_types.get(doc_type)
        return draft.value.scope if draft else ""

    def producers(self, doc_type: str) -> list[tuple[int, Site]]:
        """Return the steps that produce ``doc_type`` with their places in file order."""
        return self._producers.get(doc_type, [])
