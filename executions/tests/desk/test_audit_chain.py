"""The chain over the audit log: sealed behind whoever writes, and any change of what is sealed is found."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from procrastinate.contrib.django import app

from executions import jobs
from executions.models import AuditAct, AuditEntry, AuditSeal
from executions.services import audit, audit_chain
from executions.services.audit_chain import seal, verify


def write(count: int) -> list[int]:
    """Write entries; return their ids."""
    actor = User(pk=7, username="ed")  # not stored: an account that is made is an entry as well
    for number in range(count):
        after = {"value": number, "price": 0.1, "text": "ü\u2028"}
        about = audit.About(subject=f"thing {number}", project_id="apollo")
        audit.record(act=AuditAct.PROJECT_CHANGE, actor=actor, about=about, after=after, detail="why")
    return list(AuditEntry.objects.order_by("id").values_list("id", flat=True))


@contextmanager
def without_triggers() -> Iterator[Any]:
    """Do what only the owner of the database can."""
    with connection.cursor() as cursor:
        for table in ("executions_auditentry", "executions_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in ("executions_auditentry", "executions_auditseal"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def check(*args: str) -> tuple[int, str, str]:
    """Run the command; return how it exits, and what it says where."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("verify_audit", *args, stdout=out, stderr=err)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_entries_are_sealed_in_order_and_the_check_says_so() -> None:
    ids = write(3)
    assert check()[2].startswith("0 entries checked, 3 not sealed yet")
    assert seal() == 3
    assert seal() == 0
    write(2)
    assert seal() == 2
    code, out, err = check()
    checked = verify()
    assert (code, checked.sealed, checked.unsealed, checked.broken) == (0, 5, 0, None)
    assert out.strip() == f"{checked.head_id}:{checked.head}"
    assert "5 entries checked, 0 not sealed yet: the log is whole." in err
    assert AuditSeal.objects.order_by("entry_id").first().entry_id == ids[0]  # type: ignore[union-attr]


@pytest.mark.django_db
def test_many_entries_are_sealed_in_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 2)
    write(5)
    assert seal() == 5
    assert verify().broken is None


@pytest.mark.django_db
@pytest.mark.parametrize("model", [AuditEntry, AuditSeal])
@pytest.mark.parametrize("act", ["update", "delete"])
def test_the_database_refuses_to_change_or_remove(model: Any, act: str) -> None:
    write(1)
    seal()
    rows = model.objects.all()
    change = {"by": "x"} if model is AuditEntry else {"sha256": "x"}
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(**change) if act == "update" else rows.delete()


@pytest.mark.django_db
def test_the_first_broken_entry_is_named_and_the_exit_code_is_1() -> None:
    ids = write(4)
    seal()
    with without_triggers() as cursor:
        cursor.execute("UPDATE executions_auditentry SET by = 'eva' WHERE id >= %s", [ids[1]])
    code, out, err = check()
    assert (code, out) == (1, "")
    assert err.startswith(f"Entry {ids[1]} does not match its seal")
    assert f'"entry_id": {ids[1]}' in check("--json")[1]


@pytest.mark.django_db
def test_a_log_whose_end_was_cut_off_with_its_seals_is_found_by_a_head_kept_elsewhere() -> None:
    ids = write(3)
    seal()
    head = verify()
    with without_triggers() as cursor:
        cursor.execute("DELETE FROM executions_auditentry WHERE id = %s", [ids[2]])
        cursor.execute("DELETE FROM executions_auditseal WHERE entry_id = %s", [ids[2]])
    assert check()[0] == 0
    code, _, err = check("--known", f"{head.head_id}:{head.head}")
    assert code == 1
    assert err.startswith(f"Entry {ids[2]} has a known seal, and is not in the log")


@pytest.mark.django_db
def test_a_log_that_was_written_anew_is_found_by_a_head_kept_elsewhere() -> None:
    write(2)
    seal()
    head = verify()
    with without_triggers() as cursor:
        cursor.execute("UPDATE executions_auditentry SET detail = 'other'")
        cursor.execute("DELETE FROM executions_auditseal")
    seal()
    assert check()[0] == 0
    assert "has another seal" in check("--known", f"{head.head_id}:{head.head}")[2]


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["5", "x:" + "0" * 64, "5:00"])
def test_a_known_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="is not ENTRY:SHA256"):
        call_command("verify_audit", "--known", text)


_COLUMNS = {
    "at": "at + interval '1 us'",
    "act": "'x'",
    "outcome": "'refused'",
    "user_id": "COALESCE(user_id, 0) + 1",
    "by": "by || '.'",
    "channel": "'api'",
    "address": "'1.2.3.4'",
    "request_id": "'x'",
    "project_id": "'other'",
    "execution_id": "gen_random_uuid()",
    "gate_id": "gen_random_uuid()",
    "document_id": "gen_random_uuid()",
    "document_version": "7",
    "content_sha256": "'x'",
    "subject": "subject || '.'",
    "before": "'{}'",
    "after": """jsonb_set("after", '{value}', '99')""",
    "detail": "detail || '.'",
}


