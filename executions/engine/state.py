"""Statuses and the moves between them. Pure values: the models mirror them, a test compares both.

``completed`` and ``cancelled`` are final; ``failed`` is left only by an explicit retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ExecutionStatus(StrEnum):
    """``running`` while anything can go on without a person; ``waiting_*`` only when nothing can."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING_CLARIFICATION = "waiting_clarification"
    WAITING_ACCEPTANCE = "waiting_acceptance"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """A step is ``completed`` only when its document is accepted, where acceptance is required."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING_CLARIFICATION = "waiting_clarification"
    WAITING_ACCEPTANCE = "waiting_acceptance"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"  # its token was no longer the step's: the result was dropped, the cost kept


class CallStatus(StrEnum):
    IN_FLIGHT = "in_flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # its worker died; what it used is estimated


class GateKind(StrEnum):
    CLARIFICATION = "clarification"
    ACCEPTANCE = "acceptance"


class GateStatus(StrEnum):
    OPEN = "open"
    DECIDED = "decided"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class RetryReason(StrEnum):
    """Why a step is tried again; ``released`` (a worker that stopped in order) counts against nothing."""

    OUTPUT_INVALID = "output_invalid"
    PROVIDER_ERROR = "provider_error"
    WORKER_LOST = "worker_lost"
    REWORK = "rework"


class ErrorCode(StrEnum):
    """Codes of a failed step, and so of a failed execution."""

    OUTPUT_INVALID = "OUTPUT_INVALID"
    OUTPUT_TRUNCATED = "OUTPUT_TRUNCATED"
    OUTPUT_TOO_LARGE = "OUTPUT_TOO_LARGE"
    MODEL_REFUSED = "MODEL_REFUSED"
    DOCUMENT_REJECTED = "DOCUMENT_REJECTED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    INPUT_MISSING = "INPUT_MISSING"
    COLLECTION_TOO_LARGE = "COLLECTION_TOO_LARGE"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    PROVIDER_QUOTA = "PROVIDER_QUOTA"
    PROVIDER_AUTH = "PROVIDER_AUTH"
    STEP_TIMEOUT = "STEP_TIMEOUT"
    STEP_CRASHED = "STEP_CRASHED"
    GATE_EXPIRED = "GATE_EXPIRED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


_E = ExecutionStatus
_S = StepStatus

EXECUTION_TRANSITIONS: Mapping[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _E.PENDING: frozenset({_E.RUNNING, _E.COMPLETED, _E.FAILED, _E.CANCELLED}),
    _E.RUNNING: frozenset(
        {_E.WAITING_CLARIFICATION, _E.WAITING_ACCEPTANCE, _E.COMPLETED, _E.FAILED, _E.CANCELLED},
    ),
    _E.WAITING_CLARIFICATION: frozenset({_E.RUNNING, _E.WAITING_ACCEPTANCE, _E.COMPLETED, _E.FAILED, _E.CANCELLED}),
    _E.WAITING_ACCEPTANCE: frozenset({_E.RUNNING, _E.WAITING_CLARIFICATION, _E.COMPLETED, _E.FAILED, _E.CANCELLED}),
    _E.FAILED: frozenset({_E.RUNNING, _E.WAITING_CLARIFICATION, _E.WAITING_ACCEPTANCE}),
    _E.COMPLETED: frozenset(),
    _E.CANCELLED: frozenset(),
}

STEP_TRANSITIONS: Mapping[StepStatus, frozenset[StepStatus]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset(
        {_S.PENDING, _S.WAITING_CLARIFICATION, _S.WAITING_ACCEPTANCE, _S.COMPLETED, _S.FAILED, _S.CANCELLED},
    ),
    _S.WAITING_CLARIFICATION: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.WAITING_ACCEPTANCE: frozenset({_S.RUNNING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.FAILED: frozenset({_S.PENDING}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset(),
}

TERMINAL = frozenset({_E.COMPLETED, _E.FAILED, _E.CANCELLED})
FINAL = frozenset({_E.COMPLETED, _E.CANCELLED})
ACTIVE = frozenset({_E.PENDING, _E.RUNNING})


class TransitionNotAllowed(Exception):
    """A move that the state machine does not know: a defect in the engine, never a user's mistake."""

    def __init__(self, kind: str, source: str, target: str) -> None:
        self.source = source
        self.target = target
        super().__init__(f"{kind}: no transition from {source} to {target}")


def check_execution_move(source: ExecutionStatus, target: ExecutionStatus) -> None:
    """:raises TransitionNotAllowed: unless the move is in :data:`EXECUTION_TRANSITIONS`."""
    if target not in EXECUTION_TRANSITIONS[source]:
        raise TransitionNotAllowed("execution", source, target)


def check_step_move(source: StepStatus, target: StepStatus) -> None:
    """:raises TransitionNotAllowed: unless the move is in :data:`STEP_TRANSITIONS`."""
    if target not in STEP_TRANSITIONS[source]:
        raise TransitionNotAllowed("step", source, target)
