"""The audit log: every act of people and every refusal, with what they saw and where they came from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from executions.exceptions import Conflict, NotPermitted
from executions.models import AuditAct, AuditEntry, DecisionChannel, Execution, Gate, GateKind
from executions.origin import Origin, coming_from
from executions.services import audit
from executions.services.decisions import the_gate
from executions.services.edits import edit_and_accept
from executions.services.executions import cancel_execution, retry_execution
from executions.services.projects import Members, change_project, create_project
from executions.tests.engine_cast import answer, decide, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single
from executions.tests.pretend_worker import Scripted, asking, document, drive

pytestmark = pytest.mark.django_db

WEB = Origin(channel="api", address="203.0.113.9", request_id="req-1", refused=[])


def waiting(**policy: object) -> Gate:
    execution = start(reviewed(**policy))
    drive(execution, Scripted(note=document(title="First", text="draft")))
    return open_gate(execution)


def entries(*acts: AuditAct) -> list[AuditEntry]:
    """Return the entries of these acts, in order; all but what starts and accounts brought where none is named."""
    rows = AuditEntry.objects.exclude(act__startswith="account.").order_by("id")
    return list(rows.filter(act__in=acts) if acts else rows.exclude(act=AuditAct.EXECUTION_START))


def the_entry(*acts: AuditAct) -> AuditEntry:
    (found,) = entries(*acts)
    return found


def before_of(entry: AuditEntry) -> dict[str, Any]:
    assert entry.before is not None
    return dict(entry.before)


def after_of(entry: AuditEntry) -> dict[str, Any]:
    assert entry.after is not None
    return dict(entry.after)


def test_a_start_says_who_what_when_and_where_from() -> None:
    with coming_from(WEB):
        execution = start(single(), budget=Decimal("2.50"))
    entry = the_entry(AuditAct.EXECUTION_START)
    assert (entry.by, entry.user_id, entry.outcome) == ("olga", person("olga").pk, "done")
    assert (entry.channel, entry.address, entry.request_id) == ("api", "203.0.113.9", "req-1")
    assert (entry.execution_id, entry.project_id, entry.subject) == (execution.pk, "apollo", "test")
    assert entry.at == execution.started_at
    assert after_of(entry)["budget_usd"] == "2.50"


@pytest.mark.parametrize("decision", ["accept", "request_changes", "reject"])
def test_a_decision_says_what_was_seen_by_version_and_hash(decision: str) -> None:
    gate = waiting()
    made = decide("ed", gate, decision, "Because.")
    entry = the_entry()
    assert (entry.act, entry.by, entry.channel, entry.detail) == (f"gate.{decision}", "ed", "api", "Because.")
    assert (entry.gate_id, entry.document_id, entry.document_version) == (gate.pk, gate.document_id, 1)
    assert entry.content_sha256 == gate.content_sha256
    assert entry.after == {"decision_id": made.pk}


def test_comments_and_answers_are_kept() -> None:
    decide("ed", waiting(), "request_changes", comments=[{"path": "/title", "text": "Longer."}])
    assert after_of(the_entry(AuditAct.GATE_REQUEST_CHANGES))["comments"] == [{"path": "/title", "text": "Longer."}]
    execution = start(single(), project="gemini")
    drive(execution, Scripted(note=asking()))
    answer("olga", open_gate(execution, GateKind.CLARIFICATION), {"WHO": "All"})
    assert after_of(the_entry(AuditAct.GATE_ANSWER))["answers"] == {"WHO": "All"}


def test_an_edit_says_what_was_seen_and_what_was_made_of_it() -> None:
    gate = waiting()
    made = edit_and_accept(
        actor=person("ed"),
        gate=gate,
        content={"title": "Second"},
        content_sha256=gate.content_sha256,
        comment="Shorter.",
        channel=DecisionChannel.ADMIN,
        at=timezone.now(),
    )
    edited, accepted = entries()
    assert (edited.act, edited.document_version, edited.content_sha256) == ("gate.edit", 1, gate.content_sha256)
    assert edited.after == {"version": 2, "content_sha256": made.content_sha256, "changed": ["/title", "/text"]}
    assert (accepted.act, accepted.document_version, accepted.gate_id) == ("gate.accept", 2, made.gate_id)


def test_cancel_retry_and_a_raised_budget_say_how_it_was_before() -> None:
    execution = start(reviewed(), budget=Decimal(1))
    drive(execution, Scripted(note=document(title="First")))
    decide("ed", open_gate(execution), "reject", "No.")
    olga = person("olga")
    retry_execution(actor=olga, execution_id=execution.pk, reason="Again.", budget_usd=Decimal(2))
    cancel_execution(actor=olga, execution_id=execution.pk, reason="Enough.")
    cancel_execution(actor=olga, execution_id=execution.pk)
    retried, budget, cancelled = entries()[1:]
    assert (retried.act, before_of(retried)["error_code"], retried.detail) == (
        "execution.retry",
        "DOCUMENT_REJECTED",
        "Again.",
    )
    assert Decimal(before_of(budget)["budget_usd"]) == 1
    assert Decimal(after_of(budget)["budget_usd"]) == 2
    assert (cancelled.act, cancelled.before, cancelled.detail) == ("execution.cancel", {"status": "running"}, "Enough.")


def test_members_of_a_project_are_kept_before_and_after() -> None:
    olga, members = person("olga"), Members(users=["olga"], groups=[])
    create_project(actor=olga, project_id="p", name="P", members=members, at=timezone.now())
    person("ed")
    change_project(actor=olga, project_id="p", name=None, members=Members(users=["olga", "ed"]))
    change_project(actor=olga, project_id="p", name=None, members=Members(users=["olga", "ed"]))
    made, changed = entries()
    assert (made.act, made.after) == ("project.create", {"name": "P", "users": ["olga"], "groups": []})
    assert (before_of(changed)["users"], after_of(changed)["users"]) == (["olga"], ["ed", "olga"])


def refused(act: Any) -> AuditEntry:
    """Have something refused; return what was written of it."""
    with pytest.raises(NotPermitted):
        act()
    entry = AuditEntry.objects.order_by("-id")[0]
    assert entry.outcome == "refused"
    assert entry.detail
    return entry


def test_refusals_are_written_although_what_was_tried_is_rolled_back() -> None:
    gate = waiting()
    execution_id, vic = gate.execution_id, person("vic")
    entry = refused(lambda: decide("vic", gate, "accept", "Mine."))
    assert (entry.act, entry.by, entry.gate_id, entry.document_version) == ("gate.accept", "vic", gate.pk, 1)
    assert refused(lambda: cancel_execution(actor=vic, execution_id=execution_id)).act == "execution.cancel"
    assert refused(lambda: retry_execution(actor=vic, execution_id=execution_id)).act == "execution.retry"
    assert refused(lambda: start(single(), by="vic")).act == "execution.start"
    choose = {"actor": vic, "execution_id": execution_id, "kind": GateKind.ACCEPTANCE, "gate_id": None}
    assert refused(lambda: the_gate(**choose)).act == "gate.decide"  # type: ignore[arg-type]
    members = Members()
    make = {"actor": vic, "project_id": "a\x00b", "name": "", "members": members, "at": timezone.now()}
    assert refused(lambda: create_project(**make)).act == "project.create"  # type: ignore[arg-type]
    assert Execution.objects.get(pk=execution_id).status != "cancelled"


def test_what_is_refused_for_another_reason_than_the_person_is_no_entry() -> None:
    gate = waiting(quorum=2)
    decide("ed", gate, "accept")
    with pytest.raises(Conflict):
        decide("ed", gate, "accept")
    assert [each.act for each in entries()] == ["gate.accept"]


def test_an_act_that_is_rolled_back_leaves_no_entry() -> None:
    with transaction.atomic():
        start(single())
        transaction.set_rollback(True)
    assert entries(AuditAct.EXECUTION_START) == []


def test_a_door_writes_refusals_when_its_own_transaction_is_over() -> None:
    gate, refusals = waiting(), list[audit.Entry]()
    person("vic")
    with (
        coming_from(Origin(channel="api", refused=refusals)),
        pytest.raises(NotPermitted),
        transaction.atomic(),
    ):
        decide("vic", gate, "accept")
    assert entries() == []
    audit.write_refused(refusals)
    assert [each.outcome for each in entries()] == ["refused"]


def test_a_direct_post_to_the_api_is_refused_and_written_down_with_its_address_and_request() -> None:
    gate = waiting()
    client = Client(headers={"X-Request-ID": "abc"}, REMOTE_ADDR="2001:db8::1")
    client.force_login(person("vic"))
    url = f"/api/v1/executions/{gate.execution_id}/acceptance"
    for headers in ({}, {"Idempotency-Key": "k1"}):
        response = client.post(url, {"decision": "accept"}, content_type="application/json", headers=headers)
        assert response.status_code == 403
    for entry in entries():
        assert (entry.act, entry.outcome, entry.by) == ("gate.decide", "refused", "vic")
        assert (entry.channel, entry.address, entry.request_id) == ("api", "2001:db8::1", "abc")
    assert len(entries()) == 2


def test_a_direct_post_to_the_desk_is_refused_and_written_down() -> None:
    gate = waiting()
    client = Client()
    user = person("pia", "viewer")
    user.is_staff = True
    user.save()
    client.force_login(user)
    sent = {"decision": "accept", "document_id": str(gate.document_id), "content_sha256": gate.content_sha256}
    client.post(f"/admin/executions/gate/{gate.pk}/decide/", sent)
    entry = the_entry()
    assert (entry.act, entry.outcome, entry.by, entry.channel) == ("gate.accept", "refused", "pia", "admin")


def test_a_log_that_cannot_be_written_does_not_hide_the_refusal(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    entry = audit.Entry(params=(None,) * 18)
    with transaction.atomic():
        audit.write_refused([entry])
    assert "Refusals could not be written" in caplog.text
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.create(at=timezone.now(), act="x", by="x", channel="x", outcome="unheard of")


def test_the_name_of_every_act_fits_its_column() -> None:
    assert max(map(len, AuditAct.values)) <= 32
