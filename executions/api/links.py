"""Paths on this server, many to a page: each route is looked up once, not once for each row."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from django.urls import get_script_prefix, reverse

_NOBODY = str(UUID(int=0))


def path_of(route: str, key: UUID) -> str:
    """Return the path of what a UUID names."""
    return _path(route, _NOBODY, get_script_prefix()).replace(_NOBODY, str(key))


def path_named(route: str, name: str) -> str:
    """Return the path of what a name names, of which there are few."""
    return _path(route, name, get_script_prefix())


def path_to(route: str) -> str:
    """Return the path of what needs no name."""
    return _path(route, None, get_script_prefix())


@lru_cache(maxsize=2000)
def _path(route: str, name: str | None, prefix: str) -> str:
    # The prefix is that of the request; ``reverse`` puts it in front.
    return reverse(route, args=[] if name is None else [name])
