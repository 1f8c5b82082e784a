"""Every call of the API in one table: what it answers when all is well, and how it refuses.

``as``: whose things the path names, and in which state a run is. ``stranger``: what somebody of another project gets,
``unknown`` what an id that names nothing gets; both as the first word of the code, ``EXECUTION`` for
``EXECUTION_NOT_FOUND``; ``empty`` is a list without rows, ``same`` is no matter of projects. ``conflict``: the state
in which it is refused, and the code (409). ``invalid``: a body (422), or a query (400), that is refused.
Nobody's account is needed for three calls only; all others answer 401 without one.
"""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from rest_framework.test import APIClient

from executions.engine.state import ExecutionStatus
from tests.api_world import SHARED, World
from tests.openapi_document import operation, operations, problems_of, resolved

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    call: str
    run: str
    body: JSON | None
    ok: int
    stranger: str
    unknown: str
    conflict: tuple[str, str] | None
    invalid: JSON | str


START: JSON = {"project_id": "lighthouse-project", "initial_context": {"idea": "A lamp"}, "budget_usd": "1.50"}
ACCEPT: JSON = {"decision": "accept"}
ANSWER: JSON = {"answers": {"WHO": "Ships"}}
NEW: JSON = {"project_id": "harbour-2"}
TAKEN: JSON = {"project_id": "lighthouse-project"}
HOOK: JSON = {"project_id": "lighthouse-project", "url": "https://93.184.216.34/other"}
WHY: JSON = {"reason": "The lamp is out."}
DATES = "start=yesterday"
STATUS = "status=lost"
NO = None

# fmt: off
TABLE = [
    # call                      run        body       ok   stranger    unknown       conflict                       invalid
    Row("startExecution",       "waiting", START,     201, "PROJECT",   "WORKFLOW",  NO,                            {"project_id": 7}),
    Row("listExecutions",       "waiting", NO,        200, "empty",     "",          NO,                            STATUS),
    Row("getExecution",         "waiting", NO,        200, "EXECUTION", "EXECUTION", NO,                            "fields=all"),
    Row("streamExecution",      "waiting", NO,        200, "EXECUTION", "EXECUTION", NO,                            "token=cmb_1"),
    Row("cancelExecution",      "waiting", WHY,       200, "EXECUTION", "EXECUTION", ("failed", "INVALID_STATE"),   {"reason": 7}),
    Row("retryExecution",       "failed",  WHY,       200, "EXECUTION", "EXECUTION", ("waiting", "INVALID_STATE"),  {"budget_usd": -1}),
    Row("decideAcceptance",     "waiting", ACCEPT,    200, "EXECUTION", "EXECUTION", ("asking", "INVALID_STATE"),   {"decision": "perhaps"}),
    Row("answerClarification",  "asking",  ANSWER,    200, "EXECUTION", "EXECUTION", ("waiting", "INVALID_STATE"),  {"answers": {"WHAT": 1}}),
    Row("listExecutionEvents",  "waiting", NO,        200, "EXECUTION", "EXECUTION", NO,                            "after=-1"),
    Row("listExecutionSteps",   "waiting", NO,        200, "EXECUTION", "EXECUTION", NO,                            "after=nowhere"),
    Row("listGates",            "waiting", NO,        200, "empty",     "",          NO,                            "mine=perhaps"),
    Row("getGate",              "waiting", NO,        200, "GATE",      "GATE",      NO,                            "kind=open"),
    Row("listWorkflows",        "waiting", NO,        200, "same",      "",          NO,                            "page_size=0"),
    Row("getWorkflow",          "waiting", NO,        200, "same",      "WORKFLOW",  NO,                            "revision=1"),
    Row("getStepSchema",        "waiting", NO,        200, "same",      "WORKFLOW",  NO,                            "version=1"),
    Row("listDocuments",        "waiting", NO,        200, "empty",     "",          NO,                            "execution_id=7"),
    Row("getDocument",          "waiting", NO,        200, "DOCUMENT",  "DOCUMENT",  NO,                            "version=1"),
    Row("getDocumentByScope",   "waiting", NO,        200, "DOCUMENT",  "DOCUMENT",  NO,                            "version=first"),
    Row("listDocumentVersions", "waiting", NO,        200, "DOCUMENT",  "DOCUMENT",  NO,                            "cursor=7"),
    Row("getTelemetrySummary",  "waiting", NO,        200, "empty",     "",          NO,                            DATES),
    Row("listDailyCosts",       "waiting", NO,        200, "empty",     "",          NO,                            DATES),
    Row("getExecutionCosts",    "waiting", NO,        200, "EXECUTION", "EXECUTION", NO,                            DATES),
    Row("getWorkflowStats",     "waiting", NO,        200, "empty",     "WORKFLOW",  NO,                            DATES),
    Row("listProjects",         "waiting", NO,        200, "empty",     "",          NO,                            "ordering=name"),
    Row("createProject",        "waiting", NEW,       201, "same",      "",          ("waiting", "CONFLICT"),       {"project_id": "a b"}),
    Row("getProject",           "waiting", NO,        200, "PROJECT",   "PROJECT",   NO,                            "members=all"),
    Row("changeProject",        "waiting", {},        200, "PROJECT",   "PROJECT",   NO,                            {"owner": "mallory"}),
    Row("listWebhooks",         "waiting", NO,        200, "empty",     "",          NO,                            "url=x"),
    Row("createWebhook",        "waiting", HOOK,      201, "PROJECT",   "",          NO,                            {"url": 7}),
    Row("getWebhook",           "waiting", NO,        200, "WEBHOOK",   "WEBHOOK",   NO,                            "secret=1"),
    Row("changeWebhook",        "waiting", {},        200, "WEBHOOK",   "WEBHOOK",   NO,                            {"secret": "mine"}),
    Row("deleteWebhook",        "waiting", NO,        204, "WEBHOOK",   "WEBHOOK",   NO,                            "force=1"),
    Row("rotateWebhookSecret",  "waiting", {},        200, "WEBHOOK",   "WEBHOOK",   NO,                            {"secret": "mine"}),
    Row("testWebhook",          "waiting", {},        201, "WEBHOOK",   "WEBHOOK",   ("switched off", "INVALID_STATE"), {"url": "x"}),
    Row("listWebhookDeliveries", "waiting", NO,       200, "WEBHOOK",   "WEBHOOK",   NO,                            STATUS),
    Row("getWebhookDelivery",   "waiting", NO,        200, "WEBHOOK",   "WEBHOOK",   NO,                            "all=1"),
    Row("redeliverWebhookDelivery", "waiting", {},    200, "WEBHOOK",   "WEBHOOK",   ("switched off", "INVALID_STATE"), {"url": "x"}),
]
# fmt: on
# The description, and probes: tested with what they describe.
ELSEWHERE = {"getSchema", "getLiveness", "getReadiness"}


