"""How long to wait before a provider is tried again. Pure: the caller brings the random number."""

from __future__ import annotations

PROVIDER_RETRY_LIMIT = 6
_FIRST_SECONDS = 1.0
_CAP_SECONDS = 60.0
_RETRY_AFTER_CAP_SECONDS = 900.0


def provider_backoff(failures: int, *, retry_after: float | None, jitter: float) -> float:
    """Return seconds to wait after the ``failures``-th failure in a row (1, 2, ...).

    ``jitter`` is a number in [0, 1). What the provider asks for is honoured, up to 15 minutes, with a little
    more so that many waiting steps do not come back as one; else 1 s doubling to 60 s, half of it jitter.
    """
    if retry_after is not None:
        return min(max(retry_after, 0.0), _RETRY_AFTER_CAP_SECONDS) * (1 + 0.1 * jitter)
    ceiling = min(_FIRST_SECONDS * 2.0 ** (failures - 1), _CAP_SECONDS)
    return ceiling * (0.5 + 0.5 * jitter)
