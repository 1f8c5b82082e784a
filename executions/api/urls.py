"""Routes of executions, gates, documents, projects and webhooks, below ``/api/v1/``.

Ids are texts here: what is no id is answered like an id that does not exist, by the view that knows of what.
"""

from __future__ import annotations

from django.urls import URLPattern, path

from executions.api.views.commands import (
    AnswerClarification,
    CancelExecution,
    DecideAcceptance,
    RetryExecution,
    StartExecution,
)
from executions.api.views.documents import DocumentByScope, DocumentDetail, DocumentList, DocumentVersions
from executions.api.views.executions import ExecutionDetail, ExecutionEvents, ExecutionList, ExecutionSteps
from executions.api.views.gates import GateDetail, GateList
from executions.api.views.projects import ProjectDetail, ProjectList
from executions.api.views.streams import ExecutionStream
from executions.api.views.webhooks import (
    DeliveryDetail,
    DeliveryList,
    Redeliver,
    RotateSecret,
    SendTest,
    WebhookDetail,
    WebhookList,
)

_SERIES = "documents/by-scope/<str:scope_type>/<str:scope_id>/<str:document_type>"
_DELIVERY = "webhooks/<str:webhook_id>/deliveries/<str:delivery_id>"

urlpatterns: list[URLPattern] = [
    path("workflows/<str:workflow_id>/start", StartExecution.as_view(), name="workflow-start"),
    path("executions", ExecutionList.as_view(), name="executions"),
    path("executions/<str:execution_id>", ExecutionDetail.as_view(), name="execution"),
    path("executions/<str:execution_id>/cancel", CancelExecution.as_view(), name="execution-cancel"),
    path("executions/<str:execution_id>/retry", RetryExecution.as_view(), name="execution-retry"),
    path("executions/<str:execution_id>/acceptance", DecideAcceptance.as_view(), name="execution-acceptance"),
    path("executions/<str:execution_id>/clarification", AnswerClarification.as_view(), name="execution-clarification"),
    path("executions/<str:execution_id>/events", ExecutionEvents.as_view(), name="execution-events"),
    path("executions/<str:execution_id>/steps", ExecutionSteps.as_view(), name="execution-steps"),
    path("executions/<str:execution_id>/stream", ExecutionStream.as_view(), name="execution-stream"),
    path("gates", GateList.as_view(), name="gates"),
    path("gates/<str:gate_id>", GateDetail.as_view(), name="gate"),
    path("documents", DocumentList.as_view(), name="documents"),
    path(_SERIES, DocumentByScope.as_view(), name="document-by-scope"),
    path(f"{_SERIES}/versions", DocumentVersions.as_view(), name="document-versions"),
    path("documents/<str:document_id>", DocumentDetail.as_view(), name="document"),
    path("projects", ProjectList.as_view(), name="projects"),
    path("projects/<str:project_id>", ProjectDetail.as_view(), name="project"),
    path("webhooks", WebhookList.as_view(), name="webhooks"),
    path("webhooks/<str:webhook_id>", WebhookDetail.as_view(), name="webhook"),
    path("webhooks/<str:webhook_id>/rotate-secret", RotateSecret.as_view(), name="webhook-rotate-secret"),
    path("webhooks/<str:webhook_id>/test", SendTest.as_view(), name="webhook-test"),
    path("webhooks/<str:webhook_id>/deliveries", DeliveryList.as_view(), name="webhook-deliveries"),
    path(_DELIVERY, DeliveryDetail.as_view(), name="webhook-delivery"),
    path(f"{_DELIVERY}/redeliver", Redeliver.as_view(), name="webhook-redeliver"),
]
