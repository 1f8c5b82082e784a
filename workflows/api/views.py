"""Workflows: what can be started, and what its steps will produce."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows.api import operations
from workflows.api.exceptions import StepNotFound
from workflows.api.serializers import WorkflowDetailSerializer, WorkflowSerializer
from workflows.definition import ProductionStep
from workflows.exceptions import WorkflowNotFound
from workflows.models import Workflow, WorkflowRevision
from workflows.problems import printable
from workflows.services import current_revision


class WorkflowList(GenericAPIView[Workflow]):
    orderings = {"workflow_id": ("workflow_id",)}
    default_ordering = "workflow_id"

    @operations.LIST
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(_visible_workflows(cast(User, request.user))) or []
        shape = WorkflowSerializer()
        return self.get_paginated_response([shape.to_representation(each.current_revision) for each in page])


class WorkflowDetail(APIView):
    @operations.GET
    def get(self, request: Request, workflow_id: str) -> Response:
        return Response(WorkflowDetailSerializer(_visible_revision(request, workflow_id)).data)


class StepSchema(APIView):
    """The JSON Schema of the document that a step produces, at whatever depth the step stands."""

    @operations.STEP_SCHEMA
    def get(self, request: Request, workflow_id: str, step_id: str) -> Response:
        definition = _visible_revision(request, workflow_id).parsed()
        step = definition.step(step_id)
        if step is None:
            raise StepNotFound(f"The workflow {workflow_id} has no step {printable(step_id, 120)!r}.")
        if not isinstance(step, ProductionStep):
            raise StepNotFound(f"The step {step_id} is an iteration: the steps inside it have schemas.")
        return Response(definition.document_types[step.produces].schema)


def _visible_workflows(user: User) -> QuerySet[Workflow]:
    """Return all workflows for everybody with a role, and none for an account without."""
    rows = Workflow.objects.select_related("current_revision").defer(
        "current_revision__definition", "current_revision__warnings"
    )
    return rows if user.is_superuser or user.groups.exists() else rows.none()


def _visible_revision(request: Request, workflow_id: str) -> WorkflowRevision:
    user = cast(User, request.user)
    if not (user.is_superuser or user.groups.exists()):
        raise WorkflowNotFound(workflow_id)
    return current_revision(workflow_id)
