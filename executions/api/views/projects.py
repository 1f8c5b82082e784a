"""Projects, and who may see what is in them."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api.bodies import ProjectBody, ProjectChangeBody
from executions.api.fields import parse_body
from executions.api.idempotency import IdempotentPosts
from executions.api.operations import projects as operations
from executions.api.serializers import ProjectSerializer, present
from executions.api.views.callers import caller, project_name
from executions.exceptions import ProjectNotFound
from executions.models import Project
from executions.services.projects import Members, change_project, create_project


class ProjectList(IdempotentPosts, GenericAPIView[Project]):
    orderings = {"created_at": ("created_at", "id")}
    default_ordering = "-created_at"

    @operations.LIST
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(_shown(Project.objects.visible_to(caller(request)))) or []
        return self.get_paginated_response(present(ProjectSerializer, page))

    @operations.CREATE
    def post(self, request: Request) -> Response:
        body = parse_body(request, ProjectBody)
        project = create_project(
            actor=caller(request),
            project_id=body["project_id"],
            name=body.get("name", ""),
            members=Members(**body.get("members", {})),
            at=timezone.now(),
        )
        location = request.build_absolute_uri(reverse("project", args=[project.pk]))
        return Response(_body(project.pk), status=status.HTTP_201_CREATED, headers={"Location": location})


class ProjectDetail(APIView):
    @operations.GET
    def get(self, request: Request, project_id: str) -> Response:
        found = _shown(Project.objects.visible_to(caller(request))).filter(pk=project_name(project_id)).first()
        if found is None:
            raise ProjectNotFound(project_id)
        return Response(ProjectSerializer(found).data)

    @operations.CHANGE
    def patch(self, request: Request, project_id: str) -> Response:
        body = parse_body(request, ProjectChangeBody)
        project = change_project(
            actor=caller(request),
            project_id=project_name(project_id),
            name=body.get("name"),
            members=Members(**body.get("members", {})),
        )
        return Response(_body(project.pk))


def _shown(rows: QuerySet[Project]) -> QuerySet[Project]:
    return rows.select_related("created_by").prefetch_related("users", "groups")


def _body(project_id: str) -> dict[str, object]:
    """Return a project as it is now. Whoever has just changed it sees it, also without being a member."""
    return dict(ProjectSerializer(_shown(Project.objects.all()).get(pk=project_id)).data)
