"""What a reviewer compares a version with, and what became of the comments on the one before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import User

from documents.diff import Change, Comparison, compare, follow
from documents.models import Document, DocumentStatus
from documents.rendering import Arranger, Node, pointer_keys, value_at
from documents.schema_view import SchemaView
from executions.models import Decision, Gate

MOST_VERSIONS = 50
MOST_COMMENTS = 60
_SETTLED = (DocumentStatus.ACCEPTED.value, DocumentStatus.FINAL.value)
_NUMBER = re.compile("[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """One version to compare with, and what it is called by in the address."""

    key: str
    label: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One comment on the base version beside what became of its place in the new one."""

    by: str
    is_mine: bool
    path: str
    text: str
    fate: str
    changes: tuple[Change, ...] = ()
    now: Node | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The view of what changed since ``base``."""

    base: Base
    comparison: Comparison
    counts: str
    remarks: tuple[Remark, ...]
    reasons: tuple[Decision, ...]
    more_remarks: int


def bases_for(gate: Gate, history: Sequence[Decision], user: User) -> list[Base]:
    """Return what the version at ``gate`` can be compared with, the most useful first, each version by its number
    too. Without what is in them."""
    if gate.document_version is None or gate.document_version < 2:
        return []
    series = Document.objects.filter(
        scope_type=gate.scope_type, scope_id=gate.scope_id, document_type=gate.document_type
    )
    older = series.filter(version__lt=gate.document_version).order_by("-version").defer("content", "summary")
    versions = list(older[:MOST_VERSIONS])
    mine = {decision.document_id for decision in history if decision.user_id == user.pk}
    named = [
        ("mine", "your last review", next((each for each in versions if each.pk in mine), None)),
        ("previous", "the version before", versions[0] if versions else None),
        ("accepted", "the last accepted", next((each for each in versions if each.status in _SETTLED), None)),
    ]
    found = [Base(key=key, label=f"v{each.version}, {label}", document=each) for key, label, each in named if each]
    found += [Base(key=str(each.version), label=f"v{each.version}", document=each) for each in versions]
    return found


def chosen_base(bases: Sequence[Base], asked: str, gate: Gate) -> Base | None:
    """Return the base that the address asks for, else the most useful one."""
    found = next((base for base in bases if base.key == asked), None)
    if found is None and _NUMBER.fullmatch(asked) and int(asked) < (gate.document_version or 0):
        found = _older_than_listed(gate, int(asked))
    return found or (bases[0] if bases else None)


def changes_since(
    base: Base, document: Document, schema: Mapping[str, Any], history: Sequence[Decision], user: User
) -> Changes:
    """Compare two versions, and follow the comments on the old one."""
    old, new = base.document.content, document.content
    comparison = compare(old, new, schema)
    said = [decision for decision in history if decision.document_id == base.document.pk]
    # One's own first: that is what one looks for.
    said.sort(key=lambda decision: decision.user_id != user.pk)
    comments = [(decision, comment) for decision in said for comment in decision.comments]
    remarks = (_remark(decision, comment, old, new, schema, user) for decision, comment in comments[:MOST_COMMENTS])
    return Changes(
        base=base,
        comparison=comparison,
        counts=_in_words(comparison.counts()),
        remarks=tuple(remarks),
        reasons=tuple(decision for decision in said if decision.comment),
        more_remarks=max(len(comments) - MOST_COMMENTS, 0),
    )


def _older_than_listed(gate: Gate, version: int) -> Base | None:
    found = Document.objects.filter(
        scope_type=gate.scope_type, scope_id=gate.scope_id, document_type=gate.document_type, version=version
    ).first()
    return Base(key=str(version), label=f"v{version}", document=found) if found is not None else None


def _remark(
    decision: Decision, comment: Mapping[str, str], old: Any, new: Any, schema: Mapping[str, Any], user: User
) -> Remark:
    path = comment.get("path", "")
    is_mine = decision.user_id == user.pk
    said = Remark(by=decision.by, is_mine=is_mine, path=path, text=comment.get("text", ""), fate="")
    if not path:
        return replace(said, fate="About the whole document: see all changes below.")
    try:
        before = value_at(old, path)
    except LookupError:
        return replace(said, fate="This place cannot be found any more.")
    where, view = follow(path, old, new), _view_at(schema, path)
    if where is None:
        return replace(said, fate="This place is gone.", now=Arranger().node(before, view, path, 0))
    after = value_at(new, where)
    found = compare(before, after)
    if found.is_same:
        fate = "Nothing changed here." if where == path else "The same, in another place."
        return replace(said, fate=fate, where=where, now=Arranger().node(after, view, where, 0))
    return replace(said, fate="Changed.", where=where, changes=found.changes)


def _view_at(schema: Mapping[str, Any], path: str) -> SchemaView:
    view = SchemaView.of(schema)
    for key in pointer_keys(path):
        view = view.item(int(key)) if key.isdecimal() and not view.properties else view.at(key)
    return view


def _in_words(counts: Mapping[str, int]) -> str:
    order = ("changed", "added", "removed", "moved")
    return ", ".join(f"{counts[kind]} {kind}" for kind in order if counts.get(kind)) or "nothing changed"
