"""Routes of workflows, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from workflows.api.views import StepSchema, WorkflowDetail, WorkflowList

urlpatterns: list[URLPattern] = [
    path("workflows", WorkflowList.as_view(), name="workflows"),
    path("workflows/<str:workflow_id>", WorkflowDetail.as_view(), name="workflow"),
    path("workflows/<str:workflow_id>/steps/<str:step_id>/schema", StepSchema.as_view(), name="workflow-step-schema"),
]
