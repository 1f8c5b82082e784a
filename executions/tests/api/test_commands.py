"""POST /executions/{id}/cancel and /retry."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.models import Execution, Project
from executions.tests.driving import Scripted, document, drive
from executions.tests.engine_cast import decide, events, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single

INVALID = [document(wrong=n) for n in range(3)]


def url(execution: Execution, command: str) -> str:
    return f"/api/v1/executions/{execution.pk}/{command}"


def failed() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=list(INVALID)))
    return execution


def test_cancel_ends_an_execution_for_good_and_says_who_and_why(olga: APIClient) -> None:
    execution = start(reviewed())
    drive(execution)

    answer = olga.post(url(execution, "cancel"), {"reason": "not needed"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["completed_at"] is not None
    assert answer.json()["pending_gates"] == []
    assert events(execution, "execution_cancelled") == [{"by": "olga", "reason": "not needed"}]


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}])
def test_cancel_takes_an_empty_body_and_again_changes_nothing(olga: APIClient, body: Any) -> None:
    execution = start(single())
    first = olga.post(url(execution, "cancel"), body)
    second = olga.post(url(execution, "cancel"), body)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert len(events(execution, "execution_cancelled")) == 1


def test_cancel_without_any_body_or_type_is_taken(olga: APIClient) -> None:
    answer = olga.generic("POST", url(start(single()), "cancel"), "", content_type="text/plain")
    assert answer.status_code == 200


def test_what_is_over_cannot_be_cancelled(olga: APIClient) -> None:
    completed = start(single())
    drive(completed)
    for execution in (completed, failed()):
        answer = olga.post(url(execution, "cancel"))
        assert answer.status_code == 409
        assert answer.json()["code"] == "INVALID_STATE"


def test_retry_brings_a_failed_execution_back(olga: APIClient) -> None:
    execution = failed()

    answer = olga.post(url(execution, "retry"), {"reason": "titles are needed", "budget_usd": "2.5"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "running"
    assert answer.json()["error"] is None
    assert answer.json()["budget_usd"] == "2.5"
    drive(execution)
    assert olga.get(f"/api/v1/executions/{execution.pk}").json()["status"] == "completed"


def test_retry_after_a_rejection_opens_a_gate_on_a_new_version(olga: APIClient, ed: APIClient) -> None:
    execution = start(reviewed())
    drive(execution)
    decide("ed", open_gate(execution), "reject", "no goals")

    assert olga.get(f"/api/v1/executions/{execution.pk}").json()["error"] == {
        "code": "DOCUMENT_REJECTED",
        "detail": "no goals",
    }
    assert olga.post(url(execution, "retry")).status_code == 200
    drive(execution)
    (gate,) = ed.get(f"/api/v1/executions/{execution.pk}").json()["pending_gates"]
    assert gate["document_version"] == 2


def test_only_what_has_failed_can_be_retried(olga: APIClient) -> None:
    completed, running, cancelled = start(single()), start(single()), start(single())
    drive(completed)
    olga.post(url(cancelled, "cancel"))
    for execution in (completed, running, cancelled):
        answer = olga.post(url(execution, "retry"))
        assert answer.status_code == 409
        assert answer.json()["code"] == "INVALID_STATE"


@pytest.mark.parametrize(
    ("command", "body", "path"),
    [
        ("cancel", {"reason": 5}, "/reason"),
        ("cancel", {"reason": None}, "/reason"),
        ("cancel", {"reason": "x" * 2001}, "/reason"),
        ("cancel", {"force": True}, "/force"),
        ("cancel", {"budget_usd": 1}, "/budget_usd"),
        ("retry", {"reason": ["a"]}, "/reason"),
        ("retry", {"budget_usd": "-1"}, "/budget_usd"),
        ("retry", {"budget_usd": "free"}, "/budget_usd"),
        ("retry", {"status": "running"}, "/status"),
        ("retry", [], ""),
        ("cancel", "why", ""),
    ],
)
def test_a_wrong_body_is_422(olga: APIClient, command: str, body: Any, path: str) -> None:
    answer = olga.post(url(failed(), command), body)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_only_operators_who_see_it_may(
    command: str, anonymous: APIClient, vic: APIClient, ed: APIClient, stranger: APIClient, olga: APIClient
) -> None:
    execution = failed()
    assert anonymous.post(url(execution, command)).status_code == 401
    assert vic.post(url(execution, command)).status_code == 403
    assert ed.post(url(execution, command)).status_code == 403
    assert stranger.post(url(execution, command)).status_code == 404
    Project.objects.get().users.set([person("ed")])
    assert olga.post(url(execution, command)).status_code == 404
    assert ed.post(url(execution, command)).status_code == 403
    execution.refresh_from_db()
    assert execution.status == "failed"


@pytest.mark.parametrize("command", ["cancel", "retry", "acceptance", "clarification"])
@pytest.mark.parametrize("execution_id", ["3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11", "nothing", "%00"])
def test_an_unknown_execution_is_404(olga: APIClient, command: str, execution_id: str) -> None:
    body = {"acceptance": {"decision": "accept"}, "clarification": {"answers": {}}}.get(command)
    answer = olga.post(f"/api/v1/executions/{execution_id}/{command}", body)
    assert answer.status_code == 404
    assert answer.json()["code"] == "EXECUTION_NOT_FOUND"
