"""Budgets at the same moment from several connections: nobody reserves what another has, and no cent is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from executions import ledger
from executions.models import Budget, BudgetAccount, BudgetEntry, BudgetWarning, Execution, Project
from executions.services.budgets import set_budget, states, warn_due
from executions.tests import invariants
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, stored
from executions.tests.pretend_worker import PretendWorker, drive, response_of, valid
from executions.tests.test_budgets import bound, cost_of_one, dearest, spent
from executions.tests.test_races import Crowd, crowd, errors, later
from executions.values import Claim
from workflows.models import WorkflowRevision

__all__ = ["crowd"]

pytestmark = [pytest.mark.race, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

REPEATS = 12


@pytest.fixture(autouse=True)
def _cast(db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    for name in ("olga", "root"):
        person(name)
    Project.objects.get_or_create(pk="apollo", defaults={"created_at": timezone.now()})
    yield
    invariants.check()


@pytest.fixture
def revision(db: None) -> WorkflowRevision:
    return stored(chain(2, max_tokens=1000))


def budget_of_apollo(amount: Decimal) -> Budget:
    return set_budget(
        actor=person("root"),
        project_id="apollo",
        workflow_id="",
        period="month",
        amount_usd=amount,
        at=timezone.now(),
    )


def test_runs_that_claim_at_once_never_overspend_a_shared_budget(crowd: Crowd, revision: WorkflowRevision) -> None:
    one = cost_of_one()
    workers = [PretendWorker() for _ in range(4)]
    for _ in range(REPEATS):
        runs = [start(revision) for _ in range(4)]
        budget = budget_of_apollo(spent(execution__project="apollo") + one * Decimal("2.2"))
        results = crowd.together(*[partial(worker.claim, run) for worker, run in zip(workers, runs, strict=True)])
        assert errors(results) == []
        claims = [(worker, claim) for worker, found in zip(workers, results, strict=True) for claim in found]
        assert len(claims) == 2, "as many as there is money for"
        acts: list[Callable[[], object]] = [partial(worker.finish, claim, dearest(claim)) for worker, claim in claims]
        assert errors(crowd.together(*acts, warn_due)) == []
        for run in runs:
            drive(run, dearest)
        state = states(person("root"))[0]
        assert (state.spent_usd, state.reserved_usd) == (spent(execution__project="apollo"), Decimal(0))
        assert state.spent_usd <= budget.amount_usd


def test_a_budget_that_is_set_while_calls_are_claimed_and_settled_misses_none(
    crowd: Crowd, revision: WorkflowRevision
) -> None:
    workers = [PretendWorker() for _ in range(3)]
    for number in range(REPEATS):
        runs = [start(revision) for _ in range(3)]
        (claim,) = workers[0].claim(runs[0])
        (late,) = workers[1].claim(runs[1])
        results = crowd.together(
            later(number, partial(budget_of_apollo, Decimal(100))),
            later(5, partial(workers[0].finish, claim, valid(claim))),
            later(3, partial(book, runs[1], late)),
            later(4, partial(workers[2].claim, runs[2])),
        )
        assert errors(results) == []
        for run in runs:
            drive(run)
        invariants.check([run.pk for run in runs])
        invariants.check()
        BudgetWarning.objects.all().delete()
        BudgetEntry.objects.all().delete()
        BudgetAccount.objects.all().delete()
        Budget.objects.all().delete()


def book(run: Execution, claim: Claim) -> None:
    ledger.book_responses([(run.pk, claim.call_id, response_of(claim, valid(claim)))])


def test_two_who_set_the_same_budget_at_once_make_one(crowd: Crowd) -> None:
    for amount in range(1, REPEATS):
        results = crowd.together(*[partial(budget_of_apollo, Decimal(amount))] * 2)
        assert errors(results) == []
        assert Budget.objects.get().amount_usd == amount
        BudgetAccount.objects.all().delete()
        Budget.objects.all().delete()


def test_a_settled_call_is_added_once_however_many_add(crowd: Crowd, revision: WorkflowRevision) -> None:
    budget_of_apollo(Decimal(100))
    worker = PretendWorker()
    for _ in range(REPEATS):
        runs = [start(revision) for _ in range(2)]
        claims = [claim for run in runs for claim in worker.claim(run)]
        assert sum(state.reserved_usd for state in states(person("root"))) == sum(bound(claim) for claim in claims)
        acts: list[Callable[[], object]] = [partial(worker.finish, claim, valid(claim), 0) for claim in claims]
        assert errors(crowd.together(*acts, warn_due, warn_due, warn_due)) == []
        for run in runs:
            drive(run)
        invariants.check()
