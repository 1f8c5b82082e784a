"""What a caller asks to hold at the moment of a change, such as that nobody has changed anything since they looked."""

from __future__ import annotations

from collections.abc import Callable

# Called once the lock is held, so that what it looks at stays as it is; what it raises refuses the change.
Precondition = Callable[[], None]


def check(precondition: Precondition | None) -> None:
    """Check it, if there is one, under the lock that the caller holds."""
    if precondition is not None:
        precondition()
