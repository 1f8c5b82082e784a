"""What becomes of an execution, read from its events: rows by key, cheap enough for ten times a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from documents import database
from executions.engine.state import TERMINAL, ExecutionStatus

_PAGE = 500

_STATE = """
SELECT status, last_seq, cost_usd, budget_usd, started_at, completed_at, error_code, error_detail, clock_timestamp()
  FROM executions_execution WHERE id = %s
"""

_EVENTS = f"""
SELECT v.seq, v.event_type, v.step_id, v.path, v.timestamp, v.data, COALESCE(d.title, '')
  FROM executions_event v
  LEFT JOIN documents_document d ON v.event_type = 'document_created' AND d.id = (v.data->>'document_id')::uuid
 WHERE v.execution_id = %s AND v.seq > %s ORDER BY v.seq LIMIT {_PAGE}
"""  # noqa: S608 - static text

_COUNTS = """
SELECT count(*) FILTER (WHERE status = 'completed'), count(*)
  FROM executions_step WHERE execution_id = %s AND NOT is_iteration
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event. ``title`` is that of the document which it tells of."""

    execution_id: UUID
    seq: int
    event_type: str
    step_id: str
    path: str
    timestamp: datetime
    data: Mapping[str, Any]
    title: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the event as the API's streams show it."""
        return {
            "event_type": self.event_type,
            "execution_id": str(self.execution_id),
            "seq": self.seq,
            "step_id": self.step_id or None,
            "path": self.path or None,
            "timestamp": instant(self.timestamp),
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an execution stands. ``now`` is the database's clock, by which it was started."""

    status: ExecutionStatus
    last_seq: int
    cost_usd: Decimal
    budget_usd: Decimal | None
    started_at: datetime
    completed_at: datetime | None
    error_code: str
    error_detail: str
    now: datetime
    completed_count: int = 0
    step_count: int = 0

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_waiting(self) -> bool:
        return self.status in (ExecutionStatus.WAITING_CLARIFICATION, ExecutionStatus.WAITING_ACCEPTANCE)

    @property
    def elapsed(self) -> float:
        return ((self.completed_at or self.now) - self.started_at).total_seconds()


class Feed:
    """Reads one execution: what is new, and where it stands."""

    def __init__(self, execution_id: UUID) -> None:
        self.execution_id = execution_id
        self.seq = 0
        self._counts = (0, 0)

    def poll(self) -> tuple[list[Happening], Standing]:
        """Return the events since the last call, and a standing that includes nothing beyond them.

        The standing is read first, so that its end is never seen before the events that led to it.
        """
        state, rows = database.query_together((_STATE, (self.execution_id,)), (_EVENTS, (self.execution_id, self.seq)))
        happenings = [self._happening(row) for row in rows]
        while len(rows) == _PAGE:
            rows = database.rows(_EVENTS, (self.execution_id, happenings[-1].seq))
            happenings += [self._happening(row) for row in rows]
        if happenings:
            self.seq = happenings[-1].seq
            (self._counts,) = database.rows(_COUNTS, (self.execution_id,))
        return happenings, self._standing(state[0])

    def stands_still(self, standing: Standing) -> bool:
        """Whether the execution is still where ``standing`` says, so that nothing was decided meanwhile."""
        state = database.rows(_STATE, (self.execution_id,))
        return (state[0][0], state[0][1]) == (standing.status.value, standing.last_seq)

    def _happening(self, row: tuple[Any, ...]) -> Happening:
        seq, event_type, step_id, path, timestamp, data, title = row
        return Happening(
            execution_id=self.execution_id,
            seq=seq,
            event_type=event_type,
            step_id=step_id,
            path=path,
            timestamp=timestamp,
            data=data,
            title=title,
        )

    def _standing(self, row: tuple[Any, ...]) -> Standing:
        status, last_seq, cost, budget, started_at, completed_at, error_code, error_detail, now = row
        completed_count, step_count = self._counts
        return Standing(
            status=ExecutionStatus(status),
            last_seq=last_seq,
            cost_usd=cost,
            budget_usd=budget,
            started_at=started_at,
            completed_at=completed_at,
            error_code=error_code,
            error_detail=error_detail,
            now=now,
            completed_count=completed_count,
            step_count=step_count,
        )


def instant(moment: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
