"""The rows of the engine. Only fields, constraints and the querysets that read them."""

from executions.models.attempt import Attempt, AttemptStatus, CallStatus, LLMCall
from executions.models.audit import AuditAct, AuditEntry, AuditOutcome, AuditSeal
from executions.models.budget import Budget, BudgetAccount, BudgetEntry, BudgetPeriod, BudgetWarning
from executions.models.deputies import Deputy
from executions.models.desk import GateAssignment, GateClaim, GateDraft
from executions.models.execution import Event, EventType, Execution, ExecutionStatus, Step, StepStatus
from executions.models.gate import Decision, DecisionChannel, DecisionKind, Gate, GateKind, GateStatus
from executions.models.idempotency import IdempotencyKey
from executions.models.notices import GateNotice, MailWish, NoticeKind, NoticePreference, NoticeStatus
from executions.models.project import Project
from executions.models.webhooks import DeliveryStatus, Webhook, WebhookAttempt, WebhookDelivery, WebhookRelay

__all__ = [
    "Attempt",
    "AttemptStatus",
    "AuditAct",
    "AuditEntry",
    "AuditOutcome",
    "AuditSeal",
    "Budget",
    "BudgetAccount",
    "BudgetEntry",
    "BudgetPeriod",
    "BudgetWarning",
    "CallStatus",
    "Decision",
    "DecisionChannel",
    "DecisionKind",
    "DeliveryStatus",
    "Deputy",
    "Event",
    "EventType",
    "Execution",
    "ExecutionStatus",
    "Gate",
    "GateAssignment",
    "GateClaim",
    "GateDraft",
    "GateKind",
    "GateNotice",
    "GateStatus",
    "IdempotencyKey",
    "LLMCall",
    "MailWish",
    "NoticeKind",
    "NoticePreference",
    "NoticeStatus",
    "Project",
    "Step",
    "StepStatus",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookRelay",
]
