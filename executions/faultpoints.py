"""Places where a test can kill a worker: the only way to know that a crash there loses nothing.

``COMBINE_FAULTPOINTS`` is a list ``name=kill`` or ``name=kill@n`` (at the n-th time), separated by commas.
Without it :func:`reach` does nothing. In production it is refused.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

NAMES = frozenset(
    {"attempt_committed", "before_send", "first_text", "answer_booked", "inside_transaction", "after_commit"}
)

_reached: Counter[str] = Counter()


def _parse(text: str) -> dict[str, int]:
    points = {}
    for entry in filter(None, text.split(",")):
        name, _, action = entry.partition("=")
        act, _, count = action.partition("@")
        if name not in NAMES or act != "kill":
            raise ValueError(f"COMBINE_FAULTPOINTS: {entry!r} is not name=kill[@n] with one of {sorted(NAMES)}")
        points[name] = int(count or 1)
    return points


_points = {} if os.environ.get("COMBINE_ENV") == "production" else _parse(os.environ.get("COMBINE_FAULTPOINTS", ""))


def reach(name: str) -> None:
    """Die here, as by kill -9, if a test asked for it."""
    if not _points or name not in _points:
        return
    _reached[name] += 1
    if _reached[name] == _points[name]:
        os.kill(os.getpid(), signal.SIGKILL)


def is_active() -> bool:
    """Whether a test asked for any fault."""
    return bool(_points)
