"""Projects, and who may see what is in them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema

from executions.api.bodies import ProjectBody, ProjectChangeBody
from executions.api.operations import examples, parts
from executions.api.serializers import ProjectSerializer

TAGS = ["Projects"]

LIST = extend_schema(
    operation_id="listProjects",
    tags=TAGS,
    summary="List projects",
    description="The projects that the caller may see, newest first.",
    responses={200: parts.answer(ProjectSerializer(many=True), "A page of projects.", examples.PROJECT)},
)
CREATE = extend_schema(
    operation_id="createProject",
    tags=TAGS,
    summary="Make a project",
    description="Before its first start, to say who may see it. Whoever makes a project with members is one of them"
    " only if they say so. Needs the role `operator`.",
    request=ProjectBody,
    responses={201: parts.answer(ProjectSerializer, "The project.", examples.PROJECT)},
    examples=parts.body(
        with_members={
            "project_id": "apollo",
            "name": "The tool library",
            "members": {"users": ["olga"], "groups": ["pm"]},
        },
        open_to_all={"project_id": "apollo"},
    ),
    extensions=parts.codes(s404=["PROJECT_NOT_FOUND"], s409=["CONFLICT"]),
)
GET = extend_schema(
    operation_id="getProject",
    tags=TAGS,
    summary="Look at a project",
    description="Its name, and its members.",
    responses={200: parts.answer(ProjectSerializer, "The project.", examples.PROJECT)},
)
CHANGE = extend_schema(
    operation_id="changeProject",
    tags=TAGS,
    summary="Change a project",
    description="Its creator, operators who see it and administrators may.",
    request=ProjectChangeBody,
    responses={200: parts.answer(ProjectSerializer, "The project as it is now.", examples.PROJECT)},
    examples=parts.body(change={"name": "The tool library", "members": {"users": ["olga", "ed"], "groups": []}}),
)
