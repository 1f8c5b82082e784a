"""GET /gates and /gates/{id}: the inbox."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.models import Execution, Gate, Project
from executions.services.access import may_decide
from executions.tests.api.conftest import Caller
from executions.tests.driving import Scripted, asking, backlog, document, drive
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import epics, note, reviewed, single, step, workflow

URL = "/api/v1/gates"


def ids(client: APIClient, **query: str) -> set[str]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.json()
    return {row["gate_id"] for row in answer.json()["results"]}


def waiting(project: str = "apollo", **policy: Any) -> Gate:
    execution = start(reviewed(**policy), project=project)
    drive(execution)
    return open_gate(execution)


def test_a_gate_shows_what_waits_and_who_may_decide(ed: APIClient, vic: APIClient) -> None:
    gate = waiting(due_in="P2D")
    body = ed.get(f"{URL}/{gate.pk}").json()
    assert set(body) >= {
        "gate_id", "kind", "status", "execution_id", "project_id", "step_id", "path", "doc_type", "document_id",
        "document_version", "content_sha256", "roles", "due_at", "opened_at", "decisions", "may_decide",
    }  # fmt: skip
    assert body["kind"] == "acceptance"
    assert body["status"] == "open"
    assert body["project_id"] == "apollo"
    assert body["step_id"] == "note"
    assert body["roles"] == ["editor"]
    assert body["due_at"].endswith("Z")
    assert body["decisions"] == []
    assert body["may_decide"] is True
    assert vic.get(f"{URL}/{gate.pk}").json()["may_decide"] is False


def test_a_decided_gate_shows_its_decision_and_lets_nobody_decide(ed: APIClient) -> None:
    gate = waiting()
    decide("ed", gate, "reject", "no")
    body = ed.get(f"{URL}/{gate.pk}").json()
    assert body["status"] == "decided"
    assert body["may_decide"] is False
    (made,) = body["decisions"]
    assert (made["by"], made["decision"], made["comment"], made["document_version"]) == ("ed", "reject", "no", 1)


def test_the_inbox_is_filtered(ed: APIClient) -> None:
    here, there = waiting("apollo"), waiting("gemini")
    execution = start(single(), project="apollo")
    drive(execution, Scripted(note=asking()))
    questions = Gate.objects.get(execution=execution)
    decide("ed", there, "accept")

    assert ids(ed) == {str(here.pk), str(there.pk), str(questions.pk)}
    assert ids(ed, kind="clarification") == {str(questions.pk)}
    assert ids(ed, status="decided") == {str(there.pk)}
    assert ids(ed, project_id="apollo", status="open") == {str(here.pk), str(questions.pk)}
    assert ids(ed, mine="true") == {str(here.pk)}
    assert ids(ed, mine="false", project_id="gemini") == {str(there.pk)}


def test_an_open_gate_of_a_failed_execution_is_nobodys_until_a_retry(ed: APIClient, olga: APIClient) -> None:
    execution = start(epics(accepted_by=("editor",)))
    drive(execution, Scripted(backlog=backlog("A", "B")))
    decide("ed", open_gate(execution, path="per_epic[A].plan"), "reject", "no")
    other = open_gate(execution)

    assert ed.get(f"{URL}/{other.pk}").json()["may_decide"] is False
    assert ids(ed, mine="true") == set()
    olga.post(f"/api/v1/executions/{execution.pk}/retry")
    assert ed.get(f"{URL}/{other.pk}").json()["may_decide"] is True
    assert ids(ed, mine="true") == {str(other.pk)}


def test_mine_means_the_same_as_may_decide_for_everybody(caller: Caller) -> None:
    """The inbox filters in SQL what ``access.refusal`` says of one gate in Python."""
    definitions = [
        reviewed(),
        reviewed(four_eyes=True),
        reviewed("operator", four_eyes=True),
        reviewed("nobody-has-this", users=["vic"]),
        workflow({"note": note(quorum=1)}, step("note")),
        single(),
    ]
    for number, definition in enumerate(definitions):
        definition["workflow_id"] = f"test-{number}"
        execution = start(definition)
        drive(execution, Scripted(note=asking() if number == 5 else document(title="Note")))
    gates = list(Gate.objects.select_related("execution"))
    assert len(gates) == 6

    for name in ("olga", "ed", "vic", "root"):
        expected = {str(gate.pk) for gate in gates if may_decide(person(name), gate)}
        assert ids(caller(name), mine="true") == expected, name
        shown = caller(name).get(URL).json()["results"]
        assert {row["gate_id"] for row in shown if row["may_decide"]} == expected, name
    assert len(ids(caller("olga"), mine="true")) == 2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("status=closed", "INVALID_STATUS"),
        ("kind=other", "VALIDATION_ERROR"),
        ("mine=perhaps", "VALIDATION_ERROR"),
        ("execution_id=1", "VALIDATION_ERROR"),
        ("ordering=opened_at", "VALIDATION_ERROR"),
    ],
)
def test_a_wrong_query_is_400(ed: APIClient, query: str, code: str) -> None:
    answer = ed.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == code


@pytest.mark.parametrize("gate_id", ["3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11", "first", "%00"])
def test_an_unknown_gate_is_404(ed: APIClient, gate_id: str) -> None:
    answer = ed.get(f"{URL}/{gate_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "GATE_NOT_FOUND"


def test_gates_of_projects_of_others_do_not_exist(
    ed: APIClient, stranger: APIClient, anonymous: APIClient, caller: Caller
) -> None:
    gate = waiting()
    Project.objects.get().users.set([person("eva")])
    assert ed.get(f"{URL}/{gate.pk}").status_code == 404
    assert ids(ed) == set()
    assert ids(stranger) == set()
    assert anonymous.get(URL).status_code == 401
    assert ids(caller("eva")) == {str(gate.pk)}
    assert ids(caller("root")) == {str(gate.pk)}
    assert Execution.objects.count() == 1
