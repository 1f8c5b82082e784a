"""Places where a test can kill a process: the only way to know that a crash there loses nothing.

``COMBINE_FAULTPOINTS`` is a list ``name=kill``, ``name=kill@n`` (at the n-th time) or ``name=kill:path`` (when it is
about the step of that path), separated by commas. ``raise`` instead of ``kill`` fails there as when the database's
answer is lost: after a commit, all is stored and nobody was told. Without the variable :func:`reach` does nothing. In
production it is refused.
"""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass

from django.db import OperationalError

NAMES = frozenset(
    {
        "attempt_committed",
        "before_send",
        "first_text",
        "answer_booked",
        "inside_transaction",
        "after_commit",
        "answer_kept",
        "answer_committed",
    }
)

_reached: Counter[str] = Counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """When to ``kill`` or ``raise``: at the ``count``-th time, or at the step of ``path``."""

    action: str
    count: int = 1
    path: str = ""


def _parse(text: str) -> dict[str, _Fault]:
    points = {}
    for entry in filter(None, text.split(",")):
        name, _, action = entry.partition("=")
        match = re.fullmatch(r"(?P<action>kill|raise)(?:@(?P<count>[1-9][0-9]*)|:(?P<path>.+))?", action)
        if name not in NAMES or match is None:
            raise ValueError(f"COMBINE_FAULTPOINTS: {entry!r} is not name=kill[@n|:path] with one of {sorted(NAMES)}")
        points[name] = _Fault(action=match["action"], count=int(match["count"] or 1), path=match["path"] or "")
    return points


_points = {} if os.environ.get("COMBINE_ENV") == "production" else _parse(os.environ.get("COMBINE_FAULTPOINTS", ""))


def reach(name: str, path: str = "") -> None:
    """Die here, as by kill -9, if a test asked for it. ``path`` is the step that this is about, where one is known.

    :raises OperationalError: where a test asked for that.
    """
    if not _points or name not in _points:
        return
    fault = _points[name]
    if fault.path and fault.path != path:
        return
    _reached[name] += 1
    if _reached[name] != fault.count:
        return
    if fault.action == "raise":
        raise OperationalError(f"fault point {name}: the answer was lost")
    os.kill(os.getpid(), signal.SIGKILL)


def is_active() -> bool:
    """Whether a test asked for any fault."""
    return bool(_points)
