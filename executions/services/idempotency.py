"""Keys that clients give their requests, and the answers that are kept under them for a day.

The key is held by an advisory lock of the transaction that carries the request out, and the answer is written in that
transaction. So a process that dies in the middle leaves nothing behind: the key is free, and nothing was done. One that
dies after the commit leaves both, what was done and what is to be answered.

Answers hold what only their reader may see: parts of documents, secrets that are shown once. So a body is stored
encrypted, under a secret that is made of Django's ``SECRET_KEY``, which is not in the database, and of the client's
key, which is stored nowhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import connection
from django.utils.encoding import force_bytes
from psycopg.types.json import Jsonb

from documents import database

# Far more than any answer has in practice; an execution of ten thousand steps has half of it.
MAX_KEPT_BYTES = 4_000_000
REMOVE_BATCH = 1_000
_NONCE_BYTES = 12

_HOLD = "SELECT pg_try_advisory_xact_lock(%s)"

# A statement of its own, after the lock: it sees what was committed before the lock was given.
_FIND = """
SELECT fingerprint, http_status, headers, body, project_id FROM executions_idempotencykey
 WHERE digest = %s AND user_id = %s AND expires_at > statement_timestamp()
"""

# What is there under the same digest has expired, and has not been removed yet.
_KEEP = """
INSERT INTO executions_idempotencykey (digest, user_id, fingerprint, http_status, headers, body, project_id, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, statement_timestamp() + interval '24 hours')
ON CONFLICT (digest) DO UPDATE SET user_id = excluded.user_id, fingerprint = excluded.fingerprint,
    http_status = excluded.http_status, headers = excluded.headers, body = excluded.body,
    project_id = excluded.project_id, expires_at = excluded.expires_at
"""

# Materialized: a plan that ran the subquery once per row would take more than the limit.
_REMOVE = """
WITH expired AS MATERIALIZED (
    SELECT digest FROM executions_idempotencykey WHERE expires_at <= statement_timestamp()
     ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM executions_idempotencykey k USING expired WHERE k.digest = expired.digest
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with a key: whose it is, where it goes, and what it asks for (``fingerprint``)."""

    user_id: int
    method: str
    path: str
    key: str
    fingerprint: str

    @property
    def identity(self) -> bytes:
        return json.dumps([self.user_id, self.method, self.path, self.key]).encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.identity).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer as it was given the first time.

    ``body`` is None if it cannot be given again: it was too large, or ``SECRET_KEY`` has changed since.
    """

    fingerprint: str
    http_status: int
    headers: Mapping[str, str]
    body: bytes | None
    project_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Whether the key could be had, and what is kept under it."""

    is_held: bool
    kept: KeptAnswer | None


def hold_key(asked: Asked) -> Hold:
    """Hold a key until the caller's transaction ends, unless another request holds it; nobody waits."""
    if not connection.in_atomic_block:
        raise RuntimeError("a key is held only inside a transaction")
    number = int.from_bytes(bytes.fromhex(asked.digest[:16]), signed=True)
    [[is_held]], rows = database.query_together((_HOLD, (number,)), (_FIND, (asked.digest, asked.user_id)))
    if not is_held or not rows:
        return Hold(is_held=is_held, kept=None)
    fingerprint, http_status, headers, sealed, project_id = rows[0]
    kept = KeptAnswer(
        fingerprint=fingerprint,
        http_status=http_status,
        headers=headers,
        body=None if sealed is None else _unsealed(asked, sealed),
        project_id=project_id,
    )
    return Hold(is_held=True, kept=kept)


def keep_answer(asked: Asked, answer: KeptAnswer) -> None:
    """Keep an answer under a key that the caller's transaction holds."""
    body = answer.body
    sealed = None if body is None or len(body) > MAX_KEPT_BYTES else _sealed(asked, body)
    database.execute(
        _KEEP,
        (
            asked.digest,
            asked.user_id,
            answer.fingerprint,
            answer.http_status,
            Jsonb(dict(answer.headers)),
            sealed,
            answer.project_id,
        ),
    )


def remove_expired(limit: int = REMOVE_BATCH) -> int:
    """Remove up to ``limit`` answers whose day is over, and return how many there were."""
    return database.execute(_REMOVE, (limit,))


def _sealed(asked: Asked, body: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(asked, settings.SECRET_KEY).encrypt(nonce, zlib.compress(body), None)


def _unsealed(asked: Asked, sealed: bytes) -> bytes | None:
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return zlib.decompress(_cipher(asked, secret_key).decrypt(nonce, text, None))
        except InvalidTag:
            continue
    return None


def _cipher(asked: Asked, secret_key: str | bytes) -> AESGCM:
    info = b"combine kept answer " + asked.identity
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(force_bytes(secret_key)))
