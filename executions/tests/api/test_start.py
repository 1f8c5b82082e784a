"""POST /workflows/{id}/start."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.models import Execution, Project
from executions.tests.engine_cast import person
from executions.tests.engine_definitions import single, stored

URL = "/api/v1/workflows/test/start"


@pytest.fixture(autouse=True)
def _workflow(db: None) -> None:
    stored(single())


def test_a_start_answers_201_with_the_whole_execution_and_where_it_is(olga: APIClient) -> None:
    answer = olga.post(URL, {"project_id": "apollo", "initial_context": {"goal": "moon"}, "budget_usd": "12.50"})

    body = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"http://testserver/api/v1/executions/{body['execution_id']}"
    assert set(body) == {
        "execution_id", "workflow_id", "revision", "project_id", "status", "current_step_id", "completed_steps",
        "step_progress", "iteration_progress", "pending_acceptance", "pending_clarification", "pending_gates",
        "started_at", "completed_at", "error", "cost_usd", "budget_usd", "links",
    }  # fmt: skip
    assert body["workflow_id"] == "test"
    assert body["revision"] == "r1"
    assert body["project_id"] == "apollo"
    assert body["status"] == "pending"
    assert body["current_step_id"] == "note"
    assert body["started_at"].endswith("Z")
    assert body["completed_at"] is None
    assert body["error"] is None
    assert body["cost_usd"] == "0"
    assert body["budget_usd"] == "12.5"
    assert olga.get(answer["Location"]).json() == body
    assert Execution.objects.get().brief == {"goal": "moon"}


@pytest.mark.parametrize(
    ("given", "kept"), [(3, "3"), (0.1, "0.1"), (0.1 + 0.2, "0.3"), (2e1, "20"), (1e-12, "0"), ("0", "0"), (None, None)]
)
def test_a_budget_is_a_decimal_text_or_a_number(olga: APIClient, given: Any, kept: str | None) -> None:
    assert olga.post(URL, {"project_id": "apollo", "budget_usd": given}).json()["budget_usd"] == kept


def test_a_start_without_a_brief_or_a_budget_has_none(olga: APIClient) -> None:
    assert olga.post(URL, {"project_id": "apollo"}).json()["budget_usd"] is None
    assert Execution.objects.get().brief is None


def test_a_revision_can_be_named_by_its_name_or_digest(olga: APIClient) -> None:
    digest = stored(single()).digest
    for revision in ("r1", digest):
        answer = olga.post(URL, {"project_id": "apollo", "revision": revision})
        assert answer.status_code == 201
        assert answer.json()["revision"] == "r1"


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "/project_id", "REQUIRED"),
        ({"project_id": ""}, "/project_id", "INVALID_ID"),
        ({"project_id": None}, "/project_id", "NULL"),
        ({"project_id": 7}, "/project_id", "INVALID_ID"),
        ({"project_id": ["a"]}, "/project_id", "INVALID_ID"),
        ({"project_id": "a b"}, "/project_id", "INVALID_ID"),
        ({"project_id": "a" * 65}, "/project_id", "INVALID_ID"),
        ({"project_id": "a", "initial_context": []}, "/initial_context", "WRONG_TYPE"),
        ({"project_id": "a", "initial_context": "text"}, "/initial_context", "WRONG_TYPE"),
        ({"project_id": "a", "initial_context": {"x": "a" * 1_000_000}}, "/initial_context", "TOO_LARGE"),
        ({"project_id": "a", "initial_context": {"note": {"title": 5}}}, "/initial_context/note/title", "TYPE"),
        ({"project_id": "a", "budget_usd": -1}, "/budget_usd", "OUT_OF_RANGE"),
        ({"project_id": "a", "budget_usd": "-0.01"}, "/budget_usd", "OUT_OF_RANGE"),
        ({"project_id": "a", "budget_usd": "NaN"}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "budget_usd": "Infinity"}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "budget_usd": True}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "budget_usd": [1]}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "budget_usd": "1e1"}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "budget_usd": "1_000"}, "/budget_usd", "WRONG_TYPE"),
        ({"project_id": "a", "revision": 1}, "/revision", "WRONG_TYPE"),
        ({"project_id": "a", "status": "completed"}, "/status", "UNKNOWN_FIELD"),
    ],
)
def test_a_wrong_body_is_422_and_names_the_field(olga: APIClient, body: Any, path: str, code: str) -> None:
    answer = olga.post(URL, body)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert [(error["path"], error["code"]) for error in answer.json()["errors"]] == [(path, code)]
    assert not Execution.objects.exists()
    assert not Project.objects.exists()


def test_several_wrong_fields_are_all_named(olga: APIClient) -> None:
    answer = olga.post(URL, {"owner": "olga", "revision": 5})
    assert {error["path"] for error in answer.json()["errors"]} == {"/owner", "/revision", "/project_id"}


@pytest.mark.parametrize("workflow_id", ["nothing", "a b", "x" * 500, "%00", "%ED%A0%80"])
def test_an_unknown_workflow_is_404(olga: APIClient, workflow_id: str) -> None:
    answer = olga.post(f"/api/v1/workflows/{workflow_id}/start", {"project_id": "apollo"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "WORKFLOW_NOT_FOUND"


def test_an_unknown_revision_is_404(olga: APIClient) -> None:
    answer = olga.post(URL, {"project_id": "apollo", "revision": "r99"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "REVISION_NOT_FOUND"


def test_nobody_starts_without_the_operator_role(anonymous: APIClient, vic: APIClient, stranger: APIClient) -> None:
    body = {"project_id": "apollo"}
    assert anonymous.post(URL, body).status_code == 401
    assert anonymous.post(URL, body)["WWW-Authenticate"] == "Bearer"
    for client in (vic, stranger):
        assert client.post(URL, body).status_code == 403
        assert client.post(URL, body).json()["code"] == "PERMISSION_DENIED"
    assert not Execution.objects.exists()


def test_a_project_with_other_members_does_not_exist_for_the_starter(olga: APIClient) -> None:
    started = olga.post(URL, {"project_id": "apollo"}).json()
    Project.objects.get(pk="apollo").users.set([person("ed")])

    answer = olga.post(URL, {"project_id": "apollo"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "PROJECT_NOT_FOUND"
    assert olga.get(f"/api/v1/executions/{started['execution_id']}").status_code == 404
