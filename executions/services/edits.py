"""Documents that people change themselves: a new version by a person, and its acceptance.

The version that was edited is sent back (its gate is closed by ``request_changes`` of the editor, who has made the
changes themselves), the new one gets a gate of its own, and the editor's acceptance there. So every vote is about the
version that was read: earlier acceptances of a quorum stay with the version that they were given to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from documents.canonical import NotStorable, canonical_json, normalise
from documents.edits import edited_by_hand
from documents.models import Document, DocumentStatus
from documents.services import NewDocument, StoredVersion, create_version
from executions import wakeups
from executions.engine.state import StepStatus
from executions.exceptions import FieldError, Invalid
from executions.llm.parsing import collection_findings, summary_of, title_of
from executions.models import AuditAct, DecisionChannel, DecisionKind, Gate, GateKind
from executions.services import audit
from executions.services.access import refusal
from executions.services.decisions import (
    MAX_COMMENT,
    Verdict,
    apply_decision,
    check_document,
    check_verdict,
    lock_open_gate,
    write_decision,
)
from executions.services.drafts import drop_draft
from executions.services.preconditions import Precondition
from executions.transitions import lifecycle
from executions.transitions.inputs import collection_rule
from executions.transitions.unit import Unit
from workflows.schemas import build_validator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_CONTENT_BYTES = 2_000_000
_MAX_PROBLEMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What became of an edit: the new version, the gate on it, and whether that gate is decided already.

    ``is_accepted`` is false where others must accept it too (a quorum) or instead (four eyes): ``gate_id`` is open.
    ``paths`` are the JSON Pointers, into the new version, of what was changed (what was removed: into the old one).
    """

    document_id: UUID
    version: int
    content_sha256: str
    gate_id: UUID
    is_accepted: bool
    paths: tuple[str, ...]


def edit_and_accept(
    *,
    actor: User,
    gate: Gate,
    content: Any,
    content_sha256: str,
    comment: str,
    channel: DecisionChannel,
    at: datetime,
    precondition: Precondition | None = None,
) -> Edited:
    """Store ``content`` as a new version by ``actor`` and accept it, in one transaction.

    ``content_sha256`` is the hash of the version that was edited: it must still be the gate's.

    :raises Invalid: the content does not fit the schema, cannot be stored, breaks the rule of its collection, or is
        what it was; each problem with its JSON Pointer below ``/content`` (``/comment`` for the comment).
    :raises StaleDocument: the gate is about another version. :raises AlreadyDecided: somebody was faster.
    :raises InvalidState: nothing waits there. :raises NotPermitted: not this person.
    """
    editor = _Editor(user=actor, comment=comment, channel=channel, at=at)
    about = audit.About(gate=gate)
    with (
        audit.refusals(act=AuditAct.GATE_EDIT, actor=actor, about=about, channel=channel, at=at),
        transaction.atomic(),
    ):
        unit, gate = lock_open_gate(gate, GateKind.ACCEPTANCE, actor, precondition)
        check_document(gate, Verdict(decision=DecisionKind.ACCEPT, content_sha256=content_sha256))
        edited = _carry_out(unit, gate, _checked(unit, gate, content, editor), editor)
        drop_draft(actor, gate)
        unit.flush()
        wakeups.tx_defer(gate.execution_id)
    return edited


@dataclass(frozen=True, slots=True, kw_only=True)
class _Editor:
    """Who edits, by which door and when, and what they say."""

    user: User
    comment: str
    channel: DecisionChannel
    at: datetime

    @property
    def accept(self) -> Verdict:
        return Verdict(decision=DecisionKind.ACCEPT, comment=self.comment)

    def record(self, act: AuditAct, gate: Gate, after: dict[str, Any] | None = None) -> None:
        audit.record(
            act=act,
            actor=self.user,
            about=audit.About(gate=gate),
            channel=self.channel,
            at=self.at,
            after=after,
            detail=self.comment,
        )


