"""The tree of scopes: reading it, and who is whose ancestor."""

from __future__ import annotations

from workflows.definition import Scope
from workflows.formats.reading import Context, Reader, shown
from workflows.problems import child

MAX_SCOPES = 100


class ScopeTree:
    """The declared scopes. Every question has an answer, also where the tree is broken."""

    def __init__(self, parents: dict[str, str | None]) -> None:
        self._parents = parents

    def __contains__(self, name: str) -> bool:
        return name in self._parents

    def parent(self, name: str) -> str | None:
        """Return the parent; ``None`` for a root and for what is not declared."""
        return self._parents.get(name)

    def is_root(self, name: str) -> bool:
        return name in self._parents and self._parents[name] is None

    def roots(self) -> list[str]:
        """Return the scopes without a parent, in file order."""
        return [name for name, parent in self._parents.items() if parent is None]

    def is_ancestor(self, name: str, of: str) -> bool:
        """Say whether ``name`` stands above ``of``."""
        seen = {of}
        current = self.parent(of)
        while current is not None and current not in seen:
            if current == name:
                return True
            seen.add(current)
            current = self.parent(current)
        return False

    def cycles(self) -> list[list[str]]:
        """Return each ring of scopes once."""
        rings: list[list[str]] = []
        done: set[str] = set()
        for start in self._parents:
            trail: list[str] = []
            current: str | None = start
            while current is not None and current in self._parents and current not in done and current not in trail:
                trail.append(current)
                current = self._parents[current]
            if current in trail:
                rings.append(trail[trail.index(current) :])
            done.update(trail)
        return rings

    def declared(self) -> dict[str, Scope]:
        return {name: Scope(name=name, parent=parent) for name, parent in self._parents.items()}


def read_scopes(file: Reader) -> ScopeTree:
    """Read ``scopes`` and check that they are one tree."""
    reader = file.object("scopes")
    if reader is None:
        return ScopeTree({})
    context = reader.context
    if len(reader.items()) > MAX_SCOPES:
        context.found.error("OUT_OF_RANGE", reader.path, f"a workflow has at most {MAX_SCOPES} scopes")
        return ScopeTree({})
    tree = ScopeTree({name: _parent(name, value, path, context) for name, value, path in reader.items()})
    for name, _, path in reader.items():
        parent = tree.parent(name)
        if parent and parent not in tree:
            context.found.error("UNKNOWN_SCOPE", child(path, "parent"), f"the scope {shown(parent)} is not declared")
    for ring in tree.cycles():
        path = child(child(reader.path, ring[0]), "parent")
        context.found.error("SCOPE_CYCLE", path, "scopes are each other's ancestors: " + " > ".join([*ring, ring[0]]))
    _check_roots(tree, reader)
    return tree


def _parent(name: str, value: object, path: str, context: Context) -> str | None:
    """Return the parent's name, ``None`` for a root, an empty text where the file does not tell."""
    context.check_id(name, path, "the scope")
    reader = Reader.of(value, path, context, "a scope")
    if reader is None:
        return ""
    # `parent: null` is how a root says that it is one; leaving the key out is more likely a mistake.
    is_root = reader.is_null("parent")
    parent = reader.text("parent", required=not is_root)
    reader.finish()
    return None if is_root else parent


def _check_roots(tree: ScopeTree, reader: Reader) -> None:
    roots = tree.roots()
    if not roots:
        reader.context.found.error("NO_ROOT_SCOPE", reader.path, "no scope has parent null")
    for name in roots[1:]:
        reader.context.found.error(
            "SEVERAL_ROOT_SCOPES",
            child(child(reader.path, name), "parent"),
            f"{shown(name)} has no parent either; executions live in {shown(roots[0])}",
        )
