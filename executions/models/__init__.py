"""The rows of the engine. Only fields, constraints and the querysets that read them."""

from executions.models.attempt import Attempt, AttemptStatus, CallStatus, LLMCall
from executions.models.execution import Event, EventType, Execution, ExecutionStatus, Step, StepStatus
from executions.models.gate import Decision, DecisionChannel, DecisionKind, Gate, GateKind, GateStatus
from executions.models.project import Project

__all__ = [
    "Attempt",
    "AttemptStatus",
    "CallStatus",
    "Decision",
    "DecisionChannel",
    "DecisionKind",
    "Event",
    "EventType",
    "Execution",
    "ExecutionStatus",
    "Gate",
    "GateKind",
    "GateStatus",
    "LLMCall",
    "Project",
    "Step",
    "StepStatus",
]
