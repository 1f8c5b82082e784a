"""The only writers of documents."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from documents import database
from documents.canonical import canonical_json, content_sha256
from documents.models import DocumentStatus

MAX_TITLE = 300

# Each statement sees what was committed before it began, so the lock must be one of its own.
_LOCK_SERIES = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

# The number of the new version is read from the one that is retired, which is therefore retired first.
_INSERT = """
WITH retired AS (
    UPDATE documents_document SET is_latest = false
     WHERE scope_type = %s AND scope_id = %s AND document_type = %s AND is_latest
    RETURNING version
)
INSERT INTO documents_document (id, project_id, scope_type, scope_id, document_type, version, is_latest, status, title,
    summary, content, content_sha256, created_at, created_by, created_by_step, execution_id, is_offline)
VALUES (%s, %s, %s, %s, %s, COALESCE((SELECT version FROM retired), 0) + 1, true, %s, %s, %s, %s, %s, %s, %s, %s, %s,
    %s)
RETURNING version
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    document_id: uuid.UUID
    version: int
    content_sha256: str


def create_version(new: NewDocument) -> StoredVersion:
    """Store the next version of its series, inside the caller's transaction.

    Versions are numbered 1..n without gaps: writers of one series wait for each other until they commit.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a version is created only inside a transaction, or its number could be used twice")
    series = (new.scope_type, new.scope_id, new.document_type)
    document_id = uuid.uuid4()
    digest = content_sha256(new.content)
    _, inserted = database.query_together(
        (_LOCK_SERIES, ("\x1f".join(series),)),
        (
            _INSERT,
            (
                *series,
                document_id,
                new.project_id,
                *series,
                new.status.value,
                new.title[:MAX_TITLE],
                new.summary,
                Jsonb(new.content, dumps=canonical_json),
                digest,
                new.created_at,
                new.created_by,
                new.created_by_step,
                new.execution_id,
                new.is_offline,
            ),
        ),
    )
    return StoredVersion(document_id=document_id, version=inserted[0][0], content_sha256=digest)


def set_status(document_id: uuid.UUID, status: DocumentStatus) -> None:
    """Record what people said of a version."""
    database.execute(_SET_STATUS, (status.value, document_id))
