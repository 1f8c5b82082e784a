"""Where an answer leads: OpenAPI links, from what a call returns to the calls that take it."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]

_EXECUTION = "$response.body#/execution_id"
_OF_AN_EXECUTION = (
    "getExecution", "cancelExecution", "retryExecution", "decideAcceptance", "answerClarification",
    "listExecutionEvents", "listExecutionSteps", "streamExecution", "getExecutionCosts",
)  # fmt: skip
_FIRST_EXECUTION = "$response.body#/results/0/execution_id"
_OF_A_WEBHOOK = (
    "getWebhook", "changeWebhook", "deleteWebhook", "rotateWebhookSecret", "testWebhook", "listWebhookDeliveries",
)  # fmt: skip
_OF_A_DELIVERY = ("getWebhookDelivery", "redeliverWebhookDelivery")
_DELIVERY = {"webhook_id": "$response.body#/webhook_id", "delivery_id": "$response.body#/delivery_id"}
_SERIES = ("scope_type", "scope_id", "document_type")

# Operation: (status, {linked operation: {parameter: expression}}).
LINKS: dict[str, tuple[str, dict[str, dict[str, str]]]] = {
    "startExecution": (
        "201",
        {name: {"execution_id": _EXECUTION} for name in _OF_AN_EXECUTION}
        | {"getProject": {"project_id": "$response.body#/project_id"}},
    ),
    "getExecution": (
        "200",
        {name: {"execution_id": _EXECUTION} for name in _OF_AN_EXECUTION if name != "getExecution"}
        | {"getWorkflow": {"workflow_id": "$response.body#/workflow_id"}},
    ),
    "listExecutions": ("200", {name: {"execution_id": _FIRST_EXECUTION} for name in _OF_AN_EXECUTION}),
    "listWorkflows": (
        "200",
        {
            "getWorkflow": {"workflow_id": "$response.body#/results/0/workflow_id"},
            "startExecution": {"workflow_id": "$response.body#/results/0/workflow_id"},
        },
    ),
    "getWorkflow": (
        "200",
        {
            "startExecution": {"workflow_id": "$response.body#/workflow_id"},
            "getWorkflowStats": {"workflow_id": "$response.body#/workflow_id"},
            "getStepSchema": {
                "workflow_id": "$response.body#/workflow_id",
                "step_id": "$response.body#/steps/0/step_id",
            },
        },
    ),
    "listGates": ("200", {"getGate": {"gate_id": "$response.body#/results/0/gate_id"}}),
    "getGate": ("200", {"getExecution": {"execution_id": _EXECUTION}}),
    "listDocuments": (
        "200",
        {
            "getDocument": {"document_id": "$response.body#/results/0/document_id"},
            "getDocumentByScope": {name: f"$response.body#/results/0/{name}" for name in _SERIES},
        },
    ),
    "getDocument": (
        "200",
        {
            "getDocumentByScope": {name: f"$response.body#/{name}" for name in _SERIES},
            "listDocumentVersions": {name: f"$response.body#/{name}" for name in _SERIES},
        },
    ),
    "listProjects": ("200", {"getProject": {"project_id": "$response.body#/results/0/project_id"}}),
    "listWebhooks": ("200", {name: {"webhook_id": "$response.body#/results/0/webhook_id"} for name in _OF_A_WEBHOOK}),
    "createWebhook": ("201", {name: {"webhook_id": "$response.body#/webhook_id"} for name in _OF_A_WEBHOOK}),
    "testWebhook": ("201", dict.fromkeys(_OF_A_DELIVERY, _DELIVERY)),
    "listWebhookDeliveries": (
        "200",
        {
            name: {key: f"$response.body#/results/0/{key}" for key in ("webhook_id", "delivery_id")}
            for name in _OF_A_DELIVERY
        },
    ),
    "createProject": (
        "201",
        {name: {"project_id": "$response.body#/project_id"} for name in ("getProject", "changeProject")},
    ),
}


def add_to(operation: JSON) -> None:
    """Add the links of an operation to the answer that they start from."""
    status, targets = LINKS.get(operation["operationId"], ("", {}))
    if targets:
        operation["responses"][status]["links"] = {
            name: {"operationId": name, "parameters": parameters} for name, parameters in targets.items()
        }
