"""The rows of the engine. Only fields, constraints and the querysets that read them."""

from executions.models.attempt import Attempt, AttemptStatus, CallStatus, LLMCall
from executions.models.execution import Event, EventType, Execution, ExecutionStatus, Step, StepStatus
from executions.models.gate import Decision, DecisionChannel, DecisionKind, Gate, GateKind, GateStatus
from executions.models.idempotency import IdempotencyKey
from executions.models.project import Project
from executions.models.webhooks import DeliveryStatus, Webhook, WebhookAttempt, WebhookDelivery, WebhookRelay

__all__ = [
    "Attempt",
    "AttemptStatus",
    "CallStatus",
    "Decision",
    "DecisionChannel",
    "DecisionKind",
    "DeliveryStatus",
    "Event",
    "EventType",
    "Execution",
    "ExecutionStatus",
    "Gate",
    "GateKind",
    "GateStatus",
    "IdempotencyKey",
    "LLMCall",
    "Project",
    "Step",
    "StepStatus",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookRelay",
]
