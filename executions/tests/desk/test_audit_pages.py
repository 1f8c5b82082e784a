"""The audit log at the desk: for administrators, to read."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from executions.models import AuditAct, AuditEntry
from executions.services import audit, audit_chain
from executions.tests.admin.desk import at_desk, in_review
from executions.tests.engine_cast import decide, person

pytestmark = pytest.mark.django_db

LIST = "admin:executions_auditentry_changelist"
ONE = "admin:executions_auditentry_change"


@pytest.fixture
def root() -> Client:
    return at_desk("root")


def text(client: Client, query: str = "") -> str:
    response = client.get(f"{reverse(LIST)}{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_administrators_read_who_did_what_and_what_was_seen(root: Client) -> None:
    gate = in_review()
    decide("ed", gate, "reject", "<script>alert(1)</script>")
    audit_chain.seal()
    assert "rejected" in text(root)
    entry = AuditEntry.objects.get(act=AuditAct.GATE_REJECT)
    page = root.get(reverse(ONE, args=(entry.pk,))).content.decode()
    assert gate.content_sha256 in page
    assert f"{entry.pk}:" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("name", ["ed", "olga", "vic"])
def test_nobody_else_sees_that_there_is_one(name: str) -> None:
    decide("ed", in_review(), "accept")
    entry = AuditEntry.objects.order_by("id")[0]
    client = at_desk(name)
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(reverse(ONE, args=(entry.pk,))).status_code in (403, 404)
    assert "audit log" not in client.get(reverse("admin:index")).content.decode().lower()


def test_nothing_can_be_changed_there(root: Client) -> None:
    decide("ed", in_review(), "accept")
    entry = AuditEntry.objects.order_by("id")[0]
    for url in (reverse(ONE, args=(entry.pk,)), reverse("admin:executions_auditentry_delete", args=(entry.pk,))):
        assert root.post(url, {"post": "yes", "by": "eva"}).status_code == 403
    assert root.get(reverse("admin:executions_auditentry_add")).status_code == 403


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?outcome__exact=refused", False),
        ("?outcome__exact=done", True),
        ("?act=gate.accept", True),
        ("?act=gate.reject", False),
        ("?act=nonsense", False),
        ("?channel=api", True),
        ("?channel=policy", False),
        ("?days=1", True),
        ("?days=x", True),
        ("?q=ed", True),
        ("?q=eva", False),
        ("?q=no-uuid", False),
    ],
)
def test_the_list_is_filtered_and_searched(root: Client, query: str, shown: bool) -> None:
    decide("ed", in_review(), "accept")
    response = root.get(f"{reverse(LIST)}{query}", follow=True)
    assert response.status_code == 200
    assert ('<td class="field-by">ed</td>' in response.content.decode()) is shown


def test_a_long_list_takes_no_more_queries(root: Client) -> None:
    actor = person("ed")
    audit.record(act=AuditAct.PROJECT_CHANGE, actor=actor, about=audit.About(project_id="p"))
    text(root)
    with CaptureQueriesContext(connection) as few:
        text(root)
    for number in range(60):
        audit.record(act=AuditAct.PROJECT_CHANGE, actor=actor, about=audit.About(project_id=f"p{number}"))
    with CaptureQueriesContext(connection) as many:
        text(root)
    assert len(few) == len(many) <= 16
