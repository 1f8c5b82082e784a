"""Why calls were made, how documents came to be accepted, and who waited for whom: as the engine leaves it behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from executions.llm import errors as llm
from executions.models import Execution, Gate, GateKind, LLMCall, Step
from executions.services import work
from executions.services.executions import retry_execution
from executions.tests.engine_cast import answer, decide, open_gate, person, start, status
from executions.tests.engine_definitions import note, single, step, workflow
from executions.tests.pretend_worker import PretendWorker, Scripted, asking, document, drive, let_time_pass, sweep
from telemetry import rollup, verification
from telemetry.dashboard import page
from telemetry.dashboard.values import CostSpread, Filter
from telemetry.days import UTC_ZONE
from telemetry.models import SpanSums
from telemetry.queries import Scope
from telemetry.tests.written_ledger import roll_all

pytestmark = pytest.mark.django_db

BAD, GOOD = document(wrong=1), document(title="Good")


def asked(**scope: Any) -> Filter:
    today = timezone.now().date()
    # Whole days, also should midnight pass while a test runs.
    return Filter(scope=Scope(**scope), zone=UTC_ZONE, start=today - timedelta(days=1), end=today + timedelta(days=1))


@pytest.fixture(autouse=True)
def _everything_is_rolled_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "MARGIN", timedelta(seconds=-1))
    monkeypatch.setattr(rollup, "HOLD", timedelta(0))


def causes() -> dict[str, int]:
    """Return how many calls had which cause: by the ledger, and by the sums."""
    by_ledger = {row.cause.value: row.call_count for row in page.rework(asked(), now=timezone.now()).causes}
    roll_all()
    by_sums = {row.cause.value: row.call_count for row in page.rework(asked(), now=timezone.now()).causes}
    assert by_sums == by_ledger
    assert SpanSums.objects.exists()
    assert list(verification.differences()) == []
    return {cause: count for cause, count in by_sums.items() if count}


def gated(**policy: Any) -> Execution:
    return start(workflow({"note": note(accepted_by=("editor",), **policy)}, step("note", may_ask=False)))


def again(execution: Execution) -> None:
    retry_execution(actor=person("olga"), execution_id=execution.pk)


def corrected() -> None:
    drive(start(single()), Scripted(note=[BAD, GOOD]))


def answered() -> None:
    execution = start(single())
    script = Scripted(note=[asking(), GOOD])
    drive(execution, script)
    answer("olga", open_gate(execution, GateKind.CLARIFICATION), {"WHO": "Everybody"})
    drive(execution, script)


def reworked() -> None:
    execution = gated()
    drive(execution)
    decide("ed", open_gate(execution), "request_changes", "Shorter, please.")
    drive(execution)


def rejected_and_retried() -> None:
    execution = gated()
    drive(execution)
    decide("ed", open_gate(execution), "reject", "No.")
    again(execution)
    drive(execution)


def provider_failed() -> None:
    execution = start(single())
    script = Scripted(note=[llm.Overloaded("busy"), GOOD])
    drive(execution, script)
    let_time_pass(execution)
    drive(execution, script)


def worker_lost() -> None:
    execution = start(single())
    worker = PretendWorker()
    worker.claim(execution)
    worker.die()
    sweep()
    drive(execution)


def released() -> None:
    execution = start(single())
    (claim,) = PretendWorker().claim(execution)
    work.release(claim)
    drive(execution)


def failed_and_retried() -> None:
    execution = start(single(max_attempts=1))
    drive(execution, Scripted(note=[BAD]))
    assert status(execution) == "failed"
    again(execution)
    drive(execution)


@pytest.mark.parametrize(
    ("happening", "cause"),
    [
        (corrected, "correction"),
        (answered, "answer"),
        (reworked, "rework"),
        (rejected_and_retried, "rework"),
        (provider_failed, "provider"),
        (worker_lost, "worker"),
        (released, "worker"),
        (failed_and_retried, "retry"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_the_second_call_of_a_step_has_the_cause_that_it_was_made_for(
    happening: Callable[[], None], cause: str
) -> None:
    happening()
    assert causes() == {"first": 1, cause: 1}


def test_documents_are_counted_as_accepted_and_those_of_the_first_version_apart() -> None:
    accepted_at_once, sent_back, waiting = gated(), gated(), gated()
    for execution in (accepted_at_once, sent_back, waiting):
        drive(execution)
    decide("ed", open_gate(accepted_at_once), "accept")
    decide("ed", open_gate(sent_back), "request_changes", "Shorter, please.")
    drive(sent_back)
    decide("ed", open_gate(sent_back), "accept")
    for is_rolled in (False, True):
        if is_rolled:
            roll_all()
        cards = page.cards(asked(), now=timezone.now())
        assert (cards.accepted_count.now, cards.first_pass_rate.now) == (2, 0.5)
        assert cards.spend_usd.now is not None
        assert cards.cost_per_accepted_usd.now == cards.spend_usd.now / 2
        assert page.cards(asked(step_id="other"), now=timezone.now()).accepted_count.now == 0
        assert page.cards(asked(model="any"), now=timezone.now()).accepted_count.now is None
        (row,) = page.workflows(asked(), now=timezone.now())
        assert (row.accepted_count, row.execution_count, row.tries_per_document) == (2, 3, 1.33)
        assert row.people is not None
        assert row.people.count == 3
        check_document_cost(row.document_cost)
        (of_step,) = page.workflow_steps(asked(workflow_id=row.workflow_id), now=timezone.now())
        assert of_step.document_cost == row.document_cost
    assert list(verification.differences()) == []


def check_document_cost(shown: CostSpread | None) -> None:
    """Of the two accepted documents one took one call, the other two. A percentile is at most a tenth off."""
    assert shown is not None
    one, two = sorted(
        Step.objects.filter(status="completed").annotate(cost=Sum("calls__cost_usd")).values_list("cost", flat=True)
    )
    assert shown.count == 2
    for told, exact in ((shown.p50_usd, one), (shown.p95_usd, two)):
        assert told is not None
        assert abs(told - exact) <= max(exact / 10, Decimal("0.000001"))


def test_a_document_with_a_call_without_a_price_is_not_among_what_documents_cost() -> None:
    known, unknown = gated(), gated()
    for execution in (known, unknown):
        drive(execution)
    LLMCall.objects.filter(execution=unknown).update(cost_usd=None)
    for execution in (known, unknown):
        decide("ed", open_gate(execution), "accept")
    assert Gate.objects.get(execution=known).cost_usd == LLMCall.objects.get(execution=known).cost_usd
    assert Gate.objects.get(execution=unknown).cost_usd is None
    (row,) = page.workflows(asked(), now=timezone.now())
    assert row.document_cost is not None
    assert (row.accepted_count, row.document_cost.count) == (2, 1)


def test_waiting_for_workers_and_for_people_is_told_apart() -> None:
    execution = gated()
    drive(execution)
    decide("ed", open_gate(execution), "request_changes", "Shorter, please.")
    drive(execution)
    decide("ed", open_gate(execution), "accept")
    begin = timezone.now() - timedelta(hours=5)
    Execution.objects.update(started_at=begin)
    first, second = execution.steps.get().attempts.order_by("n")
    one, other = Gate.objects.order_by("opened_at")
    # Two seconds for a worker, a minute for the model, an hour for people; then four seconds for a worker.
    times = {
        first: {"started_at": begin + timedelta(seconds=2), "finished_at": begin + timedelta(seconds=62)},
        one: {"opened_at": begin + timedelta(seconds=62), "closed_at": begin + timedelta(seconds=3662)},
        second: {"started_at": begin + timedelta(seconds=3666), "finished_at": begin + timedelta(seconds=3670)},
        other: {"opened_at": begin + timedelta(seconds=3670), "closed_at": begin + timedelta(seconds=3670 + 7200)},
    }
    for row, columns in times.items():
        for name, value in columns.items():
            setattr(row, name, value)
        row.save()
    for is_rolled in (False, True):
        if is_rolled:
            roll_all()
        waits = page.waits(asked(), now=timezone.now())
        assert waits.people is not None
        for spread, p50, p95 in ((waits.queue, 2000, 4000), (waits.people, 3_600_000, 7_200_000)):
            assert spread.count == 2
            assert spread.p50_ms == pytest.approx(p50, rel=0.1)
            assert spread.p95_ms == pytest.approx(p95, rel=0.1)
        assert waits.model.p50_ms == pytest.approx(1200, rel=0.1)
        assert page.waits(asked(model="any"), now=timezone.now()).people is None