class Table:
    """Makes the calls of rows, each in a transaction that is taken back."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alice, self.mallory = world.client("alice"), world.client("mallory")

    def call(
        self, client: APIClient, row: Row, ids: JSON, *, body: JSON | None = None, query: str = ""
    ) -> HttpResponse:
        each = operation(row.call)
        path = each.path.format_map(SHARED | ids) + (f"?{query}" if query else "")
        given = row.body if body is None else body
        send = getattr(client, each.method)
        response: HttpResponse = send(path) if given is None else send(path, given)
        return response

    def ids(self, run: str) -> JSON:
        return self.world.alice.ids(run)

    def success(self, row: Row) -> None:
        """It answers, with what the OpenAPI document says and nothing else."""
        with taken_back():
            response = self.call(self.alice, row, self.ids(row.run))
        assert response.status_code == row.ok, response.content
        described = operation(row.call).response(row.ok)
        named = {name.lower() for name in described["headers"]}
        assert {"x-request-id", *(["location"] if row.ok == 201 else [])} <= named
        assert ("etag" in map(str.lower, response.headers)) == ("etag" in named)
        if row.ok != 204 and "json" in response.headers["Content-Type"]:
            schema = described["content"][response.headers["Content-Type"]]["schema"]
            assert problems_of(json.loads(response.content), schema, is_strict=True) == []

    def unauthenticated(self, row: Row) -> None:
        self.refused(row, self.call(APIClient(), row, self.ids(row.run)), 401, "NOT_AUTHENTICATED")

    def stranger(self, row: Row) -> None:
        with taken_back():
            response = self.call(self.mallory, row, self.ids(row.run))
        if row.stranger not in ("empty", "same"):
            self.refused(row, response, 404, f"{row.stranger}_NOT_FOUND")
        else:
            assert response.status_code == row.ok, response.content
        if row.stranger == "empty":
            assert str(self.ids(row.run)["execution_id"]) not in response.content.decode()

    def unknown(self, row: Row) -> None:
        if row.unknown:
            response = self.call(self.alice, row, self.world.unknown)
            self.refused(row, response, 404, f"{row.unknown}_NOT_FOUND")

    def conflict(self, row: Row) -> None:
        if row.conflict is not None:
            state, code = row.conflict
            with taken_back():
                if state == "switched off":
                    self.alice.patch(f"/api/v1/webhooks/{self.world.alice.webhook.pk}", {"is_active": False})
                run = state if state in self.world.alice.runs else row.run
                body = TAKEN if row.call == "createProject" else None
                response = self.call(self.alice, row, self.ids(run), body=body)
            self.refused(row, response, 409, code)

    def invalid(self, row: Row) -> None:
        with taken_back():
            if isinstance(row.invalid, str):
                response = self.call(self.alice, row, self.ids(row.run), query=row.invalid)
                code = "INVALID_STATUS" if row.invalid == STATUS else "VALIDATION_ERROR"
                self.refused(row, response, 400, code)
            else:
                response = self.call(self.alice, row, self.ids(row.run), body={**(row.body or {}), **row.invalid})
                self.refused(row, response, 422, "VALIDATION_ERROR")
        assert json.loads(response.content)["errors"]

    def refused(self, row: Row, response: HttpResponse, status: int, code: str) -> None:
        """It is the problem that the document names for the call."""
        assert response.status_code == status, response.content
        problem = json.loads(response.content)
        assert problem["code"] == code
        (content,) = operation(row.call).response(status)["content"].values()
        assert code in content["examples"]
        assert problems_of(problem, resolved(content["schema"])) == []


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["success", "unauthenticated", "stranger", "unknown", "conflict", "invalid"])
def test_each_row(column: str) -> None:
    table = Table(World())
    assert table.world.alice.runs["asking"].status == ExecutionStatus.WAITING_CLARIFICATION
    for row in TABLE:
        try:
            getattr(table, column)(row)
        except AssertionError as error:
            error.add_note(f"in the row of {row.call}")
            raise


def test_every_call_has_a_row() -> None:
    assert {row.call for row in TABLE} == {each.id for each in operations()} - ELSEWHERE
