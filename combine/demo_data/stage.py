"""Where the demo is played: things happen in the order of their times, and the database's clock goes with them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from random import Random

from django.contrib.auth.models import User
from django.db import connection

from combine.demo_data.clock import Clock
from combine.demo_data.metering import Meter
from workflows.models import WorkflowRevision

_NEW_WORKER = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s) RETURNING id"
_NO_WORKERS = "DELETE FROM procrastinate_workers WHERE id = ANY(%s)"


@dataclass
class Stage:
    """What all stories of the demo share. Nothing happens after ``until``, which is now."""

    clock: Clock
    rng: Random
    until: datetime
    people: dict[str, User]
    revisions: dict[str, WorkflowRevision]
    meter: Meter
    worker: int = 0
    doomed_worker: int = 0
    _due: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def hire_workers(self) -> None:
        """Register two workers with the queue. One of them has been dead all along, which nobody has noticed."""
        self.worker, self.doomed_worker = _register("now"), _register("-infinity")

    def dismiss_workers(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NO_WORKERS, [[self.worker, self.doomed_worker]])

    def machine(self, at: datetime, act: Callable[[], None]) -> None:
        """Have something done by itself: what has begun comes to its end, now at the latest."""
        heapq.heappush(self._due, (min(at, self.until), next(self._order), act))

    def person(self, at: datetime, act: Callable[[], None]) -> None:
        """Have somebody do something, unless they would only come later than now."""
        if at <= self.until:
            self.machine(at, act)

    def play(self) -> None:
        """Let everything happen, with what follows from it."""
        while self._due:
            at, _, act = heapq.heappop(self._due)
            self.clock.set(at)
            act()


def _register(heartbeat: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_NEW_WORKER, [heartbeat])
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])