def test_every_column_is_under_the_seal() -> None:
    assert {field.column for field in AuditEntry._meta.concrete_fields} == {*_COLUMNS, "id"}


class ChainProperty(TestCase):
    """Whatever is done to sealed entries is found."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), count=st.integers(2, 5))
    def test_any_change_removal_or_insertion_is_found(self, data: st.DataObject, count: int) -> None:
        ids = write(count)
        # Room between them, for what is put in; and their ids come from elsewhere in each example.
        with without_triggers() as cursor:
            cursor.execute("UPDATE executions_auditentry SET id = id * 10")
        ids = [each * 10 for each in ids]
        # The sequence goes on far below: what is new here is above all of these.
        seal()
        assert verify().broken is None
        act = data.draw(st.sampled_from(["change", "remove", "insert", "swap", "seal", "unseal"]))
        at = data.draw(st.integers(0, count - 1))
        with without_triggers() as cursor:
            first = self.tamper(cursor, data, act, ids, at)
        broken = verify().broken
        assert broken is not None
        assert broken.entry_id == first

    def tamper(self, cursor: Any, data: st.DataObject, act: str, ids: list[int], at: int) -> int:
        """Do it; return the entry that is to be named."""
        here = ids[at]
        if act == "change":
            column = data.draw(st.sampled_from(sorted(_COLUMNS)))
            change = f'"{column}" = {_COLUMNS[column]}'
            cursor.execute(f"UPDATE executions_auditentry SET {change} WHERE id = %s", [here])  # noqa: S608 - ours
        elif act == "remove":
            cursor.execute("DELETE FROM executions_auditentry WHERE id = %s", [here])
        elif act == "insert":
            here -= data.draw(st.integers(1, 9))
            columns = ", ".join(f'"{name}"' for name in _COLUMNS)
            copied = f"SELECT %s, {columns} FROM executions_auditentry WHERE id = %s"  # noqa: S608 - ours
            cursor.execute(f"INSERT INTO executions_auditentry (id, {columns}) {copied}", [here, ids[at]])
        elif act == "swap":
            other = ids[at - 1]
            cursor.execute("UPDATE executions_auditentry SET id = 1 WHERE id = %s", [here])
            cursor.execute("UPDATE executions_auditentry SET id = %s WHERE id = %s", [here, other])
            cursor.execute("UPDATE executions_auditentry SET id = %s WHERE id = 1", [other])
            return min(here, other)
        elif act == "seal":
            cursor.execute("UPDATE executions_auditseal SET sha256 = repeat('0', 64) WHERE entry_id = %s", [here])
        else:
            at = min(at, len(ids) - 2)
            cursor.execute("DELETE FROM executions_auditseal WHERE entry_id = %s", [ids[at]])
            return ids[at]
        return here


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_may_still_be_written_below_is_waited_for_and_nobody_who_writes_waits() -> None:
    actor = User(pk=7, username="ed")
    drawn, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                audit.record(
                    act=AuditAct.PROJECT_CHANGE, actor=actor, about=audit.About(subject="early id, late commit")
                )
                drawn.set()
                assert go_on.wait(60)
        finally:
            connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert drawn.wait(60)
    write(1)
    sealed: list[int] = []

    def seal_there() -> None:
        sealed.append(seal())
        connection.close()

    sealer = threading.Thread(target=seal_there)
    sealer.start()
    write(1)
    assert not AuditSeal.objects.exists()
    go_on.set()
    slow.join(60)
    sealer.join(60)
    assert sealed[0] >= 2
    seal()
    checked = verify()
    assert (checked.sealed, checked.unsealed, checked.broken) == (3, 0, None)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_lasts_too_long_puts_sealing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "WAIT_SECONDS", 0.1)
    actor = User(pk=7, username="ed")
    drawn, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                audit.record(act=AuditAct.PROJECT_CHANGE, actor=actor, about=audit.About(subject="slow"))
                drawn.set()
                go_on.wait(60)
        finally:
            connection.close()

    slow = threading.Thread(target=hold)
    slow.start()
    assert drawn.wait(60)
    write(1)
    assert seal() == 0
    go_on.set()
    slow.join(60)
    assert seal() == 2


@pytest.mark.django_db(transaction=True)
def test_a_worker_seals_every_minute() -> None:
    write(2)
    asyncio.run(jobs.seal_audit_log(timestamp=0))
    assert AuditSeal.objects.count() == 2
    assert "executions.seal_audit_log" in {each.task.name for each in app.periodic_registry.periodic_tasks.values()}
