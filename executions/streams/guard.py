"""Who is watching may lose the right to: tokens expire, people log out, projects get members.

Every credential is looked at again once a minute, for all of its streams together, and at once when somebody's access
has changed (``executions.notifications.publish_access_change``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial

from executions.api.views.streams import Credential
from executions.streams import readers
from executions.streams.feeds import Ending, Watcher
from executions.streams.readers import Readers

_TICK_SECONDS = 1.0


class Guard:
    """Ends the streams of those who may have them no more."""

    def __init__(self, pool: Readers, seconds: float) -> None:
        self._readers = pool
        self._seconds = seconds
        self._watchers: dict[Credential, set[Watcher]] = {}
        self._due: dict[Credential, float] = {}
        self._now = asyncio.Event()

    def add(self, watcher: Watcher) -> None:
        credential = watcher.opening.credential
        self._watchers.setdefault(credential, set()).add(watcher)
        self._due.setdefault(credential, asyncio.get_running_loop().time() + self._seconds)

    def remove(self, watcher: Watcher) -> None:
        credential = watcher.opening.credential
        watchers = self._watchers[credential]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[credential], self._due[credential]

    def look_now(self, user_ids: Collection[int] | None) -> None:
        """Look at the credentials of some accounts, or (None) at all, without delay."""
        for credential in self._due:
            if user_ids is None or credential.user_id in user_ids:
                self._due[credential] = 0.0
        self._now.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(min(_TICK_SECONDS, self._seconds)):
                    await self._now.wait()
            except TimeoutError:
                pass
            self._now.clear()
            now = loop.time()
            for credential in [each for each, due in self._due.items() if due <= now]:
                await self._look(credential)

    async def _look(self, credential: Credential) -> None:
        if credential not in self._due:
            return
        # Before looking: what changes meanwhile must be looked at again.
        self._due[credential] = asyncio.get_running_loop().time() + self._seconds
        watched = {watcher.opening.execution_id for watcher in self._watchers[credential]}
        try:
            visible = await self._readers.run_in_turn(partial(readers.still_visible, credential, watched))
        except Exception:
            self._due[credential] = 0.0
            raise
        for watcher in list(self._watchers.get(credential, ())):
            if visible is None:
                watcher.end(Ending.SIGNED_OUT)
            elif watcher.opening.execution_id in watched - visible:
                watcher.end(Ending.NOT_VISIBLE)
