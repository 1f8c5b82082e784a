"""Gates whose policy acts by itself: reminders, escalation, and what happens when the time is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from documents.models import Document
from executions.exceptions import AlreadyDecided, InvalidState, NotPermitted
from executions.models import Decision, DecisionChannel, DecisionKind, Execution, Gate, GateNotice, LLMCall, Project
from executions.models.execution import END_OF_TIME
from executions.services import policies
from executions.services.access import gates_waiting_for, may_decide, refusal
from executions.services.decisions import Verdict, record_decision
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.admin.desk import in_question
from executions.tests.engine_cast import decide, events, history, open_gate, person, start, status
from executions.tests.engine_definitions import note, reviewed, step, workflow
from executions.tests.pretend_worker import Scripted, document, drive

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("promises_kept")]

HOUR = timedelta(hours=1)


def reachable(name: str, *roles: str) -> User:
    """Return an account of the cast that can be mailed."""
    user = person(name, *roles)
    User.objects.filter(pk=user.pk).update(email=f"{name}@example.org")
    return User.objects.get(pk=user.pk)


def waiting(**policy: Any) -> Gate:
    """Return the gate of a run whose note waits for an editor, ten hours at most where nothing else is said."""
    execution = start(reviewed("editor", **({"due_in": "PT10H"} | policy)))
    drive(execution, Scripted(note=document(title="First", text="draft")))
    return open_gate(execution)


def told(gate: Gate) -> list[str]:
    """Return who was told what of a gate, in order."""
    rows = GateNotice.objects.filter(gate=gate).order_by("created_at", "kind", "n", "user__username")
    return [f"{row.kind} {row.user.username}" for row in rows.select_related("user")]


def pass_hours(gate: Gate, *hours: float) -> None:
    """Have a worker look when so many hours have passed since the gate was opened."""
    for each in hours:
        policies.act(at=gate.opened_at + each * HOUR)


def test_people_are_told_at_the_opening_at_half_of_the_time_at_its_end_and_then_every_so_often() -> None:
    reachable("ed")
    reachable("vic")
    gate = waiting(remind_every="PT3H")
    pass_hours(gate, 0, 0.1, 4.9)
    assert told(gate) == ["opened ed"]
    pass_hours(gate, 5, 5.1, 9.9)
    assert told(gate) == ["opened ed", "reminder ed"]
    pass_hours(gate, 10, 12.9)
    assert told(gate)[2:] == ["reminder ed"]
    pass_hours(gate, 13, 13.5, 16)
    assert told(gate)[3:] == ["reminder ed", "reminder ed"]
    gate.refresh_from_db()
    assert (gate.status, gate.act_at) == ("open", gate.opened_at + 19 * HOUR)


def test_what_was_missed_while_no_worker_was_there_is_made_up_for_once() -> None:
    reachable("ed")
    gate = waiting(remind_every="PT1H")
    pass_hours(gate, 0, 40.5, 40.6)
    assert told(gate) == ["opened ed", "reminder ed"]
    pass_hours(gate, 41)
    assert told(gate)[2:] == ["reminder ed"]


def test_without_a_due_time_people_are_reminded_from_the_opening_on() -> None:
    reachable("ed")
    gate = waiting(due_in=None, remind_every="PT4H")
    pass_hours(gate, 0, 3.9, 4, 8)
    assert told(gate) == ["opened ed", "reminder ed", "reminder ed"]


def test_a_gate_without_any_time_is_looked_at_once() -> None:
    gate = waiting(due_in=None)
    pass_hours(gate, 0)
    gate.refresh_from_db()
    assert gate.act_at == END_OF_TIME
    assert policies.act(at=gate.opened_at + 100_000 * HOUR) == 0


def test_only_those_are_told_who_may_decide_see_it_can_be_mailed_want_it_and_have_not_voted() -> None:
    for name, roles in (("ed", ["editor"]), ("eva", ["editor"]), ("ella", ["editor"]), ("vic", ["viewer"])):
        reachable(name, *roles)
    person("mute", "editor")
    gone = reachable("gone", "editor")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    reachable("root")
    Project.objects.create(pk="apollo", created_at=timezone.now())
    gate = waiting(quorum=3)
    Project.objects.get(pk="apollo").users.add(person("ed"), person("eva"), person("mute"))
    pass_hours(gate, 0)
    assert told(gate) == ["opened ed", "opened eva"]
    decide("ed", gate, "accept")
    pass_hours(gate, 5)
    assert told(gate)[2:] == ["reminder eva"]


def test_who_started_the_run_is_not_told_of_what_four_eyes_keep_from_them() -> None:
    person("both", "editor", "operator")
    reachable("both")
    reachable("ed")
    execution = start(reviewed("editor", four_eyes=True), by="both")
    drive(execution)
    pass_hours(open_gate(execution), 0)
    assert told(open_gate(execution)) == ["opened ed"]


def test_at_the_due_time_further_groups_are_told_and_may_decide() -> None:
    reachable("ed")
    boss = reachable("boss", "head")
    gate = waiting(escalate_to=["head"])
    pass_hours(gate, 0, 9.9)
    assert not may_decide(boss, Gate.objects.get(pk=gate.pk))
    assert not gates_waiting_for(Gate.objects.all(), boss).exists()
    with pytest.raises(NotPermitted, match="editor"):
        decide("boss", gate, "accept")
    pass_hours(gate, 10, 10.1)
    assert told(gate) == ["opened ed", "reminder ed", "escalated boss", "reminder ed"]
    gate.refresh_from_db()
    assert (gate.escalated_to, gate.roles, gate.deciding_roles) == (["head"], ["editor"], ["editor", "head"])
    assert gate.escalated_at is not None
    assert gates_waiting_for(Gate.objects.all(), boss).exists()
    assert "editor, head" in (refusal(person("vic"), gate) or "")
    decide("boss", gate, "accept")
    assert status(gate.execution) == "running"


def test_where_operators_decide_escalation_keeps_them_in() -> None:
    value = workflow({"note": {**note(), "acceptance_required": True}}, step("note"))
    value["document_types"]["note"]["acceptance"] = {"due_in": "PT10H", "escalate_to": ["head"]}
    execution = start(value)
    drive(execution)
    gate = open_gate(execution)
    pass_hours(gate, 0, 10)
    gate.refresh_from_db()
    assert gate.deciding_roles == ["operator", "head"]
    people = {"olga": True, "root": True, "ed": False}
    assert {name: may_decide(person(name), gate) for name in people} == people
    for name in people:
        assert gates_waiting_for(Gate.objects.all(), person(name)).exists() is people[name]
    decide("olga", gate, "accept")


def test_a_time_out_that_fails_ends_the_run_and_tells_everybody_concerned() -> None:
    reachable("ed")
    reachable("boss", "head")
    gate = waiting(on_timeout="fail", escalate_to=["head"])
    pass_hours(gate, 0, 9.9)
    assert status(gate.execution) == "waiting_acceptance"
    pass_hours(gate, 10, 10.1)
    gate.refresh_from_db()
    assert (gate.status, gate.closed_at is not None) == ("expired", True)
    execution = Execution.objects.get(pk=gate.execution_id)
    assert (execution.status, execution.error_code) == ("failed", "GATE_EXPIRED")
    assert "Nobody decided on note" in execution.error_detail
    assert history(execution)[-2:] == ["step_failed note", "execution_failed"]
    assert told(gate)[2:] == ["ended boss", "ended ed"]
    assert Document.objects.get(execution_id=execution.pk).status == "in_review"
    with pytest.raises(InvalidState, match="expired"):
        decide("ed", gate, "accept")


def test_a_retry_after_a_time_out_asks_again_about_the_same_version_without_another_call() -> None:
    gate = waiting(on_timeout="fail")
    pass_hours(gate, 0, 10)
    retry_execution(actor=person("olga"), execution_id=gate.execution_id, reason="They were away.")
    again = open_gate(gate.execution)
    assert again.pk != gate.pk
    assert (again.document_id, again.content_sha256) == (gate.document_id, gate.content_sha256)
    assert again.due_at is not None
    assert again.due_at > timezone.now() + 9 * HOUR
    assert status(gate.execution) == "waiting_acceptance"
    assert drive(gate.execution) == []
    assert LLMCall.objects.count() == 1
    decide("ed", again, "accept")
    drive(gate.execution)
    assert status(gate.execution) == "completed"


@pytest.mark.parametrize("votes", [0, 1])
def test_a_time_out_that_accepts_is_the_decision_of_the_policy(votes: int) -> None:
    reachable("ed")
    gate = waiting(on_timeout="accept", quorum=3)
    if votes:
        decide("ed", gate, "accept")
    pass_hours(gate, 0, 10, 10.1)
    decision = Decision.objects.get(gate=gate, channel=DecisionChannel.POLICY)
    assert (decision.user, decision.by, decision.decision) == (None, "policy", "accept")
    assert decision.content_sha256 == gate.content_sha256
    assert events(gate.execution, "acceptance_decided")[-1]["by"] == "policy"
    assert Document.objects.get(execution_id=gate.execution_id).status == "accepted"
    assert status(gate.execution) == "running"
    with pytest.raises(AlreadyDecided, match="policy chose accept"):
        decide("eva", gate, "reject", "Too late.")
    drive(gate.execution)
    assert status(gate.execution) == "completed"


@pytest.mark.parametrize("on_timeout", [None, "fail"])
def test_nothing_is_accepted_for_people_unless_the_definition_says_so(on_timeout: str | None) -> None:
    gate = waiting(on_timeout=on_timeout)
    assert gate.due_at is not None
    with pytest.raises(InvalidState, match="does not decide there by itself"):
        by_policy(gate, gate.due_at)
    if on_timeout is None:
        pass_hours(gate, 0, 10, 10_000)
        assert status(gate.execution) == "waiting_acceptance"


def test_the_policy_decides_neither_too_early_nor_anything_else() -> None:
    gate = waiting(on_timeout="accept")
    assert gate.due_at is not None
    with pytest.raises(InvalidState, match="not yet"):
        by_policy(gate, gate.due_at - timedelta(seconds=1))
    with pytest.raises(InvalidState):
        by_policy(gate, gate.due_at, DecisionKind.REJECT)
    assert not Decision.objects.exists()


def by_policy(gate: Gate, at: datetime, decision: DecisionKind = DecisionKind.ACCEPT) -> Decision:
    verdict = Verdict(decision=decision)
    return record_decision(actor=None, gate=gate, verdict=verdict, channel=DecisionChannel.POLICY, at=at)


def test_what_was_decided_or_cancelled_in_time_does_not_time_out() -> None:
    decided, cancelled = waiting(on_timeout="fail"), waiting(on_timeout="fail")
    decide("ed", decided, "accept")
    cancel_execution(actor=person("olga"), execution_id=cancelled.execution_id)
    assert policies.act(at=decided.opened_at + 100 * HOUR) == 0
    assert (status(decided.execution), status(cancelled.execution)) == ("running", "cancelled")


def test_time_in_which_the_run_is_failed_does_not_count() -> None:
    types = {
        "one": note(accepted_by=("editor",), due_in="PT10H", on_timeout="fail"),
        "two": note(accepted_by=("editor",)),
    }
    reachable("ed")
    execution = start(workflow(types, step("one"), step("two")))
    drive(execution)
    gate = open_gate(execution, path="one")
    pass_hours(gate, 0)
    decide("ed", open_gate(execution, path="two"), "reject", "No.")
    assert status(execution) == "failed"
    pass_hours(gate, 5, 20)
    assert told(gate) == ["opened ed"]
    assert (status(execution), open_gate(execution, path="one").act_at) == ("failed", END_OF_TIME)
    Execution.objects.filter(pk=execution.pk).update(completed_at=timezone.now() - 30 * HOUR)
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    gate.refresh_from_db()
    assert gate.due_at is not None
    assert gate.due_at - gate.opened_at >= 40 * HOUR
    pass_hours(gate, 15, 20.1, 39)
    assert status(execution) != "failed"
    assert told(gate) == ["opened ed", "reminder ed"], "the opening is told once"
    pass_hours(gate, 40.1)
    assert Gate.objects.get(pk=gate.pk).status == "expired"


def test_a_gate_that_cannot_be_acted_on_does_not_keep_the_others_waiting(caplog: pytest.LogCaptureFixture) -> None:
    broken, other = waiting(on_timeout="fail"), waiting(on_timeout="fail")
    pass_hours(broken, 0)
    Gate.objects.filter(pk=broken.pk).update(policy={"on_timeout": "fail", "remind_every": "soon"}, path="nowhere")
    assert policies.act(at=other.opened_at + 10 * HOUR) == 1
    assert Gate.objects.get(pk=other.pk).status == "expired"
    assert "A policy could not act" in caplog.text
    Gate.objects.filter(pk=broken.pk).update(path=broken.path)


def test_questions_are_told_to_those_who_may_answer() -> None:
    for name in ("olga", "ed", "vic", "root"):
        reachable(name)
    gate = in_question()
    pass_hours(gate, 0)
    assert told(gate) == ["opened olga", "opened root"]
