"""The only writers of documents."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from documents import database
from documents.canonical import content_sha256
from documents.models import DocumentStatus

MAX_TITLE = 300

# Each statement sees what was committed before it began, so the locks must be one of their own.
_LOCK_SERIES = "SELECT pg_advisory_xact_lock(hashtextextended(series, 0)) FROM unnest(%s::text[]) AS series"

# The number of a new version is read from the one that is retired, which is therefore retired first.
_INSERT = """
WITH new AS (
    SELECT * FROM json_to_recordset(%s) AS n (id uuid, project_id text, scope_type text, scope_id text,
        document_type text, status text, title text, summary text, content jsonb, content_sha256 text,
        created_at timestamptz, created_by text, created_by_step text, execution_id uuid, is_offline bool,
        edits jsonb)
), retired AS (
    UPDATE documents_document d SET is_latest = false FROM new
     WHERE d.scope_type = new.scope_type AND d.scope_id = new.scope_id AND d.document_type = new.document_type
       AND d.is_latest
    RETURNING d.scope_type, d.scope_id, d.document_type, d.version
)
INSERT INTO documents_document (id, project_id, scope_type, scope_id, document_type, version, is_latest, status, title,
    summary, content, content_sha256, created_at, created_by, created_by_step, execution_id, is_offline, edits)
SELECT id, project_id, scope_type, scope_id, document_type,
       COALESCE((SELECT r.version FROM retired r WHERE r.scope_type = new.scope_type AND r.scope_id = new.scope_id
                                                   AND r.document_type = new.document_type), 0) + 1,
       true, status, title, summary, content, content_sha256, created_at, created_by, created_by_step, execution_id,
       is_offline, edits
  FROM new
RETURNING id, version
"""

_SET_STATUS = "UPDATE documents_document SET status = %s WHERE id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """What a version is made of. ``content`` is normalised (see :mod:`documents.canonical`)."""

    project_id: str
    scope_type: str
    scope_id: str
    document_type: str
    status: DocumentStatus
    title: str
    summary: str
    content: Any
    created_at: datetime
    created_by: str
    created_by_step: str
    execution_id: uuid.UUID
    is_offline: bool = False
    edits: Mapping[str, Any] | None = None

    @property
    def series(self) -> tuple[str, str, str]:
        return (self.scope_type, self.scope_id, self.document_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    document_id: uuid.UUID
    version: int
    content_sha256: str


def create_version(new: NewDocument) -> StoredVersion:
    """Store the next version of its series, inside the caller's transaction."""
    return create_versions([new])[0]


def create_versions(documents: Sequence[NewDocument]) -> list[StoredVersion]:
    """Store the next version of each document's series, inside the caller's transaction.

    Versions are numbered 1..n without gaps: writers of one series wait for each other until they commit.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a version is created only inside a transaction, or its number could be used twice")
    rows = [_row(new) for new in documents]
    locks = sorted({"\x1f".join(new.series) for new in documents})
    _, *inserted = database.query_together(
        (_LOCK_SERIES, (locks,)),
        *((_INSERT, (database.json_rows(turn),)) for turn in _turns(documents, rows)),
    )
    versions = {document_id: version for turn in inserted for document_id, version in turn}
    return [
        StoredVersion(document_id=row["id"], version=versions[row["id"]], content_sha256=row["content_sha256"])
        for row in rows
    ]


def _turns(documents: Sequence[NewDocument], rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Part the rows so that no series is twice in a statement; nearly always into one."""
    turns: list[list[dict[str, Any]]] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for new, row in zip(documents, rows, strict=True):
        turn = seen[new.series]
        seen[new.series] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


def _row(new: NewDocument) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "project_id": new.project_id,
        "scope_type": new.scope_type,
        "scope_id": new.scope_id,
        "document_type": new.document_type,
        "status": new.status.value,
        "title": new.title[:MAX_TITLE],
        "summary": new.summary,
        "content": new.content,
        "content_sha256": content_sha256(new.content),
        "created_at": new.created_at,
        "created_by": new.created_by,
        "created_by_step": new.created_by_step,
        "execution_id": new.execution_id,
        "is_offline": new.is_offline,
        "edits": new.edits,
    }


def set_status(document_id: uuid.UUID, status: DocumentStatus) -> None:
    """Record what people said of a version."""
    database.execute(_SET_STATUS, (status.value, document_id))