def _carry_out(unit: Unit, gate: Gate, draft: _Draft, editor: _Editor) -> Edited:
    """Store the version, put it in the place of the one at ``gate``, and cast the editor's vote for it."""
    stored, paths = _store(unit, gate, draft, editor.user)
    new_gate_id = _replace(unit, gate, stored, editor)
    unit.flush()
    new_gate = Gate.objects.select_related("execution").get(pk=new_gate_id)
    after = {"version": stored.version, "content_sha256": stored.content_sha256, "changed": list(paths)}
    editor.record(AuditAct.GATE_EDIT, gate, after)
    return Edited(
        document_id=stored.document_id,
        version=stored.version,
        content_sha256=stored.content_sha256,
        gate_id=new_gate_id,
        is_accepted=_vote(unit, new_gate, editor),
        paths=paths,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An edit that can be stored: the whole content, and the version that it was made of."""

    content: Any
    title: str
    summary: str
    source: Document


def _checked(unit: Unit, gate: Gate, content: Any, editor: _Editor) -> _Draft:
    """:raises Invalid: naming everything that is wrong, the comment too, so that nobody has to try twice."""
    definition = unit.layout.definition
    doc_type = definition.document_types[gate.document_type]
    assert gate.document_id is not None
    source = Document.objects.get(pk=gate.document_id)
    errors: list[FieldError] = []
    try:
        check_verdict(editor.accept)
    except Invalid as error:
        errors += error.errors
    normal, problems = _storable(content)
    if not problems:
        found = build_validator(doc_type.schema).problems(normal, _MAX_PROBLEMS)
        problems = [_error(each.path, each.code, each.detail) for each in found]
        rule = collection_rule(definition, gate.document_type)
        findings = collection_findings(normal, rule) if rule is not None else []
        problems += [_error(each.path, each.code, each.detail) for each in findings[:_MAX_PROBLEMS]]
        if not problems and canonical_json(normal) == canonical_json(source.content):
            detail = "is what it was: nothing was changed. Accept the version as it is, or change something."
            problems = [_error("", "UNCHANGED", detail)]
    if errors or problems:
        raise Invalid([*errors, *problems])
    return _Draft(content=normal, title=title_of(normal, doc_type), summary=summary_of(normal), source=source)


def _storable(content: Any) -> tuple[Any, list[FieldError]]:
    try:
        normal = normalise(content)
    except NotStorable as error:
        return None, [_error(each.path, each.code, each.detail) for each in error.problems]
    size = len(canonical_json(normal).encode())
    if size > MAX_CONTENT_BYTES:
        return None, [_error("", "TOO_LARGE", f"has {size:,} bytes; at most {MAX_CONTENT_BYTES:,} are taken")]
    return normal, []


def _error(path: str, code: str, detail: str) -> FieldError:
    return FieldError(path=f"/content{path}", code=code.upper(), detail=detail)


def _store(unit: Unit, gate: Gate, draft: _Draft, actor: User) -> tuple[StoredVersion, tuple[str, ...]]:
    """Store the version, with what the person changed in it; return that, too."""
    source = draft.source
    edits = edited_by_hand(
        source.content,
        draft.content,
        edits=source.edits,
        by=actor.get_username(),
        at=unit.now.isoformat(timespec="seconds"),
        from_version=source.version,
    )
    stored = create_version(
        NewDocument(
            project_id=source.project_id,
            scope_type=source.scope_type,
            scope_id=source.scope_id,
            document_type=source.document_type,
            status=DocumentStatus.IN_REVIEW,
            title=draft.title,
            summary=draft.summary,
            content=draft.content,
            created_at=unit.now,
            created_by=actor.get_username(),
            created_by_step=gate.path,
            execution_id=gate.execution_id,
            is_offline=source.is_offline,
            edits=edits,
        )
    )
    return stored, tuple(edits["changed"])


def _replace(unit: Unit, gate: Gate, stored: StoredVersion, editor: _Editor) -> UUID:
    """Send the version back that was edited, and open a gate on the new one."""
    words = f"Edited by hand, as version {stored.version}. {editor.comment}".strip()[:MAX_COMMENT]
    sent_back = Verdict(decision=DecisionKind.REQUEST_CHANGES, comment=words)
    write_decision(gate, editor.user, sent_back, editor.channel, editor.at)
    return lifecycle.edited(unit, unit.steps[gate.path], gate=gate, by=editor.user, comment=words, stored=stored)


def _vote(unit: Unit, gate: Gate, editor: _Editor) -> bool:
    """Cast the editor's vote for the version that they wrote, where they have one; return whether that decides."""
    if refusal(editor.user, gate) is not None:
        return False  # four eyes: somebody else has to read it
    decision = write_decision(gate, editor.user, editor.accept, editor.channel, editor.at)
    apply_decision(unit, gate, decision)
    editor.record(AuditAct.GATE_ACCEPT, gate)
    return unit.steps[gate.path].status is StepStatus.COMPLETED
