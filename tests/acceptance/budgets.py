"""Fifty branches against a budget for ten calls: whoever works on them, and whoever dies, no cent more is spent."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.utils import timezone

from executions.llm import pricing
from executions.llm.offline.replies import Reply
from executions.models import Execution, LLMCall, Project
from executions.services.budgets import set_budget, states
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import person, start, status
from executions.tests.engine_definitions import JSON, epics
from tests.acceptance.site import Place, Site, ids

BRANCHES = 50
MAX_TOKENS = 1000
# How the path of a branch's step begins.
IN_A_BRANCH = "per_epic"


def branching() -> JSON:
    value = epics()
    for each in (value["steps"][0], value["steps"][1]["steps"][0], value["steps"][2]):
        each["max_tokens"] = MAX_TOKENS
    return value


def site_of(place: Place) -> Site:
    """Return a site whose model makes as many items, and then always writes as much as it may."""
    site = Site(place, default=Reply(delay=0.3, usage={"output_tokens": MAX_TOKENS}))
    site.model.set_script({"items": BRANCHES, "keep": True})
    return site


def cost_of_ten(site: Site) -> Decimal:
    """Return what ten branches cost at most, by one that another run has made; and start two workers."""
    (probe,) = site.start(branching())
    branches = LLMCall.objects.filter(execution=probe, step__path__startswith=IN_A_BRANCH)
    with site.model.held(IN_A_BRANCH):
        for _ in range(2):
            site.ready_worker(concurrency=4)
        site.wait_until(branches.exists, "a branch has begun")
        cancel_execution(actor=person("olga"), execution_id=probe.pk, reason="Enough.")
    call = branches.latest("request_chars")
    bound = pricing.upper_bound(call.model, call.request_chars, MAX_TOKENS)
    assert bound is not None
    return bound * 10


def a_run_of_fifty_branches_never_spends_more_than_its_budget(place: Place) -> None:
    """Two workers share a run whose budget is enough for ten calls or so; one is killed in the middle."""
    with site_of(place) as site:
        budget = cost_of_ten(site)
        with site.model.held(IN_A_BRANCH):
            execution = start(branching(), project="fifty", brief={"wish": "fifty lighthouses"}, budget=budget)
            _kill_one_at_work(site, [execution])
        _go_on_until_all_is_spent(site, [execution])
        execution.refresh_from_db()
        assert (execution.error_code, execution.reserved_usd) == ("BUDGET_EXHAUSTED", Decimal(0))
        assert execution.cost_usd <= budget
        calls = LLMCall.objects.filter(execution=execution).count()
        assert 10 <= calls < BRANCHES, calls


def runs_of_fifty_branches_never_spend_more_than_the_budget_they_share(place: Place) -> None:
    """As before, with two runs and the budget of their project; with more of it they go on where they stopped."""
    with site_of(place) as site:
        budget = cost_of_ten(site)
        Project.objects.create(pk="fifty", created_at=timezone.now())
        _set(budget)
        with site.model.held(IN_A_BRANCH):
            runs = [start(branching(), project="fifty", brief={"wish": f"fifty lighthouses, {n}"}) for n in range(2)]
            _kill_one_at_work(site, runs)
        _go_on_until_all_is_spent(site, runs)
        calls = LLMCall.objects.filter(execution__project_id="fifty")
        (state,) = states(person("root"))
        assert state.spent_usd == _cost(calls) <= budget
        assert state.reserved_usd == 0
        assert {run.error_code for run in Execution.objects.filter(pk__in=ids(runs))} == {"BUDGET_EXHAUSTED"}

        _set(Decimal(100))
        site.model.default = Reply()
        for run in runs:
            retry_execution(actor=person("root"), execution_id=run.pk)
        site.wait_for_end(runs)
        again = [prompt for prompt, number in site.finished().items() if number > 1]
        assert len(again) <= calls.filter(status="lost").count(), "what is in the ledger is not paid for again"
        assert states(person("root"))[0].spent_usd == _cost(calls)
        site.check()


def _kill_one_at_work(site: Site, runs: Sequence[Execution]) -> None:
    """Kill a worker that has sent two branches of some runs, at least; whose calls are held, so that they are there."""
    branches = LLMCall.objects.filter(execution__in=runs, status="in_flight", step__path__startswith=IN_A_BRANCH)

    def busy() -> list[int]:
        by_worker = Counter(branches.values_list("attempt__worker_id", flat=True))
        return [worker for worker, count in by_worker.items() if worker is not None and count >= 2]

    site.wait_until(lambda: bool(busy()), "branches are at work in a worker")
    site.process_of(busy()[0]).send(signal.SIGKILL)


def _go_on_until_all_is_spent(site: Site, runs: Sequence[Execution]) -> None:
    """Start another worker, and wait until there is no money left."""
    calls = LLMCall.objects.filter(execution__in=runs)
    site.ready_worker(concurrency=4)
    site.wait_until(
        lambda: all(status(run) == "failed" for run in runs) and not calls.filter(status="in_flight").exists(),
        "the money is spent, and all that was sent is booked",
    )
    assert calls.filter(status="lost").exists()
    site.check()


def _cost(calls: QuerySet[LLMCall]) -> Decimal:
    cost: Decimal = calls.aggregate(sum=Sum("cost_usd"))["sum"]
    return cost


def _set(amount: Decimal) -> None:
    set_budget(
        actor=person("root"),
        project_id="fifty",
        workflow_id="",
        period="month",
        amount_usd=amount,
        at=timezone.now(),
    )
