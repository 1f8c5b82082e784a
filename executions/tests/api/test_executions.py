"""GET /executions, /executions/{id}, /executions/{id}/events and /steps."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from executions.models import Execution
from executions.tests.driving import Scripted, asking, backlog, document, drive
from executions.tests.engine_cast import decide, open_gate, start
from executions.tests.engine_definitions import chain, epics, fork, reviewed, single, stories

URL = "/api/v1/executions"


def test_progress_names_the_steps_that_are_done_in_the_order_they_were(olga: APIClient) -> None:
    execution = start(fork())
    drive(execution, Scripted(right=[document(no="title"), document(title="Right")]))

    body = olga.get(f"{URL}/{execution.pk}").json()
    assert body["status"] == "completed"
    assert body["completed_steps"] == ["start", "left", "right", "end"]
    assert body["current_step_id"] is None
    assert body["step_progress"]["right"]["attempt"] == 2
    assert body["step_progress"]["right"]["status"] == "completed"
    assert set(body["step_progress"]["left"]) == {"step_id", "status", "started_at", "completed_at", "attempt"}
    assert body["completed_at"].endswith("Z")


def test_the_current_step_is_the_first_at_work_else_the_first_pending(olga: APIClient) -> None:
    execution = start(reviewed())
    assert olga.get(f"{URL}/{execution.pk}").json()["current_step_id"] == "note"

    drive(execution)
    body = olga.get(f"{URL}/{execution.pk}").json()
    assert body["status"] == "waiting_acceptance"
    assert body["current_step_id"] == "note"

    decide("ed", open_gate(execution), "accept")
    assert olga.get(f"{URL}/{execution.pk}").json()["current_step_id"] == "after"
    assert olga.get(URL).json()["results"][0]["current_step_id"] == "after"


def test_iterations_count_the_items_that_are_finished(olga: APIClient) -> None:
    execution = start(epics(accepted_by=("editor",)))
    assert olga.get(f"{URL}/{execution.pk}").json()["iteration_progress"] == {
        "per_epic": {"total": None, "completed": 0}
    }

    drive(execution, Scripted(backlog=backlog("E.1", "E2", "E3")))
    decide("ed", open_gate(execution, path="per_epic[E.1].plan"), "accept")

    body = olga.get(f"{URL}/{execution.pk}").json()
    assert body["iteration_progress"] == {"per_epic": {"total": 3, "completed": 1}}
    assert body["step_progress"]["per_epic[E.1].plan"]["step_id"] == "plan"
    assert "per_epic" not in body["step_progress"]
    assert body["completed_steps"] == ["backlog", "summary", "per_epic[E.1].plan"]


def test_an_item_is_finished_only_when_the_iterations_inside_it_are(olga: APIClient) -> None:
    execution = start(stories())
    answers = Scripted(backlog=backlog("A", "B"), stories=[backlog("1", "2"), backlog("1")])
    drive(execution, answers)

    assert olga.get(f"{URL}/{execution.pk}").json()["iteration_progress"] == {
        "per_epic": {"total": 2, "completed": 2},
        "per_epic[A].per_story": {"total": 2, "completed": 2},
        "per_epic[B].per_story": {"total": 1, "completed": 1},
    }


def test_what_waits_for_acceptance_is_shown_with_its_gate_and_its_document(ed: APIClient) -> None:
    execution = start(reviewed())
    drive(execution, Scripted(note=document(title="The plan")))

    body = ed.get(f"{URL}/{execution.pk}").json()
    (gate,) = body["pending_gates"]
    assert gate["may_decide"] is True
    assert body["pending_clarification"] is None
    assert body["pending_acceptance"] == {
        "gate_id": gate["gate_id"],
        "doc_type": "note",
        "scope_id": "apollo",
        "document_id": gate["document_id"],
        "document_preview": {
            "title": "The plan",
            "summary": body["pending_acceptance"]["document_preview"]["summary"],
            "version": 1,
            "content_sha256": gate["content_sha256"],
        },
    }


def test_questions_are_shown_with_all_their_keys(olga: APIClient) -> None:
    execution = start(single())
    drive(execution, Scripted(note=asking()))

    body = olga.get(f"{URL}/{execution.pk}").json()
    assert body["status"] == "waiting_clarification"
    assert body["pending_clarification"]["step_id"] == "note"
    (question,) = body["pending_clarification"]["questions"]
    assert set(question) == {
        "id", "text", "intent", "priority", "answer_type", "required", "blocking", "choices", "default",
    }  # fmt: skip
    assert body["pending_acceptance"] is None


def test_a_failed_execution_says_why(olga: APIClient) -> None:
    execution = start(single())
    drive(execution, Scripted(note=[document(wrong=1), document(wrong=2), document(wrong=3)]))

    body = olga.get(f"{URL}/{execution.pk}").json()
    assert body["status"] == "failed"
    assert body["error"]["code"] == "OUTPUT_INVALID"
    assert "After 3 attempts" in body["error"]["detail"]
    assert body["current_step_id"] is None
    assert body["cost_usd"] != "0"


@pytest.mark.parametrize(
    "execution_id",
    [
        "3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11",
        "1",
        "x" * 300,
        "%00",
        "{" + "3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11" + "}",
        "3f0c2f5e0d1b4a7e9b550c6a1f3d2e11",
    ],
)
@pytest.mark.parametrize("tail", ["", "/events", "/steps"])
def test_an_unknown_or_malformed_id_is_404(olga: APIClient, execution_id: str, tail: str) -> None:
    answer = olga.get(f"{URL}/{execution_id}{tail}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "EXECUTION_NOT_FOUND"


def test_the_list_is_newest_first_and_filtered(olga: APIClient) -> None:
    first = start(single(), project="apollo")
    second = start(chain(2), project="gemini")
    drive(first)
    hour_ago, in_an_hour = (timezone.now() + timedelta(hours=hours) for hours in (-1, 1))

    def found(**query: str) -> list[str]:
        answer = olga.get(URL, query)
        assert answer.status_code == 200, answer.json()
        return [row["execution_id"] for row in answer.json()["results"]]

    both = [str(second.pk), str(first.pk)]
    assert found() == both
    assert found(ordering="started_at") == both[::-1]
    assert found(ordering="completed_at") == both[::-1]
    assert found(project_id="apollo") == [str(first.pk)]
    assert found(status="completed") == [str(first.pk)]
    assert found(status="failed") == []
    assert found(workflow_id="test") == both
    assert found(workflow_id="nothing") == []
    assert found(started_after=hour_ago.isoformat(), started_before=in_an_hour.isoformat()) == both
    assert found(started_before=hour_ago.isoformat()) == []
    assert found(started_after=first.started_at.isoformat(), started_before=second.started_at.isoformat()) == [
        str(first.pk)
    ]
    assert found(started_after="2020-01-01") == both
    assert found(project_id="apollo", status="pending") == []


def test_a_time_whose_plus_was_not_escaped_is_understood(olga: APIClient) -> None:
    assert olga.get(f"{URL}?started_after=2020-01-01T00:00:00+02:00").status_code == 200


def test_list_items_are_summaries(olga: APIClient) -> None:
    start(single())
    (row,) = olga.get(URL).json()["results"]
    assert set(row) == {
        "execution_id", "workflow_id", "revision", "project_id", "status", "current_step_id", "started_at",
        "completed_at", "error", "cost_usd", "budget_usd", "links",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ("status=done", "/status", "INVALID_STATUS"),
        ("status=", "/status", "INVALID_STATUS"),
        ("started_after=yesterday", "/started_after", "WRONG_TYPE"),
        ("started_after=2026-02-31", "/started_after", "WRONG_TYPE"),
        ("started_before=0001-01-01T00:00:00%2B23:00", "/started_before", "WRONG_TYPE"),
        ("started_before=2026-01-01T00:00:00%2B99:00", "/started_before", "WRONG_TYPE"),
        ("ordering=secret", "/ordering", "INVALID_CHOICE"),
        ("page_size=0", "/page_size", "OUT_OF_RANGE"),
        ("page_size=201", "/page_size", "OUT_OF_RANGE"),
        ("page_size=ten", "/page_size", "OUT_OF_RANGE"),
        ("page_size=²", "/page_size", "OUT_OF_RANGE"),
        ("cursor=abc", "/cursor", "INVALID_CURSOR"),
        ("limit=3", "/limit", "UNKNOWN_PARAMETER"),
        ("project_id=a&project_id=b", "/project_id", "DUPLICATE_PARAMETER"),
        ("workflow_id=%00", "/workflow_id", "INVALID_TEXT"),
        ("x=%00", "/x", "UNKNOWN_PARAMETER"),
    ],
)
def test_a_wrong_query_is_400_and_names_the_parameter(olga: APIClient, query: str, path: str, code: str) -> None:
    answer = olga.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == ("INVALID_STATUS" if code == "INVALID_STATUS" else "VALIDATION_ERROR")
    assert [(error["path"], error["code"]) for error in answer.json()["errors"]] == [(path, code)]


def test_an_unknown_parameter_or_status_names_the_known_ones(olga: APIClient) -> None:
    assert "started_after" in olga.get(f"{URL}?limit=3").json()["detail"]
    assert "waiting_acceptance" in olga.get(f"{URL}?status=done").json()["detail"]
    assert olga.get(f"{URL}/{uuid4()}?x=1").status_code == 400
    assert olga.post(f"{URL}/{uuid4()}/cancel?x=1").status_code == 400


def test_events_are_the_history_and_go_on_after_a_seq(olga: APIClient) -> None:
    execution = start(single())
    drive(execution)

    rows = olga.get(f"{URL}/{execution.pk}/events").json()["results"]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["event_type"] for row in rows] == [
        "execution_started", "step_started", "document_created", "step_completed", "execution_completed",
    ]  # fmt: skip
    assert set(rows[0]) == {"event_type", "execution_id", "seq", "step_id", "path", "timestamp", "data"}
    assert rows[0]["step_id"] is None
    assert rows[1]["path"] == "note"
    assert rows[0]["timestamp"].endswith("Z")

    page = olga.get(f"{URL}/{execution.pk}/events?after=1&limit=2").json()
    assert [row["seq"] for row in page["results"]] == [2, 3]
    assert page["previous"] is None
    rest = olga.get(page["next"]).json()
    assert [row["seq"] for row in rest["results"]] == [4, 5]
    assert rest["next"] is None
    assert olga.get(f"{URL}/{execution.pk}/events?after=999999999999999999").json()["results"] == []


def test_steps_are_in_file_order_and_go_on_after_a_path(olga: APIClient) -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=backlog("A", "B")))

    rows = olga.get(f"{URL}/{execution.pk}/steps").json()["results"]
    assert [row["path"] for row in rows] == [
        "backlog", "per_epic", "per_epic[A].plan", "per_epic[B].plan", "summary",
    ]  # fmt: skip
    assert rows[1]["is_iteration"] is True
    assert rows[1]["total"] == 2
    assert rows[2]["items"] == ["A"]
    assert rows[2]["scope_id"] == "apollo:A"
    assert rows[2]["document_id"] is not None

    page = olga.get(f"{URL}/{execution.pk}/steps", {"after": "per_epic", "limit": "2"}).json()
    assert [row["path"] for row in page["results"]] == ["per_epic[A].plan", "per_epic[B].plan"]
    assert [row["path"] for row in olga.get(page["next"]).json()["results"]] == ["summary"]


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        ("events?after=x", "/after"),
        ("events?after=-1", "/after"),
        ("events?limit=0", "/limit"),
        ("events?limit=5000", "/limit"),
        ("events?cursor=1", "/cursor"),
        ("steps?after=nowhere", "/after"),
        ("steps?limit=all", "/limit"),
    ],
)
def test_a_wrong_place_in_the_history_is_400(olga: APIClient, tail: str, name: str) -> None:
    execution = start(single())
    answer = olga.get(f"{URL}/{execution.pk}/{tail}")
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [name]


def test_an_account_without_a_role_sees_no_execution(stranger: APIClient, anonymous: APIClient) -> None:
    execution = start(single())
    assert stranger.get(URL).json() == {"results": [], "next": None, "previous": None}
    for tail in ("", "/events", "/steps"):
        assert stranger.get(f"{URL}/{execution.pk}{tail}").status_code == 404
        assert anonymous.get(f"{URL}/{execution.pk}{tail}").status_code == 401
    assert anonymous.get(URL).status_code == 401


def test_money_is_a_decimal_text(olga: APIClient) -> None:
    execution = start(single(), budget=Decimal("1.10"))
    Execution.objects.filter(pk=execution.pk).update(cost_usd="0.1230000000")
    body = olga.get(f"{URL}/{execution.pk}").json()
    assert (body["cost_usd"], body["budget_usd"]) == ("0.123", "1.1")
