"""The chain over the audit log: each entry's seal is a hash of the entry and of the seal before it.

Entries are written unsealed, so that nobody waits for anybody: a job seals them every minute, in the order of their
ids. An id is drawn before its transaction commits, so an entry may come to light below others that are there already.
Therefore only such entries are sealed below which nothing can come any more: whoever may still write one holds a lock
on the table, and is waited for. See docs/adr/0003-audit-log-sealed-behind-its-writers.md.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from documents import database
from documents.canonical import canonical_json

logger = logging.getLogger(__name__)

BATCH = 1_000
WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.02
# The hash that the first seal covers in the place of one before it.
ORIGIN = "0" * 64

# The sweeper's is 7209001, the relay's 7209002.
_LOCK = "SELECT pg_try_advisory_xact_lock(7209003)"

_NEWEST = "SELECT max(id) FROM executions_auditentry"

# Who writes holds this lock from before the id is drawn to the end of the transaction.
_WRITERS = """
SELECT virtualtransaction FROM pg_locks
 WHERE locktype = 'relation' AND relation = 'executions_auditentry'::regclass AND mode = 'RowExclusiveLock'
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""

_COLUMNS = (
    "id", "at", "act", "outcome", "user_id", "by", "channel", "address", "request_id", "project_id", "execution_id",
    "gate_id", "document_id", "document_version", "content_sha256", "subject", "before", "after", "detail",
)  # fmt: skip
_SELECTED = ", ".join(f"e.{name}" for name in _COLUMNS)

_LAST_SEAL = "SELECT entry_id, sha256 FROM executions_auditseal ORDER BY entry_id DESC LIMIT 1"

_UNSEALED = f"""
SELECT {_SELECTED} FROM executions_auditentry e WHERE e.id > %s AND e.id <= %s ORDER BY e.id LIMIT %s
"""  # noqa: S608 - static text

_SEAL = """
INSERT INTO executions_auditseal (entry_id, sha256, sealed_at)
SELECT entry_id, sha256, statement_timestamp() FROM json_to_recordset(%s) AS n (entry_id bigint, sha256 text)
"""

_ALL = f"""
SELECT COALESCE(e.id, s.entry_id), s.sha256, {_SELECTED}
  FROM executions_auditentry e FULL JOIN executions_auditseal s ON s.entry_id = e.id ORDER BY 1
"""  # noqa: S608 - static text


def seal() -> int:
    """Seal what can be sealed now; return how many entries that were.

    Outside a transaction: it waits for those that write. Several may try at once: one does it.
    """
    newest = database.rows(_NEWEST)[0][0]
    if newest is None or not _wait_for_writers():
        return 0
    count = 0
    while sealed := _seal_batch(newest):
        count += sealed
    return count


def _wait_for_writers() -> bool:
    """Wait for the end of every transaction that may still write an id below the newest; return whether it came."""
    waited_for = {row[0] for row in database.rows(_WRITERS)}
    deadline = time.monotonic() + WAIT_SECONDS
    while waited_for:
        if time.monotonic() > deadline:
            logger.warning("The audit log is sealed later: a transaction lasts long", extra={"action": "audit_waits"})
            return False
        time.sleep(_POLL_SECONDS)
        waited_for &= {row[0] for row in database.rows(_WRITERS)}
    return True


def _seal_batch(newest: int) -> int:
    with transaction.atomic():
        if not database.rows(_LOCK)[0][0]:
            return 0
        last, digest = next(iter(database.rows(_LAST_SEAL)), (0, ORIGIN))
        entries = database.rows(_UNSEALED, (last, newest, BATCH))
        seals = []
        for entry in entries:
            digest = _digest(digest, entry)
            seals.append({"entry_id": entry[0], "sha256": digest})
        if seals:
            database.execute(_SEAL, (database.json_rows(seals),))
    if seals:
        # Kept wherever logs are kept: with it a log that was cut off, or written anew, is found out.
        facts = {"action": "audit_sealed", "entry_id": seals[-1]["entry_id"], "sha256": digest}
        logger.info("The audit log was sealed", extra=facts)
    return len(seals)


def _digest(before: str, entry: Sequence[Any]) -> str:
    row = {name: _plain(value) for name, value in zip(_COLUMNS, entry, strict=True)}
    return hashlib.sha256(f"{before}\n{canonical_json(row)}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first entry at which the chain does not hold."""

    entry_id: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at the whole chain has brought. ``head`` is the last seal, ``unsealed`` what came after it."""

    sealed: int
    unsealed: int
    head_id: int
    head: str
    oldest_unsealed_at: datetime | None
    broken: Broken | None


def verify(known: Mapping[int, str] | None = None) -> Checked:
    """Check every entry and every seal, in order, as of one moment.

    ``known`` are seals by entry that somebody has kept elsewhere: they must still be there. Without one nobody can
    tell that the end of the log was cut off with its seals, or that the whole of it was written anew.
    """
    known = dict(known or {})
    head_id, head, sealed = 0, ORIGIN, 0
    pending: list[tuple[int, datetime]] = []
    broken = None
    for entry_id, digest, *entry in _rows():
        if entry[0] is None:
            broken = Broken(entry_id=entry_id, detail="was removed: its seal is there, the entry is not")
        elif digest is None:
            pending.append((entry_id, entry[1]))
            continue
        elif pending:
            broken = Broken(entry_id=pending[0][0], detail="has no seal, though later ones have: it was put in between")
        elif digest != _digest(head, entry):
            detail = "does not match its seal: it was changed, or what was before it was changed or removed"
            broken = Broken(entry_id=entry_id, detail=detail)
        elif known.pop(entry_id, digest) != digest:
            broken = Broken(entry_id=entry_id, detail="has another seal than the one that is known of it")
        if broken is not None:
            break
        head_id, head, sealed = entry_id, digest, sealed + 1
    if broken is None and known:
        detail = "has a known seal, and is not in the log: the end was cut off, or not all was sealed"
        broken = Broken(entry_id=min(known), detail=detail)
    return Checked(
        sealed=sealed,
        unsealed=len(pending),
        head_id=head_id,
        head=head,
        oldest_unsealed_at=pending[0][1] if pending else None,
        broken=broken,
    )


def _rows() -> Iterator[tuple[Any, ...]]:
    """Yield entries with their seals, from a cursor of the server's: a log is long. One statement sees one moment."""
    before, after = 2 + _COLUMNS.index("before"), 2 + _COLUMNS.index("after")
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_ALL)
        while rows := cursor.fetchmany(BATCH):
            for row in rows:
                values = list(row)
                for place in (before, after):  # Django's cursors hand out jsonb as text
                    values[place] = None if values[place] is None else json.loads(values[place])
                yield tuple(values)
