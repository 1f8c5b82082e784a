"""ETag, If-None-Match and If-Match on executions, gates and documents."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from documents.models import Document
from executions.api.conditional import Tags, parse_tags
from executions.models import Decision, Execution, Gate
from executions.tests.api.conftest import Caller
from executions.tests.driving import Scripted, asking, document, drive, question
from executions.tests.engine_cast import decide, open_gate, start
from executions.tests.engine_definitions import chain, reviewed, single, stored

STALE = '"0123456789abcdef0123456789abcdef"'


def waiting(**policy: Any) -> Execution:
    execution = start(reviewed(**policy))
    drive(execution)
    return execution


def failed() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=[document(wrong=n) for n in range(3)]))
    return execution


def asked() -> Execution:
    execution = start(single())
    drive(execution, Scripted(note=asking(question(required=True))))
    return execution


def url(execution: Execution, command: str = "") -> str:
    return f"/api/v1/executions/{execution.pk}{command and '/'}{command}"


def gate_url(gate: Gate) -> str:
    return f"/api/v1/gates/{gate.pk}"


def places() -> dict[str, str]:
    """Return where each kind of thing is found that has an ETag."""
    execution = waiting()
    found = Document.objects.get()
    return {
        "execution": url(execution),
        "gate": gate_url(open_gate(execution)),
        "document": f"/api/v1/documents/{found.pk}",
        "by scope": f"/api/v1/documents/by-scope/project/apollo/{found.document_type}",
    }


KINDS = ["execution", "gate", "document", "by scope"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_not_changed_is_304(ed: APIClient, kind: str) -> None:
    where = places()[kind]
    first = ed.get(where)
    tag = first["ETag"]
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert ed.get(where)["ETag"] == tag

    for condition in (tag, f"W/{tag}", f'"other", W/{tag}', f'{tag},"other"', "*", f" , {tag} ,"):
        answer = ed.get(where, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content) == (304, b""), condition
        assert answer["ETag"] == tag
        assert answer["Cache-Control"] == first["Cache-Control"]
        assert answer["Content-Length"] == first["Content-Length"]
        assert "Content-Type" not in answer
        assert "X-Request-ID" in answer


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_another_or_malformed_is_answered_whole(ed: APIClient, kind: str) -> None:
    where = places()[kind]
    for condition in (STALE, "unquoted", "", '"', '"a" "b"', '"*"'):
        answer = ed.get(where, headers={"If-None-Match": condition})
        assert answer.status_code == 200, condition
        assert answer.json()


@pytest.mark.parametrize("kind", KINDS)
def test_head_answers_as_get_does_without_a_body(ed: APIClient, kind: str) -> None:
    where = places()[kind]
    got, headed = ed.get(where), ed.head(where)
    assert (headed.status_code, headed.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert headed[name] == got[name], name
    assert ed.head(where, headers={"If-None-Match": got["ETag"]}).status_code == 304


def test_a_reader_may_insist_on_a_version(ed: APIClient) -> None:
    where = places()["document"]
    tag = ed.get(where)["ETag"]
    assert ed.get(where, headers={"If-Match": tag}).status_code == 200
    assert ed.get(where, headers={"If-Match": tag, "If-None-Match": tag}).status_code == 304
    answer = ed.get(where, headers={"If-Match": STALE, "If-None-Match": tag})
    assert answer.status_code == 412
    assert answer.json()["current"] == where
    assert ed.get(where, headers={"If-Match": "unquoted"}).status_code == 400


def test_the_etag_of_an_execution_changes_with_every_step(olga: APIClient) -> None:
    execution, tags = start(chain(2)), set()
    tags.add(olga.get(url(execution))["ETag"])
    drive(execution)
    tags.add(olga.get(url(execution))["ETag"])
    assert len(tags) == 2


def test_the_etag_of_a_gate_changes_with_every_vote_and_is_the_viewers_own(ed: APIClient, vic: APIClient) -> None:
    gate = open_gate(waiting(quorum=2))
    seen = ed.get(gate_url(gate))["ETag"]
    # He may decide there, she may not: they are shown different bodies.
    assert vic.get(gate_url(gate))["ETag"] != seen
    decide("eva", gate, "accept")
    assert ed.get(gate_url(gate))["ETag"] != seen


def test_the_etag_of_a_document_changes_with_what_people_say_of_it_and_with_a_newer_version(ed: APIClient) -> None:
    execution, tags = waiting(), []
    found = Document.objects.get()
    where = f"/api/v1/documents/{found.pk}"
    tags.append(ed.get(where)["ETag"])
    decide("ed", open_gate(execution), "request_changes", "more")
    tags.append(ed.get(where)["ETag"])
    drive(execution, Scripted(note=document(title="Longer")))
    tags.append(ed.get(where)["ETag"])
    assert len(set(tags)) == 3


def test_an_etag_is_that_of_the_bytes_that_are_sent(ed: APIClient) -> None:
    where = places()["gate"]
    plain, indented = ed.get(where), ed.get(where, headers={"Accept": "application/json; indent=2"})
    assert plain.json() == indented.json()
    assert plain["ETag"] != indented["ETag"]


@pytest.mark.django_db
def test_every_answer_with_an_execution_carries_its_etag(olga: APIClient, ed: APIClient) -> None:
    stored(single())
    started = olga.post("/api/v1/workflows/test/start", {"project_id": "apollo"})
    cancelled = olga.post(f"{started['Location']}/cancel")
    retried = olga.post(url(failed(), "retry"))
    answered = olga.post(url(asked(), "clarification"), {"answers": {"WHO": "Everybody"}})
    for answer in (cancelled, retried, answered):
        where = f"/api/v1/executions/{answer.json()['execution_id']}"
        assert answer.status_code == 200
        assert answer["ETag"] == olga.get(where)["ETag"]
    decided = ed.post(url(waiting(), "acceptance"), {"decision": "accept"})
    assert decided["ETag"] == ed.get(f"/api/v1/executions/{decided.json()['execution_id']}")["ETag"]
    assert started["ETag"].startswith('"')


COMMANDS: dict[str, tuple[Callable[[], Execution], str, Any]] = {
    "cancel": (lambda: start(single()), "olga", {"reason": "enough"}),
    "retry": (failed, "olga", {"reason": "again"}),
    "acceptance": (waiting, "ed", {"decision": "accept"}),
    "clarification": (asked, "olga", {"answers": {"WHO": "Everybody"}}),
}


def condition_of(command: str, client: APIClient, execution: Execution) -> tuple[str, str]:
    """Return where that is on which a command is conditional, and its ETag."""
    gates = command in ("acceptance", "clarification")
    where = gate_url(Gate.objects.get(execution=execution)) if gates else url(execution)
    return where, client.get(where)["ETag"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_carried_out_on_what_was_seen(caller: Caller, command: str) -> None:
    prepare, name, body = COMMANDS[command]
    execution = prepare()
    _, tag = condition_of(command, caller(name), execution)
    answer = caller(name).post(url(execution, command), body, headers={"If-Match": f'"other", {tag}'})
    assert answer.status_code == 200, answer.json()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("weak", [False, True], ids=["stale", "weak"])
def test_a_command_on_something_else_is_412_and_says_where_it_is(caller: Caller, command: str, weak: bool) -> None:
    prepare, name, body = COMMANDS[command]
    execution = prepare()
    where, tag = condition_of(command, caller(name), execution)
    execution.refresh_from_db()
    before = execution.last_seq

    answer = caller(name).post(url(execution, command), body, headers={"If-Match": f"W/{tag}" if weak else STALE})
    assert answer.status_code == 412
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "PRECONDITION_FAILED"
    assert problem["current"] == where
    assert where in problem["detail"]
    execution.refresh_from_db()
    assert execution.last_seq == before
    assert not Decision.objects.exists()
    assert caller(name).post(url(execution, command), body, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("command", COMMANDS)
def test_a_star_matches_whatever_is_there(caller: Caller, command: str) -> None:
    prepare, name, body = COMMANDS[command]
    answer = caller(name).post(url(prepare(), command), body, headers={"If-Match": "*"})
    assert answer.status_code == 200


@pytest.mark.parametrize("command", COMMANDS)
def test_a_malformed_condition_is_400(caller: Caller, command: str) -> None:
    prepare, name, body = COMMANDS[command]
    answer = caller(name).post(url(prepare(), command), body, headers={"If-Match": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_IF_MATCH")
    assert not Decision.objects.exists()


def test_a_decision_made_meanwhile_makes_a_named_gate_stale(ed: APIClient) -> None:
    execution = waiting()
    gate = open_gate(execution)
    tag = ed.get(gate_url(gate))["ETag"]
    decide("eva", gate, "reject", "no")
    body = {"decision": "accept", "gate_id": str(gate.pk)}
    assert ed.post(url(execution, "acceptance"), body, headers={"If-Match": tag}).status_code == 412
    # Whoever asks for no condition, or has looked again, is told who was faster.
    assert ed.post(url(execution, "acceptance"), body).json()["decided_by"] == "eva"
    fresh = ed.get(gate_url(gate))["ETag"]
    assert ed.post(url(execution, "acceptance"), body, headers={"If-Match": fresh}).json()["decided_by"] == "eva"


def test_a_new_version_at_a_new_gate_is_not_the_one_that_was_seen(ed: APIClient) -> None:
    execution = waiting()
    tag = ed.get(gate_url(open_gate(execution)))["ETag"]
    decide("eva", open_gate(execution), "request_changes", "more")
    drive(execution, Scripted(note=document(title="Longer")))
    answer = ed.post(url(execution, "acceptance"), {"decision": "accept"}, headers={"If-Match": tag})
    assert answer.status_code == 412
    assert answer.json()["current"] == gate_url(open_gate(execution))


def test_who_may_not_or_sees_nothing_there_is_told_that_and_not_412(
    vic: APIClient, stranger: APIClient, olga: APIClient
) -> None:
    execution = waiting()
    body = {"decision": "accept", "gate_id": str(open_gate(execution).pk)}
    stale = {"If-Match": STALE}
    assert vic.post(url(execution, "acceptance"), body, headers=stale).status_code == 403
    assert stranger.post(url(execution, "acceptance"), body, headers=stale).status_code == 404
    assert vic.post(url(execution, "cancel"), headers=stale).status_code == 403
    assert stranger.post(url(execution, "cancel"), headers=stale).status_code == 404
    assert olga.post(url(execution, "cancel"), {"reason": 5}, headers=stale).status_code == 422


def test_gates_say_where_their_etag_is(ed: APIClient) -> None:
    execution = waiting()
    (gate,) = ed.get(url(execution)).json()["pending_gates"]
    assert gate["links"] == {
        "self": f"/api/v1/gates/{gate['gate_id']}",
        "execution": url(execution),
        "document": f"/api/v1/documents/{gate['document_id']}",
    }
    assert ed.get(gate["links"]["self"]).json() == gate


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('"a"', Tags(given=frozenset({'"a"'}))),
        ('"a,b" , W/"c"', Tags(given=frozenset({'"a,b"', 'W/"c"'}))),
        (',, "a",,', Tags(given=frozenset({'"a"'}))),
        ('""', Tags(given=frozenset({'""'}))),
        (" * ", Tags(is_any=True)),
        *[(text, None) for text in ("", " ", ",", "a", '"a', 'a"', '"a" "b"', '"a", *', 'w/"a"', '"a b"', "'a'")],
    ],
)
def test_lists_of_tags_are_read_as_rfc_9110_has_them(text: str, tags: Tags | None) -> None:
    assert parse_tags(text) == tags


def test_a_header_of_blanks_is_read_in_no_time() -> None:
    begun = time.thread_time()
    assert parse_tags(" " * 60_000 + "x") is None
    assert parse_tags("," * 60_000) is None
    assert time.thread_time() - begun < 0.5


def test_a_condition_costs_three_statements(ed: APIClient) -> None:
    """The gate with its execution, its decisions, and whether the viewer may see them; roles are known by then."""
    counts = []
    for has_condition in (False, True):
        execution = waiting(quorum=3)
        decide("eva", open_gate(execution), "accept")
        tag = ed.get(gate_url(open_gate(execution)))["ETag"] if has_condition else "*"
        with CaptureQueriesContext(connection) as queries:
            answer = ed.post(url(execution, "acceptance"), {"decision": "accept"}, headers={"If-Match": tag})
        assert answer.status_code == 200
        counts.append(len(queries))
    assert counts[1] - counts[0] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_304_costs_what_the_whole_one_does(ed: APIClient, kind: str) -> None:
    where, tag = places()[kind], ""
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            tag = ed.get(where, headers={"If-None-Match": tag})["ETag"]
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
