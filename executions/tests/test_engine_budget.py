"""Budgets: reserved before each call, settled after it, never overspent."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from executions.exceptions import Invalid
from executions.llm import errors as llm
from executions.llm import pricing
from executions.models import Execution, LLMCall
from executions.services.executions import retry_execution
from executions.tests.engine_cast import events, person, start, status
from executions.tests.engine_definitions import chain, epics, single
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    backlog,
    document,
    drive,
    let_time_pass,
    sent_progress,
    sweep,
    valid,
)
from executions.values import Claim

pytestmark = pytest.mark.usefixtures("promises_kept")


def bound(claim: Claim) -> Decimal:
    """Return the most that a call can cost."""
    value = pricing.upper_bound(claim.request.model, claim.request_chars, claim.request.max_tokens)
    assert value is not None
    return value


def first_bound() -> Decimal:
    """Return what the first call of the runs below is bounded by."""
    execution = start(single(max_tokens=1000), project="probe")
    (claim,) = PretendWorker().claim(execution)
    return bound(claim)


def dearest(claim: Claim) -> Answer:
    """Return an answer that uses all that the call may use."""
    usage = {
        "input_tokens": 0,
        "cache_creation_input_tokens": claim.request_chars + 1000,
        "output_tokens": claim.request.max_tokens,
    }
    return replace(valid(claim), usage=usage)


def cheap(answer: Answer) -> Answer:
    return replace(answer, usage={"input_tokens": 10, "output_tokens": 10})


def spent(execution: Execution) -> Decimal:
    execution.refresh_from_db()
    return execution.cost_usd


def test_the_bound_of_a_call_is_reserved_before_it_and_given_back_after_it() -> None:
    execution = start(single(), budget=Decimal(10))
    worker = PretendWorker()
    (claim,) = worker.claim(execution)
    execution.refresh_from_db()
    assert execution.reserved_usd == bound(claim).quantize(Decimal("0.0000000001"))
    assert LLMCall.objects.get().reserved_usd == execution.reserved_usd
    worker.finish(claim, document(title="x"))
    execution.refresh_from_db()
    assert execution.reserved_usd == 0
    assert 0 < execution.cost_usd < bound(claim)


@pytest.mark.parametrize("budget", [Decimal(0), Decimal("0.000001"), None])
def test_a_budget_too_small_for_the_next_call_sends_nothing(budget: Decimal | None) -> None:
    budget = first_bound() - Decimal("0.000001") if budget is None else budget
    execution = start(single(max_tokens=1000), budget=budget)
    assert drive(execution) == []
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "BUDGET_EXHAUSTED")
    assert "Nothing was sent" in execution.error_detail
    assert not LLMCall.objects.filter(execution=execution).exists()
    assert execution.cost_usd == execution.reserved_usd == 0


def test_a_budget_of_just_the_bound_is_enough() -> None:
    execution = start(single(max_tokens=1000), budget=first_bound())
    drive(execution, dearest)
    assert status(execution) == "completed"
    assert spent(execution) <= first_bound()


def test_a_retry_with_a_larger_budget_goes_on_where_it_stopped() -> None:
    execution = start(chain(4, max_tokens=1000), budget=first_bound() * Decimal("2.5"))
    drive(execution, dearest)
    execution.refresh_from_db()
    assert execution.error_code == "BUDGET_EXHAUSTED"
    finished = LLMCall.objects.filter(execution=execution).count()
    assert 0 < finished < 4
    retry_execution(actor=person("olga"), execution_id=execution.pk, budget_usd=Decimal(5))
    drive(execution, dearest)
    execution.refresh_from_db()
    assert (execution.status, execution.budget_usd) == ("completed", Decimal(5))
    assert LLMCall.objects.filter(execution=execution).count() == 4
    attempts = [row["attempt"] for row in events(execution, "step_started")]
    assert attempts == [1] * finished + [1, 2] + [1] * (3 - finished)


def test_a_retry_without_more_budget_fails_again_and_sends_nothing() -> None:
    execution = start(single(max_tokens=1000), budget=Decimal("0.0001"))
    drive(execution)
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    drive(execution)
    execution.refresh_from_db()
    assert execution.error_code == "BUDGET_EXHAUSTED"
    assert not LLMCall.objects.filter(execution=execution).exists()


@pytest.mark.parametrize("budget", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(1_000_001)])
def test_a_wrong_budget_is_refused(budget: Decimal) -> None:
    with pytest.raises(Invalid) as refused:
        start(single(), budget=budget)
    assert [error.path for error in refused.value.errors] == ["/budget_usd"]


def test_fifty_branches_in_two_workers_never_overspend() -> None:
    execution = start(epics(), budget=Decimal(3))
    workers = [PretendWorker(), PretendWorker()]
    items = backlog(*[f"E{n}" for n in range(50)])
    (first,) = workers[0].claim(execution)
    in_flight = deque((workers[0], claim) for claim in workers[0].finish(first, items) or ())
    most_in_flight = 0
    while in_flight:
        execution.refresh_from_db()
        assert execution.budget_usd is not None
        assert execution.cost_usd + execution.reserved_usd <= execution.budget_usd
        most_in_flight = max(most_in_flight, len(in_flight))
        worker, claim = in_flight.popleft()
        in_flight.extend((worker, following) for following in worker.finish(claim, dearest(claim)) or ())
        other = workers[len(in_flight) % 2]
        in_flight.extend((other, following) for following in other.claim(execution))
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "BUDGET_EXHAUSTED")
    assert execution.cost_usd <= Decimal(3)
    assert most_in_flight > 3
    assert 5 < LLMCall.objects.filter(execution=execution).count() < 50


def test_a_call_waits_for_what_others_have_reserved_before_the_budget_is_called_exhausted() -> None:
    budget = first_bound() * Decimal("1.6")
    value = epics()
    for each in (value["steps"][0], value["steps"][1]["steps"][0], value["steps"][2]):
        each["max_tokens"] = 1000
    execution = start(value, budget=budget)
    worker = PretendWorker()
    (first,) = worker.claim(execution)
    following = worker.finish(first, cheap(backlog("E1", "E2"))) or []
    assert len(following) == 1, "there is room for one call at a time"
    assert status(execution) == "running"
    seen = [following[0].path]
    while following:
        following = worker.finish(following[0], cheap(valid(following[0]))) or []
        seen += [claim.path for claim in following]
    assert status(execution) == "completed"
    assert seen == ["per_epic[E1].plan", "per_epic[E2].plan", "summary"]


def test_a_budget_cannot_be_held_with_a_model_whose_price_is_not_known() -> None:
    execution = start(single(model="claude-of-nowhere-9"), budget=Decimal(100))
    assert drive(execution) == []
    execution.refresh_from_db()
    assert execution.error_code == "BUDGET_EXHAUSTED"
    assert "No price is known" in execution.error_detail


def test_without_a_budget_an_unknown_price_is_kept_as_unknown() -> None:
    execution = start(single(model="claude-of-nowhere-9"))
    drive(execution)
    assert status(execution) == "completed"
    assert LLMCall.objects.get(execution=execution).cost_usd is None
    assert spent(execution) == 0


def test_a_deployment_may_point_an_alias_at_a_model_without_a_price(settings: Settings) -> None:
    settings.COMBINE_MODELS = {"sonnet": "in-house"}
    execution = start(single(), budget=Decimal(1))
    drive(execution)
    execution.refresh_from_db()
    assert execution.error_code == "BUDGET_EXHAUSTED"


def test_failed_lost_and_repeated_calls_all_count_against_the_budget() -> None:
    execution = start(single(max_tokens=1000), budget=first_bound() * 2)
    dying, worker = PretendWorker(), PretendWorker()
    (claim,) = dying.claim(execution)
    dying.die()
    sweep()
    lost = LLMCall.objects.get(pk=claim.call_id)
    assert (lost.status, lost.is_estimated) == ("lost", True)
    assert spent(execution) == lost.cost_usd
    (claim,) = worker.claim(execution)
    worker.finish(claim, llm.Stalled("silence", progress=sent_progress(usage={"input_tokens": 900}, text_chars=700)))
    let_time_pass(execution)
    drive(execution, dearest)
    costs = [call.cost_usd or 0 for call in LLMCall.objects.filter(execution=execution)]
    assert len(costs) >= 2
    assert all(costs)
    assert spent(execution) == sum(costs)
    assert spent(execution) <= first_bound() * 2
