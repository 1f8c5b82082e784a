"""Acceptance: who decides, on what, and what becomes of the document and of the run."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from documents.models import Document
from executions.exceptions import (
    AlreadyDecided,
    Conflict,
    ExecutionNotFound,
    GateAmbiguous,
    GateNotFound,
    Invalid,
    InvalidState,
    NotPermitted,
    StaleDocument,
)
from executions.models import Decision, Execution, Gate, GateKind, LLMCall, Step
from executions.services.decisions import the_gate
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import decide, events, history, open_gate, person, start, status
from executions.tests.engine_definitions import epics, note, reviewed, step, workflow
from executions.tests.pretend_worker import PretendWorker, Scripted, backlog, document, drive, prompt

pytestmark = pytest.mark.usefixtures("promises_kept")


def waiting(*roles: str, **policy: object) -> Execution:
    """Return a run whose note waits for acceptance."""
    execution = start(reviewed(*roles, **policy))
    drive(execution, Scripted(note=document(title="First", text="draft")))
    assert status(execution) == "waiting_acceptance"
    return execution


def test_a_document_in_review_is_not_used_until_it_is_accepted() -> None:
    execution = waiting()
    made = Document.objects.get(execution_id=execution.pk)
    gate = open_gate(execution)
    assert made.status == "in_review"
    assert (gate.document_id, gate.document_version, gate.content_sha256) == (made.pk, 1, made.content_sha256)
    assert gate.roles == ["editor"]
    assert drive(execution) == []


def test_accept_takes_what_was_shown_and_goes_on_without_another_call() -> None:
    execution = waiting()
    decision = decide("ed", open_gate(execution), "accept", "Fine.")
    made = Document.objects.get(execution_id=execution.pk)
    assert (made.status, made.version) == ("accepted", 1)
    assert (decision.document_id, decision.content_sha256) == (made.pk, made.content_sha256)
    assert LLMCall.objects.count() == 1
    (claim,) = drive(execution)
    assert claim.path == "after"
    assert "draft" in prompt(claim)
    assert status(execution) == "completed"


def test_request_changes_tells_the_comments_and_opens_a_new_gate_on_a_new_version() -> None:
    execution = waiting()
    first_gate = open_gate(execution)
    comments = [{"path": "/text", "text": "Say more here."}, {"path": "", "text": "Too dry."}]
    decide("ed", first_gate, "request_changes", "Not yet.", comments=comments)
    assert status(execution) == "running"
    (claim,) = drive(execution, Scripted(note=document(title="Second")))
    told = prompt(claim)
    for text in ("Not yet.", "Say more here.", '"/text"', "Too dry.", "draft"):
        assert text in told
    versions = Document.objects.filter(execution_id=execution.pk).order_by("version")
    assert [(row.version, row.status, row.is_latest) for row in versions] == [
        (1, "changes_requested", False),
        (2, "in_review", True),
    ]
    second_gate = open_gate(execution)
    assert second_gate.pk != first_gate.pk
    assert second_gate.document_version == 2
    assert events(execution, "step_retrying") == [{"attempt": 2, "reason": "rework", "findings": []}]
    assert Step.objects.get(execution=execution, path="note").attempt == 2
    decide("eva", second_gate, "accept")
    (after,) = drive(execution)
    assert "Second" in prompt(after)
    assert "draft" not in prompt(after)


def test_a_document_is_sent_back_only_as_often_as_the_policy_says() -> None:
    execution = waiting(max_rework_rounds=1)
    decide("ed", open_gate(execution), "request_changes", "Again.")
    drive(execution)
    with pytest.raises(InvalidState, match="1 times"):
        decide("ed", open_gate(execution), "request_changes", "And again.")
    decide("ed", open_gate(execution), "accept")


def test_a_document_that_may_not_be_sent_back_can_be_rejected() -> None:
    execution = waiting(max_rework_rounds=0)
    with pytest.raises(InvalidState):
        decide("ed", open_gate(execution), "request_changes", "Again.")
    decide("ed", open_gate(execution), "reject", "No.")
    assert status(execution) == "failed"


def test_reject_fails_the_run_and_a_retry_reworks_the_document_with_the_comment() -> None:
    execution = waiting()
    decide("ed", open_gate(execution), "reject", "Wrong subject.")
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "DOCUMENT_REJECTED")
    assert "Wrong subject." in execution.error_detail
    assert history(execution)[-3:] == ["acceptance_decided note", "step_failed note", "execution_failed"]
    assert drive(execution) == []
    retry_execution(actor=person("olga"), execution_id=execution.pk, reason="Look at the brief.")
    (claim,) = drive(execution, Scripted(note=document(title="Second")))
    told = prompt(claim)
    for text in ("Wrong subject.", "Look at the brief.", "draft"):
        assert text in told
    assert open_gate(execution).document_version == 2
    statuses = Document.objects.order_by("version").values_list("version", "status")
    assert list(statuses) == [(1, "rejected"), (2, "in_review")]
    assert history(execution)[-4:] == [
        "execution_retried",
        "step_started note",
        "document_created note",
        "acceptance_needed note",
    ]
    decide("ed", open_gate(execution), "accept")
    drive(execution)
    assert status(execution) == "completed"


def test_a_quorum_takes_that_many_people() -> None:
    execution = waiting(quorum=2)
    gate = open_gate(execution)
    decide("ed", gate, "accept")
    assert status(execution) == "waiting_acceptance"
    assert Document.objects.get(execution_id=execution.pk).status == "in_review"
    with pytest.raises(Conflict, match="already voted"):
        decide("ed", gate, "accept")
    decide("eva", gate, "accept")
    assert [(row["by"], row["decision"]) for row in events(execution, "acceptance_decided")] == [
        ("ed", "accept"),
        ("eva", "accept"),
    ]
    drive(execution)
    assert status(execution) == "completed"


@pytest.mark.parametrize(("decision", "result"), [("reject", "failed"), ("request_changes", "running")])
def test_with_a_quorum_one_refusal_decides(decision: str, result: str) -> None:
    execution = waiting(quorum=3)
    gate = open_gate(execution)
    decide("ed", gate, "accept")
    decide("eva", gate, decision, "No.")
    assert status(execution) == result
    gate.refresh_from_db()
    assert gate.status == "decided"


def test_votes_of_an_older_version_do_not_count_for_the_new_one() -> None:
    execution = waiting(quorum=2)
    decide("ed", open_gate(execution), "accept")
    decide("eva", open_gate(execution), "request_changes", "More.")
    drive(execution)
    decide("eva", open_gate(execution), "accept")
    assert status(execution) == "waiting_acceptance"
    decide("ed", open_gate(execution), "accept")
    assert status(execution) == "running"


def test_four_eyes_keeps_out_who_started_the_run() -> None:
    person("ed", "editor", "operator")
    execution = start(reviewed("editor", four_eyes=True), by="ed")
    drive(execution)
    gate = open_gate(execution)
    with pytest.raises(NotPermitted, match="Four eyes"):
        decide("ed", gate, "accept")
    decide("eva", gate, "accept")
    assert status(execution) == "running"


@pytest.mark.parametrize("name", ["olga", "vic", "nobody", "root"])
def test_only_the_roles_of_the_document_decide_not_even_an_administrator(name: str) -> None:
    execution = waiting()
    with pytest.raises(NotPermitted, match="editor"):
        decide(name, open_gate(execution), "accept")
    assert status(execution) == "waiting_acceptance"
    assert not Decision.objects.exists()


def test_a_user_who_is_named_decides_without_the_role() -> None:
    execution = waiting(users=["vic"])
    decide("vic", open_gate(execution), "accept")
    assert status(execution) == "running"


def test_without_named_roles_operators_decide() -> None:
    value = workflow({"note": {**note(), "acceptance_required": True}}, step("note"))
    execution = start(value)
    drive(execution)
    with pytest.raises(NotPermitted):
        decide("ed", open_gate(execution), "accept")
    decide("olga", open_gate(execution), "accept")
    assert status(execution) == "completed"


def test_a_decision_on_another_version_or_content_is_refused() -> None:
    execution = waiting()
    gate = open_gate(execution)
    with pytest.raises(StaleDocument):
        decide("ed", gate, "accept", document_id=uuid4())
    with pytest.raises(StaleDocument):
        decide("ed", gate, "accept", content_sha256="0" * 64)
    decide("ed", gate, "accept", document_id=gate.document_id, content_sha256=gate.content_sha256)


def test_a_decision_on_a_version_that_was_replaced_is_refused_and_names_who_decided() -> None:
    execution = waiting()
    old = open_gate(execution)
    decide("ed", old, "request_changes", "More.")
    drive(execution)
    with pytest.raises(AlreadyDecided) as refused:
        decide("eva", old, "accept")
    assert (refused.value.by, refused.value.decision) == ("ed", "request_changes")
    with pytest.raises(StaleDocument):
        decide("eva", open_gate(execution), "accept", document_id=old.document_id)


def test_a_second_decision_on_a_gate_is_refused_and_names_the_first() -> None:
    execution = waiting()
    gate = open_gate(execution)
    decide("ed", gate, "accept")
    with pytest.raises(AlreadyDecided, match="ed chose accept"):
        decide("eva", gate, "reject", "No.")
    assert Decision.objects.count() == 1


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"comment": ""}, "/comment"),
        ({"comment": "   "}, "/comment"),
        ({"comment": "a\x00b"}, "/comment"),
        ({"comment": "\ud800"}, "/comment"),
        ({"comment": "x" * 10_001}, "/comment"),
        ({"comments": [{"path": "goals", "text": "x"}]}, "/comments/0/path"),
        ({"comments": [{"path": "/a~2", "text": "x"}]}, "/comments/0/path"),
        ({"comments": [{"path": "/a", "text": " "}]}, "/comments/0/text"),
        ({"comments": [{"path": "/a", "text": "x", "more": 1}]}, "/comments/0"),
        ({"comments": ["x"]}, "/comments/0"),
        ({"comments": [{"path": "", "text": "x"}] * 201}, "/comments"),
    ],
)
def test_a_wrong_comment_is_refused_and_nothing_moves(keys: dict[str, object], path: str) -> None:
    execution = waiting()
    with pytest.raises(Invalid) as refused:
        decide("ed", open_gate(execution), "request_changes", **keys)  # type: ignore[arg-type]
    assert [error.path for error in refused.value.errors] == [path]
    assert status(execution) == "waiting_acceptance"


def test_comments_on_places_are_reason_enough_to_send_a_document_back() -> None:
    execution = waiting()
    decide("ed", open_gate(execution), "request_changes", comments=[{"path": "/title", "text": "Shorter."}])
    assert status(execution) == "running"


def test_a_call_without_a_gate_id_means_the_one_open_gate_that_the_caller_may_decide() -> None:
    types = {"one": note(accepted_by=("editor",)), "two": note(accepted_by=("lawyer",))}
    execution = start(workflow(types, step("one"), step("two")))
    drive(execution)
    lawyer = person("lea", "lawyer")
    gate = the_gate(actor=lawyer, execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)
    assert gate.path == "two"
    both = person("bo", "lawyer", "editor")
    with pytest.raises(GateAmbiguous) as refused:
        the_gate(actor=both, execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)
    assert [path for _, path in refused.value.gates] == ["one", "two"]
    assert the_gate(actor=both, execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=gate.pk) == gate
    with pytest.raises(NotPermitted):
        the_gate(actor=person("vic"), execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)


def test_looking_for_a_gate_where_none_is() -> None:
    execution = waiting()
    ed = person("ed")
    with pytest.raises(GateNotFound):
        the_gate(actor=ed, execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=uuid4())
    with pytest.raises(InvalidState, match="nothing waits for clarification"):
        the_gate(actor=ed, execution_id=execution.pk, kind=GateKind.CLARIFICATION, gate_id=None)
    with pytest.raises(ExecutionNotFound):
        the_gate(actor=person("nobody"), execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)
    decide("ed", open_gate(execution), "accept")
    with pytest.raises(InvalidState, match="accept by ed"):
        the_gate(actor=ed, execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)


def test_waiting_means_that_nothing_else_can_go_on() -> None:
    types = {"one": note(accepted_by=("editor",)), "two": note(), "three": note()}
    execution = start(workflow(types, step("one"), step("two"), step("three", "two")))
    worker = PretendWorker()
    one, two = worker.claim(execution)
    worker.finish(one, Scripted()(one))
    assert status(execution) == "running"
    drive_rest = worker.finish(two, Scripted()(two))
    assert drive_rest is not None
    assert status(execution) == "running"
    worker.finish(drive_rest[0], Scripted()(drive_rest[0]))
    assert status(execution) == "waiting_acceptance"


def test_each_item_has_its_own_gate() -> None:
    execution = start(epics(accepted_by=("editor",)))
    drive(execution, Scripted(backlog=backlog("E1", "E2")))
    assert status(execution) == "waiting_acceptance"
    decide("ed", open_gate(execution, path="per_epic[E2].plan"), "accept")
    assert status(execution) == "waiting_acceptance"
    decide("ed", open_gate(execution, path="per_epic[E1].plan"), "accept")
    assert status(execution) == "completed"


def test_a_gate_of_a_cancelled_run_is_closed() -> None:
    execution = waiting()
    gate = open_gate(execution)
    cancel_execution(actor=person("olga"), execution_id=execution.pk)
    gate.refresh_from_db()
    assert gate.status == "cancelled"
    with pytest.raises(InvalidState):
        decide("ed", gate, "accept")


def test_the_due_date_is_taken_from_the_policy() -> None:
    before = timezone.now()
    execution = waiting(due_in="P2D")
    gate = open_gate(execution)
    assert gate.due_at is not None
    assert timedelta(days=2) <= gate.due_at - before < timedelta(days=2, minutes=5)
    assert events(execution, "acceptance_needed")[0]["due_at"] == gate.due_at.isoformat()


def test_gates_are_never_about_a_document_of_another_series() -> None:
    first, second = waiting(), waiting()
    gates = {gate.execution_id: gate for gate in Gate.objects.all()}
    assert gates[first.pk].document_version == 1
    assert gates[second.pk].document_version == 2
    decide("ed", gates[first.pk], "accept")
    decide("ed", gates[second.pk], "accept")
    (claim,) = drive(first)
    assert 'version="1"' in prompt(claim)
