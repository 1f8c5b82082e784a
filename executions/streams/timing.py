"""How long streams wait for what. One value, so that tests need not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """In seconds.

    ``keepalive``: silence after which a comment is sent, so that proxies and dead connections notice.
    ``send``: a client that takes nothing for so long is too slow.
    ``lifetime``: no stream is for ever; a process that is to be emptied gets rid of it in the end.
    ``poll``: how often every history is looked at, whatever was heard.
    ``look``: how often a credential is looked at again.
    """

    keepalive: float = 15.0
    send: float = 30.0
    lifetime: float = 12 * 3600.0
    poll: float = 1.5
    look: float = 60.0
