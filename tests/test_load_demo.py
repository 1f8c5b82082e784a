"""The demo is real data: what the engine promises holds for it, in the past as well as now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from documents.models import Document
from executions.models import (
    Attempt,
    AuditEntry,
    Decision,
    Event,
    Execution,
    ExecutionStatus,
    Gate,
    GateStatus,
    LLMCall,
)
from executions.services import audit_chain
from executions.services.budgets import states
from executions.verification import verify_executions
from telemetry import rollup
from telemetry.verification import differences

pytestmark = pytest.mark.django_db


def load_demo(*options: str) -> str:
    output = StringIO()
    call_command("load_demo", *options, stdout=output, stderr=StringIO())
    return output.getvalue()


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Load it once, for all tests that only look, into a database whose sums have come further than the demo goes."""
    with django_db_blocker.unblock(), transaction.atomic():
        while rollup.roll_up():
            pass
        yield load_demo()
        transaction.set_rollback(True)


def test_it_brings_forty_runs_in_every_state(demo: str) -> None:
    assert demo.startswith("Loaded 40 executions")
    counts = Counter(Execution.objects.values_list("status", flat=True))
    assert set(counts) == set(ExecutionStatus.values)
    assert counts.total() == 40
    assert counts["completed"] >= 20
    assert Execution.objects.values("workflow_id").distinct().count() == 3
    assert set(Execution.objects.filter(status="failed").values_list("error_code", flat=True)) == {
        *("OUTPUT_INVALID", "MODEL_REFUSED", "DOCUMENT_REJECTED")
    }


def test_it_keeps_every_promise_of_the_engine_the_ledger_and_the_audit_log(demo: str) -> None:
    assert verify_executions() == []
    assert list(differences()) == []
    assert audit_chain.verify().broken is None
    assert AuditEntry.objects.filter(execution_id__isnull=False).count() > 100


def test_it_happened_in_the_past_month(demo: str) -> None:
    now = timezone.now()
    month = (now - timedelta(days=32), now)
    assert not Event.objects.exclude(timestamp__range=month).exists()
    assert not Document.objects.exclude(created_at__range=month).exists()
    assert not Decision.objects.exclude(decided_at__range=month).exists()
    assert Execution.objects.filter(started_at__lt=now - timedelta(days=21)).exists()
    days = {at.date() for at in LLMCall.objects.values_list("started_at", flat=True)}
    assert len(days) >= 18
    took = F("finished_at") - F("started_at")
    calls = LLMCall.objects.filter(status="succeeded").annotate(took=took)
    assert all(abs(call.took / timedelta(milliseconds=1) - call.latency_ms) < 2 for call in calls)
    entries = AuditEntry.objects.filter(execution_id__isnull=False).order_by("id").values_list("at", flat=True)
    assert list(entries) == sorted(entries)


def test_there_is_something_of_every_kind_to_see(demo: str) -> None:
    outcomes = set(Attempt.objects.values_list("outcome", flat=True))
    assert {"OUTPUT_INVALID", "OUTPUT_TRUNCATED", "Overloaded", "RateLimited", "Truncated", "worker_lost"} <= outcomes
    calls = LLMCall.objects.all()
    assert set(calls.values_list("status", flat=True)) == {"succeeded", "failed", "cancelled", "lost"}
    assert calls.filter(cache_read_tokens__gt=0).exists()
    assert calls.filter(cache_write_5m_tokens__gt=0).exists()
    assert calls.values("model").distinct().count() == 3
    assert not calls.filter(status="succeeded", is_offline=False).exists()
    assert Document.objects.filter(status="accepted", version=3).count() >= 2
    assert Decision.objects.exclude(comments=[]).count() >= 4
    assert Gate.objects.filter(status=GateStatus.OPEN, due_at__lt=timezone.now()).exists()
    titles = " ".join(Document.objects.values_list("title", flat=True))
    assert "Mardi, pas d’eau" in titles
    assert "قاعة دراسة" in titles
    assert Document.objects.exclude(edits=None).exists()


def test_a_budget_is_used_to_83_percent(demo: str) -> None:
    (budget,) = states(User.objects.get(username="marta"))
    # In the first two hours of a month nothing is used yet.
    assert not budget.spent_usd or abs(budget.spent_usd / budget.amount_usd - Decimal("0.83")) < Decimal("0.001")


def test_it_leaves_the_database_as_it_found_it(demo: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - pg_catalog.now(), (SELECT count(*) FROM procrastinate_workers)")
        assert cursor.fetchone() == (timedelta(0), 0)
        cursor.execute(
            "SELECT count(*) FROM pg_proc WHERE proname IN ('now', 'clock_timestamp', 'statement_timestamp')"
        )
        assert cursor.fetchone() == (3,)
        cursor.execute("SELECT count(DISTINCT args->>'execution_id') FROM procrastinate_jobs WHERE status = 'todo'")
        active = Execution.objects.filter(status__in=("pending", "running"))
        assert cursor.fetchone() == (active.count(),)
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.all().update(event_type="step_started")


def test_a_second_call_changes_nothing(demo: str) -> None:
    last = AuditEntry.objects.latest("id").pk
    assert load_demo().startswith("The demo is there already; nothing was changed.")
    assert Execution.objects.count() == 40
    assert AuditEntry.objects.latest("id").pk == last
