"""POST /executions/{id}/acceptance and /clarification."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from documents.models import Document
from executions.models import Decision, Execution, Gate
from executions.tests.api.conftest import Caller
from executions.tests.driving import Scripted, asking, backlog, document, drive, question
from executions.tests.engine_cast import decide, events, open_gate, start
from executions.tests.engine_definitions import epics, reviewed, single


def url(execution: Execution, what: str = "acceptance") -> str:
    return f"/api/v1/executions/{execution.pk}/{what}"


def waiting(**policy: Any) -> Execution:
    execution = start(reviewed(**policy))
    drive(execution)
    return execution


def asked(*questions: dict[str, Any]) -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=asking(*questions)))
    return execution


@pytest.mark.parametrize(
    ("body", "status", "decision"),
    [
        ({"decision": "accept"}, "running", "accept"),
        ({"accepted": True}, "running", "accept"),
        ({"accepted": True, "decision": "accept"}, "running", "accept"),
        ({"decision": "reject", "comment": "no"}, "failed", "reject"),
        ({"accepted": False}, "failed", "reject"),
        ({"decision": "request_changes", "comment": "more"}, "running", "request_changes"),
        ({"decision": "request_changes", "accepted": False, "comment": "more"}, "running", "request_changes"),
    ],
)
def test_a_decision_moves_the_execution(ed: APIClient, body: Any, status: str, decision: str) -> None:
    execution = waiting()
    answer = ed.post(url(execution), body)
    assert answer.status_code == 200
    assert answer.json()["status"] == status
    assert answer.json()["pending_acceptance"] is None
    made = Decision.objects.get()
    assert (made.decision, made.by, made.channel) == (decision, "ed", "api")


def test_comments_reach_the_next_attempt_and_a_new_version_has_a_new_gate(ed: APIClient) -> None:
    execution = waiting()
    first = open_gate(execution)
    comments = [{"path": "/title", "text": "shorter"}, {"text": "and friendlier"}]
    assert ed.post(url(execution), {"decision": "request_changes", "comments": comments}).status_code == 200
    assert Decision.objects.get().comments == [
        {"path": "/title", "text": "shorter"},
        {"path": "", "text": "and friendlier"},
    ]
    drive(execution, Scripted(note=document(title="Short")))

    (gate,) = ed.get(f"/api/v1/executions/{execution.pk}").json()["pending_gates"]
    assert gate["gate_id"] != str(first.pk)
    assert gate["document_version"] == 2


def test_the_gate_and_the_document_can_be_named(ed: APIClient) -> None:
    execution = waiting()
    gate = open_gate(execution)
    body = {"decision": "accept", "gate_id": str(gate.pk), "document_id": str(gate.document_id)}
    assert ed.post(url(execution), body).status_code == 200
    assert Document.objects.get().status == "accepted"


def test_another_document_than_the_gates_is_409(ed: APIClient) -> None:
    execution = waiting()
    answer = ed.post(url(execution), {"decision": "accept", "document_id": str(uuid4())})
    assert answer.status_code == 409
    assert answer.json()["code"] == "CONFLICT"
    assert str(open_gate(execution).document_id) in answer.json()["detail"]


def test_the_loser_of_a_race_is_told_who_decided_what(ed: APIClient, caller: Caller) -> None:
    execution = waiting()
    gate = open_gate(execution)
    body = {"decision": "accept", "gate_id": str(gate.pk)}
    assert ed.post(url(execution), body).status_code == 200

    answer = caller("eva").post(url(execution), {**body, "decision": "reject"})
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "CONFLICT"
    assert problem["decided_by"] == "ed"
    assert problem["decision"] == "accept"
    assert problem["decided_at"].endswith("Z")
    assert Decision.objects.count() == 1


def test_deciding_where_nothing_waits_is_409(ed: APIClient) -> None:
    for execution in (start(reviewed()), asked()):
        answer = ed.post(url(execution), {"decision": "accept"})
        assert answer.status_code == 409
        assert answer.json()["code"] == "INVALID_STATE"
    drained = waiting()
    decide("ed", open_gate(drained), "accept")
    again = ed.post(url(drained), {"decision": "accept"})
    assert again.status_code == 409
    assert "by ed" in again.json()["detail"]


def test_several_open_gates_are_named(ed: APIClient) -> None:
    execution = start(epics(accepted_by=("editor",)))
    drive(execution, Scripted(backlog=backlog("A", "B")))

    answer = ed.post(url(execution), {"decision": "accept"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "GATE_AMBIGUOUS"
    gates = answer.json()["gates"]
    assert [gate["path"] for gate in gates] == ["per_epic[A].plan", "per_epic[B].plan"]
    assert ed.post(url(execution), {"decision": "accept", "gate_id": gates[1]["gate_id"]}).status_code == 200
    # With one left, it need not be named.
    assert ed.post(url(execution), {"decision": "accept"}).json()["status"] == "completed"


def test_a_second_vote_of_the_same_person_is_409(ed: APIClient, caller: Caller) -> None:
    execution = waiting(quorum=2)
    first = ed.post(url(execution), {"decision": "accept"})
    assert first.json()["status"] == "waiting_acceptance"
    (gate,) = first.json()["pending_gates"]
    assert gate["may_decide"] is False
    assert [decision["by"] for decision in gate["decisions"]] == ["ed"]
    assert ed.post(url(execution), {"decision": "accept"}).status_code == 409
    assert caller("eva").post(url(execution), {"decision": "accept"}).json()["status"] == "running"


def test_only_the_roles_of_the_document_decide(
    anonymous: APIClient, olga: APIClient, vic: APIClient, stranger: APIClient, caller: Caller
) -> None:
    execution = waiting()
    body = {"decision": "accept"}
    assert anonymous.post(url(execution), body).status_code == 401
    for client in (olga, vic, caller("root")):
        assert client.post(url(execution), body).status_code == 403
        named = client.post(url(execution), {**body, "gate_id": str(open_gate(execution).pk)})
        assert named.status_code == 403
        assert "editor" in named.json()["detail"]
    assert stranger.post(url(execution), body).status_code == 404
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["/decision"]),
        ({"comment": "hm"}, ["/decision"]),
        ({"decision": "maybe"}, ["/decision"]),
        ({"decision": "answer"}, ["/decision"]),
        ({"decision": 1}, ["/decision"]),
        ({"decision": None}, ["/decision"]),
        ({"accepted": "yes"}, ["/accepted"]),
        ({"accepted": "true"}, ["/accepted"]),
        ({"accepted": 1}, ["/accepted"]),
        ({"accepted": None}, ["/accepted"]),
        ({"accepted": True, "decision": "reject"}, ["/accepted"]),
        ({"accepted": True, "decision": "request_changes"}, ["/accepted"]),
        ({"accepted": False, "decision": "accept"}, ["/accepted"]),
        ({"decision": "request_changes"}, ["/comment"]),
        ({"decision": "accept", "comment": 5}, ["/comment"]),
        ({"decision": "accept", "comment": "x" * 10_001}, ["/comment"]),
        ({"decision": "accept", "comments": "all"}, ["/comments"]),
        ({"decision": "accept", "comments": [5]}, ["/comments/0"]),
        ({"decision": "accept", "comments": [{"path": "/a"}]}, ["/comments/0/text"]),
        ({"decision": "accept", "comments": [{"text": "ok"}, {"path": 5, "text": "a"}]}, ["/comments/1/path"]),
        ({"decision": "accept", "comments": [{"path": "title", "text": "a"}]}, ["/comments/0/path"]),
        ({"decision": "accept", "comments": [{"path": "/a", "text": "b", "by": "c"}]}, ["/comments/0/by"]),
        ({"decision": "accept", "comments": [{"text": "a"}] * 201}, ["/comments"]),
        ({"decision": "accept", "gate_id": 5}, ["/gate_id"]),
        ({"decision": "accept", "document_id": "first"}, ["/document_id"]),
        ({"decision": "accept", "document_id": 5}, ["/document_id"]),
        ({"decision": "accept", "by": "root"}, ["/by"]),
        ([{"decision": "accept"}], [""]),
    ],
)
def test_a_wrong_decision_is_422_and_decides_nothing(ed: APIClient, body: Any, paths: list[str]) -> None:
    execution = waiting()
    answer = ed.post(url(execution), body)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == paths
    assert not Decision.objects.exists()


@pytest.mark.parametrize("gate_id", ["3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11", "first", ""])
def test_an_unknown_gate_is_404(ed: APIClient, gate_id: str) -> None:
    answer = ed.post(url(waiting()), {"decision": "accept", "gate_id": gate_id})
    assert answer.status_code == 404
    assert answer.json()["code"] == "GATE_NOT_FOUND"


def test_the_gate_of_another_execution_or_kind_is_404(ed: APIClient) -> None:
    execution, other, questions = waiting(), waiting(), asked()
    for gate in (open_gate(other), Gate.objects.get(execution=questions)):
        answer = ed.post(url(execution), {"decision": "accept", "gate_id": str(gate.pk)})
        assert answer.status_code == 404
        assert answer.json()["code"] == "GATE_NOT_FOUND"


def test_answers_let_the_step_go_on(olga: APIClient) -> None:
    execution = asked()
    answer = olga.post(url(execution, "clarification"), {"answers": {"WHO": "Everybody"}})
    assert answer.status_code == 200
    assert answer.json()["status"] == "running"
    assert answer.json()["pending_clarification"] is None
    drive(execution)
    assert olga.get(f"/api/v1/executions/{execution.pk}").json()["status"] == "completed"
    assert [data["by"] for data in events(execution, "clarification_answered")] == ["olga"]
    (gate,) = olga.get("/api/v1/gates").json()["results"]
    assert gate["decisions"][0]["answers"] == {"WHO": "Everybody"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/answers"),
        ({"answers": None}, "/answers"),
        ({"answers": []}, "/answers"),
        ({"answers": {}}, "/answers/WHO"),
        ({"answers": {"WHO": None}}, "/answers/WHO"),
        ({"answers": {"WHO": 5}}, "/answers/WHO"),
        ({"answers": {"WHO": "all", "WHAT": "all"}}, "/answers/WHAT"),
        ({"answers": {"WHO": "all"}, "gate_id": []}, "/gate_id"),
        ({"answers": {"WHO": "all"}, "by": "ed"}, "/by"),
    ],
)
def test_wrong_answers_are_422_each_named(olga: APIClient, body: Any, path: str) -> None:
    execution = asked(question(required=True))
    answer = olga.post(url(execution, "clarification"), body)
    assert answer.status_code == 422
    assert path in [error["path"] for error in answer.json()["errors"]]
    assert not Decision.objects.exists()


def test_answering_twice_moves_the_execution_once(olga: APIClient, ed: APIClient) -> None:
    execution = asked()
    body = {"answers": {"WHO": "Everybody"}, "gate_id": str(Gate.objects.get().pk)}
    assert olga.post(url(execution, "clarification"), body).status_code == 200
    again = olga.post(url(execution, "clarification"), body)
    assert again.status_code == 409
    assert again.json()["decided_by"] == "olga"
    assert Decision.objects.count() == 1
    del body["gate_id"]
    assert olga.post(url(execution, "clarification"), body).json()["code"] == "INVALID_STATE"


def test_a_viewer_may_not_answer(vic: APIClient, stranger: APIClient, anonymous: APIClient) -> None:
    execution = asked()
    body = {"answers": {"WHO": "Everybody"}}
    assert vic.post(url(execution, "clarification"), body).status_code == 403
    assert stranger.post(url(execution, "clarification"), body).status_code == 404
    assert anonymous.post(url(execution, "clarification"), body).status_code == 401
