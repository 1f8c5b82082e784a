"""What the parameters of lists take, refuse, and say of themselves. One table for all lists."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.api.filters import StrictFilterBackend, parameters_of
from executions.api.queries import DocumentFilter, ExecutionFilter, GateFilter, VersionFilter
from executions.api.views.executions import ExecutionEvents, ExecutionList
from executions.models import Execution, ExecutionStatus
from executions.tests.api import rows

BASE = "/api/v1"

WRONG = [
    ("executions", "status=done", "INVALID_STATUS", "pending, running, waiting_clarification"),
    ("executions", "status=RUNNING", "INVALID_STATUS", "running"),
    ("executions", "status=running,failed", "INVALID_STATUS", "failed"),
    ("executions", "status=", "INVALID_STATUS", "running"),
    ("executions", "workflow_id=", "BLANK", "empty"),
    ("executions", f"workflow_id={'w' * 65}", "MAX_LENGTH", "64"),
    ("executions", f"project_id={'p' * 20_000}", "MAX_LENGTH", "64"),
    ("executions", "project_id=%00", "INVALID_TEXT", "NUL"),
    ("executions", "project_id=a&project_id=a", "DUPLICATE_PARAMETER", "more than once"),
    ("executions", "started_after=yesterday", "WRONG_TYPE", "2026-01-31"),
    ("executions", "started_after=", "WRONG_TYPE", "date"),
    ("executions", "started_after=2026-02-30", "WRONG_TYPE", "date"),
    ("executions", "started_before=9999-12-31T23:59:59-23:59", "WRONG_TYPE", "date"),
    ("executions", "started_before=1767225600", "WRONG_TYPE", "date"),
    ("executions", "ordering=brief", "INVALID_CHOICE", "started_at, -started_at, completed_at"),
    ("executions", "ordering=", "INVALID_CHOICE", "-completed_at"),
    ("executions", "ordering=-started_at,completed_at", "INVALID_CHOICE", "started_at"),
    ("executions", "page_size=201", "OUT_OF_RANGE", "1 to 200"),
    ("executions", "cursor=", "INVALID_CURSOR", "next or previous"),
    ("executions", "limit=5", "UNKNOWN_PARAMETER", "workflow_id, project_id, status, started_after"),
    ("executions", "Status=running", "UNKNOWN_PARAMETER", "status"),
    ("executions", "status__in=running", "UNKNOWN_PARAMETER", "status"),
    ("gates", "kind=question", "INVALID_CHOICE", "clarification, acceptance"),
    ("gates", "status=closed", "INVALID_STATUS", "open, decided, cancelled, expired"),
    ("gates", "mine=1", "WRONG_TYPE", "true or false"),
    ("gates", "mine=", "WRONG_TYPE", "true or false"),
    ("gates", "execution_id=1", "UNKNOWN_PARAMETER", "kind, status, mine, project_id, cursor, page_size"),
    ("gates", "ordering=opened_at", "UNKNOWN_PARAMETER", "kind"),
    ("documents", "status=draft", "INVALID_STATUS", "final, in_review, accepted, changes_requested, rejected"),
    ("documents", "latest=yes", "WRONG_TYPE", "true or false"),
    ("documents", "execution_id=1", "WRONG_TYPE", "UUID"),
    ("documents", "execution_id=3F0C2F5E0D1B4A7E9B550C6A1F3D2E11", "WRONG_TYPE", "UUID"),
    ("documents", f"scope_id={'s' * 1001}", "MAX_LENGTH", "1000"),
    ("documents", "version=1", "UNKNOWN_PARAMETER", "scope_type, scope_id, document_type"),
    ("documents/by-scope/project/apollo/note", "version=0", "MIN_VALUE", "1"),
    ("documents/by-scope/project/apollo/note", "version=1.0", "WRONG_TYPE", "whole number"),
    ("documents/by-scope/project/apollo/note", "version=", "WRONG_TYPE", "whole number"),
    ("documents/by-scope/project/apollo/note", "status=good", "INVALID_STATUS", "accepted"),
    ("documents/by-scope/project/apollo/note", "latest=true", "UNKNOWN_PARAMETER", "version, status"),
    ("documents/by-scope/project/apollo/note/versions", "status=final", "UNKNOWN_PARAMETER", "cursor, page_size"),
    ("projects", "name=x", "UNKNOWN_PARAMETER", "cursor, page_size"),
    ("workflows", "format=flat", "UNKNOWN_PARAMETER", "cursor, page_size"),
    ("executions/{id}/events", "event_type=started", "INVALID_CHOICE", "execution_started, step_started"),
    ("executions/{id}/events", "after=1.5", "INVALID_CURSOR", "whole number"),
    ("executions/{id}/events", "limit=1001", "OUT_OF_RANGE", "1 to 1000"),
    ("executions/{id}/events", "page_size=5", "UNKNOWN_PARAMETER", "event_type, after, limit"),
    ("executions/{id}/steps", "responses=all", "WRONG_TYPE", "true or false"),
    ("executions/{id}/steps", "after=", "INVALID_CURSOR", "path"),
    ("executions/{id}/steps", "status=failed", "UNKNOWN_PARAMETER", "responses, after, limit"),
    ("executions/{id}", "after=1", "UNKNOWN_PARAMETER", "none is known"),
]


@pytest.fixture
def execution(db: None) -> Execution:
    (execution,) = rows.executions(1)
    rows.events(execution, range(1, 4))
    rows.documents(execution, 2)
    return execution


@pytest.mark.parametrize(("path", "query", "code", "told"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_parameter_is_400_and_is_told_what_would_be_right(
    olga: APIClient, execution: Execution, path: str, query: str, code: str, told: str
) -> None:
    answer = olga.get(f"{BASE}/{path.format(id=execution.pk)}?{query}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["path"], error["code"]) == ("/" + query.split("=")[0], code)
    assert told in error["detail"]
    assert answer.json()["code"] == ("INVALID_STATUS" if code == "INVALID_STATUS" else "VALIDATION_ERROR")


def test_every_wrong_parameter_is_named_at_once(olga: APIClient, execution: Execution) -> None:
    answer = olga.get(f"{BASE}/executions?status=x&started_after=y&workflow_id=")
    paths = {error["path"]: error["code"] for error in answer.json()["errors"]}
    assert paths == {"/status": "INVALID_STATUS", "/started_after": "WRONG_TYPE", "/workflow_id": "BLANK"}


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-31",
        "2025-12-31T23:59:59Z",
        "2025-12-31t23:59:59z",
        "2025-12-31T23:59:59.123456789Z",
        "2026-01-01T01:30:00%2B05:30",
        "2025-12-31 23:59:59Z",
    ],
)
def test_times_are_taken_in_every_form_of_rfc_3339(olga: APIClient, execution: Execution, text: str) -> None:
    assert len(olga.get(f"{BASE}/executions?started_after={text}").json()["results"]) == 1
    assert olga.get(f"{BASE}/executions?started_before={text}").json()["results"] == []


def test_events_are_narrowed_by_type_and_keep_their_numbers(olga: APIClient, execution: Execution) -> None:
    url = f"{BASE}/executions/{execution.pk}/events"
    page = olga.get(f"{url}?event_type=step_started&limit=2").json()
    assert [row["seq"] for row in page["results"]] == [1, 2]
    assert [row["seq"] for row in olga.get(page["next"]).json()["results"]] == [3]
    assert olga.get(f"{url}?event_type=step_failed").json()["results"] == []


def described(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    assert all(each["in"] == "query" and not each["required"] and each["description"] for each in parameters)
    return {each["name"]: each["schema"] for each in parameters}


def test_filters_describe_themselves_to_the_schema() -> None:
    schemas = described(StrictFilterBackend().get_schema_operation_parameters(ExecutionList()))
    assert list(schemas) == list(ExecutionFilter.base_filters)
    assert schemas["status"]["enum"] == ExecutionStatus.values
    assert schemas["workflow_id"]["maxLength"] == 64
    assert described(parameters_of(GateFilter))["mine"] == {"type": "boolean"}
    assert described(parameters_of(DocumentFilter))["execution_id"]["format"] == "uuid"
    assert described(parameters_of(VersionFilter))["version"]["minimum"] == 1
    assert parameters_of(None) == []


def test_pages_describe_themselves_to_the_schema() -> None:
    view = ExecutionList()
    assert view.paginator is not None
    schemas = described(view.paginator.get_schema_operation_parameters(view))
    assert schemas["page_size"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert schemas["ordering"]["default"] == "-started_at"
    assert schemas["ordering"]["enum"] == ["started_at", "-started_at", "completed_at", "-completed_at"]
    page = view.paginator.get_paginated_response_schema({"type": "array"})
    assert page["required"] == ["results", "next", "previous"]

    events = ExecutionEvents()
    assert events.paginator is not None
    schemas = described(events.paginator.get_schema_operation_parameters(events))
    assert schemas["after"]["type"] == "integer"
    assert schemas["limit"]["maximum"] == 1000
