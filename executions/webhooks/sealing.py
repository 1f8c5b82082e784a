"""Secrets at rest. Signing needs the secret itself, so it is kept, but not so that a dump of the database has it.

The key is derived from Django's ``SECRET_KEY``, which is not in the database. While that is changed, the old one
belongs into ``SECRET_KEY_FALLBACKS``, as for sessions.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


class SecretUnreadable(Exception):
    """The secret was encrypted under another ``SECRET_KEY``."""


def seal(secret: str) -> str:
    """Return a secret as it is stored."""
    return _fernet().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return a stored secret. :raises SecretUnreadable: it was stored under a key that is gone."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def _fernet() -> MultiFernet:
    return _derived((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _derived(keys: tuple[str, ...]) -> MultiFernet:
    def derive(key: str) -> Fernet:
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"combine webhook secrets")
        return Fernet(base64.urlsafe_b64encode(derivation.derive(force_bytes(key))))

    return MultiFernet([derive(key) for key in keys])
