"""Definitions of this process, by digest. A digest never means anything else, so nothing ever goes stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache

from workflows.definition import JSON, Definition

CACHE_SIZE = 256


class _Source:
    """Where to get the JSON of a definition; no part of the cache's key."""

    def __init__(self, load: Callable[[], JSON]) -> None:
        self.load = load

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source)

    def __hash__(self) -> int:
        return 0


def parsed_definition(digest: str, load: Callable[[], JSON]) -> Definition:
    """Return the definition of that digest; ``load`` is only called where it is not at hand."""
    return _parsed(digest, _Source(load))


@lru_cache(maxsize=CACHE_SIZE)
def _parsed(digest: str, source: _Source) -> Definition:
    return Definition.from_json(source.load())


def digest_of(definition: Definition) -> str:
    """Return the lower-case hex SHA-256 of a definition's canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(definition.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
