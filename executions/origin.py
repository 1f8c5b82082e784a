"""Where what is done comes from: which door, which address, which request. Set by the door, read by the audit log.

A door of the web sets it for each request (see ``combine.origins``). What sets none is a command of the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from executions.services.audit import Entry

TERMINAL = "terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``refused`` holds the refusals that the door has to write when the transactions of its request are over.

    ``None``: there is no such door, so they are written where they happen. ``person`` finds out who asks, once the
    request knows that: for what is done without a service that is told.
    """

    channel: str = TERMINAL
    address: str = ""
    request_id: str = ""
    refused: list[Entry] | None = field(default=None, compare=False)
    person: Callable[[], User | None] = field(default=lambda: None, compare=False)


_current: ContextVar[Origin | None] = ContextVar("combine_origin", default=None)
_TERMINAL = Origin()


def current_origin() -> Origin:
    """Return where the work of this thread, or task, comes from."""
    return _current.get() or _TERMINAL


@contextmanager
def coming_from(origin: Origin) -> Iterator[Origin]:
    """Have everything inside come from ``origin``."""
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)
