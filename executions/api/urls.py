"""Routes of executions, gates, documents and projects, below ``/api/v1/``.

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

_SERIES = "documents/by-scope/<str:scope_type>/<str:scope_id>/<str:document_type>"

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
    path("gates", GateList.as_view(), name="gates"),
    path("gates/<str:gate_id>", GateDetail.as_view(), name="gate"),
    path("documents", DocumentList.as_view(), name="documents"),
    path(_SERIES, DocumentByScope.as_view(), name="document-by-scope"),
    path(f"{_SERIES}/versions", DocumentVersions.as_view(), name="document-versions"),
    path("documents/<str:document_id>", DocumentDetail.as_view(), name="document"),
    path("projects", ProjectList.as_view(), name="projects"),
    path("projects/<str:project_id>", ProjectDetail.as_view(), name="project"),
]
