"""Who is calling, and what they mean by an id in a path."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.models import User
from rest_framework.request import Request

from executions.api.exceptions import DocumentNotFound
from executions.api.fields import parse_uuid, shown
from executions.exceptions import ExecutionNotFound, GateNotFound, ProjectNotFound
from executions.services.executions import PROJECT_ID


def caller(request: Request) -> User:
    """Return the account behind the request; permissions have seen to it that there is one."""
    return cast(User, request.user)


def execution_uuid(text: str) -> UUID:
    """:raises ExecutionNotFound: it is no id."""
    if (found := parse_uuid(text)) is None:
        raise ExecutionNotFound(shown(text))
    return found


def gate_uuid(text: str) -> UUID:
    """:raises GateNotFound: it is no id."""
    if (found := parse_uuid(text)) is None:
        raise GateNotFound(shown(text))
    return found


def document_uuid(text: str) -> UUID:
    """:raises DocumentNotFound: it is no id."""
    if (found := parse_uuid(text)) is None:
        raise DocumentNotFound(shown(text))
    return found


def project_name(text: str) -> str:
    """:raises ProjectNotFound: no project can be called that."""
    if not PROJECT_ID.fullmatch(text):
        raise ProjectNotFound(shown(text))
    return text
