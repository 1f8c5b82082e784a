"""Sound executions have no violations; each broken promise is found, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from executions.models import Execution
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.driving import Scripted, asking, backlog, document, drive
from executions.tests.engine_cast import answer, decide, open_gate, person, start
from executions.tests.engine_definitions import chain, epics, reviewed, single
from executions.verification import verify_executions

pytestmark = pytest.mark.django_db


@pytest.fixture
def tamper() -> Callable[..., None]:
    """Change rows behind the back of every trigger and constraint trigger."""

    def change(sql: str, *params: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(sql, params)
            cursor.execute("SET LOCAL session_replication_role = origin")

    return change


def found(execution: Execution) -> list[tuple[str, str]]:
    return [(violation.invariant, violation.detail) for violation in verify_executions([execution.pk])]


def invariants(execution: Execution) -> set[str]:
    return {invariant for invariant, _ in found(execution)}


@pytest.fixture
def accepted() -> Execution:
    """A completed run with a question, a rework and an acceptance behind it."""
    execution = start(reviewed("editor"))
    drive(execution, Scripted(note=asking()))
    answer("olga", open_gate(execution, kind=_CLARIFICATION), {"WHO": "Everybody."})
    drive(execution)
    decide("ed", open_gate(execution), "request_changes", "Shorter.")
    drive(execution)
    decide("ed", open_gate(execution), "accept")
    drive(execution)
    return execution


_CLARIFICATION: Any = "clarification"


def test_sound_executions_of_every_kind_have_no_violations(accepted: Execution) -> None:
    drive(start(epics()), Scripted(backlog=backlog("E1", "E2")))
    waiting = start(epics(accepted_by=("editor",)), project="other")
    drive(waiting, Scripted(backlog=backlog("E1", "E2")))
    decide("ed", open_gate(waiting, path="per_epic[E1].plan"), "reject", "No.")
    retry_execution(actor=person("olga"), execution_id=waiting.pk)
    cancelled = start(chain(3))
    cancel_execution(actor=person("olga"), execution_id=cancelled.pk)
    start(single())
    failed = start(chain(2))
    drive(failed, Scripted(s1=[document(wrong=1)] * 3))
    assert verify_executions() == []
    assert verify_executions([accepted.pk, failed.pk]) == []


def test_many_executions_are_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executions.verification.CHUNK_SIZE", 2)
    for _ in range(5):
        drive(start(single()))
    assert verify_executions() == []


def test_a_document_without_its_attempt_breaks_i2(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper("UPDATE executions_attempt SET status = 'failed' WHERE execution_id = %s AND n = 2", accepted.pk)
    assert ("I2", "note: 1 succeeded attempts brought a document, 2 are stored") in found(accepted)


def test_an_attempt_that_nobody_holds_breaks_i2(tamper: Callable[..., None]) -> None:
    execution = start(single())
    drive(execution)
    tamper("UPDATE executions_attempt SET status = 'running' WHERE execution_id = %s", execution.pk)
    assert {"I2", "I8"} <= invariants(execution)


def test_a_gap_between_versions_breaks_i3(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper("UPDATE documents_document SET version = 3 WHERE execution_id = %s AND version = 2", accepted.pk)
    assert ("I3", "note of apollo: 2 versions from 1 to 3; 1 of them the latest (version 3)") in found(accepted)


def test_a_series_without_a_latest_version_breaks_i3(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper("UPDATE documents_document SET is_latest = false WHERE execution_id = %s", accepted.pk)
    assert ("I3", "note of apollo: 2 versions from 1 to 2; 0 of them the latest (version None)") in found(accepted)


def test_a_changed_content_breaks_i3(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper(
        'UPDATE documents_document SET content = \'{"title": "Forged"}\' WHERE execution_id = %s AND version = 1',
        accepted.pk,
    )
    details = [detail for invariant, detail in found(accepted) if invariant == "I3"]
    assert any("the stored hash is" in detail for detail in details)


def test_a_content_that_its_schema_refuses_breaks_i3(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper(
        "UPDATE documents_document SET content = '{}', content_sha256 ="
        " '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'"
        " WHERE execution_id = %s AND version = 1 AND document_type = 'after'",
        accepted.pk,
    )
    details = [detail for invariant, detail in found(accepted) if invariant == "I3"]
    assert len(details) == 1
    assert "does not match its schema" in details[0]


def test_a_missing_event_breaks_i4_and_i5(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper(
        "DELETE FROM executions_event WHERE execution_id = %s AND event_type = 'step_completed' AND path = 'note'",
        accepted.pk,
    )
    assert {"I4", "I5"} <= invariants(accepted)
    assert ("I5", "note: the events add up to waiting_acceptance, stored is completed") in found(accepted)


def test_a_wrong_last_seq_breaks_i4(accepted: Execution, tamper: Callable[..., None]) -> None:
    last = Execution.objects.get(pk=accepted.pk).last_seq
    tamper("UPDATE executions_execution SET last_seq = last_seq + 1 WHERE id = %s", accepted.pk)
    assert found(accepted) == [("I4", f"last_seq is {last + 1}, the last event is {last}")]


def test_an_execution_without_events_breaks_i4(tamper: Callable[..., None]) -> None:
    execution = start(single())
    tamper("DELETE FROM executions_event WHERE execution_id = %s", execution.pk)
    assert ("I4", "the execution has no events") in found(execution)


def test_a_status_that_the_events_do_not_tell_breaks_i5_and_i8(tamper: Callable[..., None]) -> None:
    execution = start(chain(2))
    drive(execution, Scripted(s1=[document(wrong=1)] * 3))
    tamper("UPDATE executions_execution SET status = 'completed' WHERE id = %s", execution.pk)
    assert ("I5", "the events add up to failed, stored is completed") in found(execution)
    assert ("I8", "is completed, but its steps make it failed") in found(execution)


def test_a_document_that_no_event_tells_of_breaks_i5(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper(
        "INSERT INTO documents_document (id, project_id, scope_type, scope_id, document_type, version, is_latest,"
        " status, title, summary, content, content_sha256, created_at, created_by, created_by_step, execution_id,"
        " is_offline)"
        " SELECT %s, project_id, scope_type, scope_id, document_type, 3, false, status, title, summary, content,"
        " content_sha256, created_at, created_by, created_by_step, execution_id, is_offline"
        " FROM documents_document WHERE execution_id = %s AND document_type = 'note' AND version = 2",
        uuid4(),
        accepted.pk,
    )
    assert {"I2", "I3", "I5"} <= invariants(accepted)


def test_a_sum_that_the_ledger_does_not_have_breaks_i6(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper("UPDATE executions_execution SET cost_usd = cost_usd + 1, reserved_usd = 2 WHERE id = %s", accepted.pk)
    details = [detail for invariant, detail in found(accepted) if invariant == "I6"]
    assert [detail.split(" is ")[0] for detail in details] == ["cost_usd", "reserved_usd"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE executions_gate SET closed_at = NULL WHERE execution_id = %s", "which its closing time contradicts"),
        (
            "UPDATE executions_decision SET user_id = NULL WHERE gate_id IN"
            " (SELECT id FROM executions_gate WHERE execution_id = %s)",
            "without an actor or a time",
        ),
        (
            "UPDATE executions_decision SET content_sha256 = 'x' WHERE document_id IS NOT NULL AND gate_id IN"
            " (SELECT id FROM executions_gate WHERE execution_id = %s)",
            "on another version than it shows, or with another hash",
        ),
        (
            "UPDATE executions_decision SET decision = 'accept' WHERE decision = 'request_changes' AND gate_id IN"
            " (SELECT id FROM executions_gate WHERE execution_id = %s AND kind = 'acceptance');"
            " UPDATE executions_gate SET quorum = 2",
            "is decided with 1 acceptances of 2 and 0 refusals",
        ),
        (
            "DELETE FROM executions_decision WHERE decision = 'answer' AND gate_id IN"
            " (SELECT id FROM executions_gate WHERE execution_id = %s)",
            "is decided with 0 answers",
        ),
        (
            "DELETE FROM executions_event WHERE event_type = 'acceptance_decided' AND execution_id = %s",
            "was opened 1 times and decided 0 times, with 1 decisions",
        ),
    ],
)
def test_a_forged_decision_breaks_i7(accepted: Execution, tamper: Callable[..., None], sql: str, words: str) -> None:
    tamper(sql, accepted.pk)
    details = [detail for invariant, detail in found(accepted) if invariant == "I7"]
    assert any(words in detail for detail in details), details


def test_an_event_after_the_end_breaks_i8(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper(
        "INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)"
        " SELECT id, last_seq + 1, 'step_started', 'note', 'note', now(), '{}' FROM executions_execution WHERE id = %s",
        accepted.pk,
    )
    details = [detail for invariant, detail in found(accepted) if invariant == "I8"]
    assert any("follows execution_completed" in detail for detail in details)


def test_a_step_that_is_alive_in_a_cancelled_execution_breaks_i8(tamper: Callable[..., None]) -> None:
    execution = start(chain(2))
    cancel_execution(actor=person("olga"), execution_id=execution.pk)
    tamper("UPDATE executions_step SET status = 'running' WHERE execution_id = %s AND path = 's1'", execution.pk)
    assert ("I8", "is cancelled, but s1 is running") in found(execution)


def test_a_waiting_status_is_checked_against_what_could_start(tamper: Callable[..., None]) -> None:
    execution = start(reviewed("editor"))
    drive(execution)
    assert found(execution) == []
    tamper("UPDATE executions_execution SET status = 'running' WHERE id = %s", execution.pk)
    assert found(execution) == [("I8", "is running, but its steps make it waiting_acceptance")]


def verify(*arguments: str) -> tuple[object, str, str]:
    stdout, stderr = StringIO(), StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("verify", *arguments, stdout=stdout, stderr=stderr)
    return end.value.code, stdout.getvalue(), stderr.getvalue()


def test_the_command_says_that_all_is_well(accepted: Execution) -> None:
    assert verify() == (0, "", "1 execution checked: no violation.\n")
    assert verify(str(accepted.pk))[0] == 0


def test_the_command_prints_each_violation_and_exits_1(accepted: Execution, tamper: Callable[..., None]) -> None:
    tamper("UPDATE executions_execution SET last_seq = 99 WHERE id = %s", accepted.pk)
    last = accepted.events.count()
    detail = f"last_seq is 99, the last event is {last}"
    assert verify() == (1, f"I4 {accepted.pk}: {detail}\n", "1 execution checked: 1 violation.\n")
    code, stdout, _ = verify("--json")
    assert code == 1
    violation = {"invariant": "I4", "execution_id": str(accepted.pk), "detail": detail}
    assert json.loads(stdout) == {"checked_count": 1, "violations": [violation]}


def test_the_command_knows_an_unknown_execution() -> None:
    unknown = uuid4()
    assert verify(str(unknown)) == (4, "", f"There is no execution {unknown}.\n")
