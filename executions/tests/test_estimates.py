"""What a run would cost, by completed runs of its workflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from documents.models import Document
from executions.exceptions import Invalid, NotPermitted, ProjectNotFound
from executions.models import Attempt, Event, Execution, LLMCall, Project, Step
from executions.services.estimates import MOST_RUNS, estimate_run, rehearse_start
from executions.services.executions import NewExecution
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, single, stored
from workflows.models import WorkflowRevision

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def completed(
    revision: WorkflowRevision,
    cost: str = "1",
    *,
    seconds: int = 60,
    calls: int = 0,
    project: str = "apollo",
    at: datetime = NOON,
    status: str = "completed",
    **call: Any,
) -> Execution:
    """Return a run that is over, with calls of the same kind, written by hand."""
    Project.objects.get_or_create(pk=project, defaults={"created_at": NOON})
    run = Execution.objects.create(
        project_id=project,
        revision=revision,
        workflow_id=revision.workflow_id,
        status=status,
        cost_usd=Decimal(cost),
        started_at=at,
        completed_at=at + timedelta(seconds=seconds),
        updated_at=at,
    )
    step = Step.objects.create(execution=run, path="note", step_id="note", scope_type="project", sort_key="1")
    for n in range(calls):
        attempt = Attempt.objects.create(
            execution=run, step=step, n=n, content_attempt=n, status="succeeded", started_at=at
        )
        given = {"status": "succeeded", "cost_usd": Decimal("0.1"), "max_tokens": 1, "started_at": at, **call}
        LLMCall.objects.create(execution=run, step=step, attempt=attempt, model="m", **given)
    return run


def test_nothing_is_known_before_a_run_is_completed() -> None:
    revision = stored(single())
    completed(revision, status="failed")
    start(revision)
    assert estimate_run(person("olga"), revision) is None


def test_figures_are_those_of_runs_that_there_were() -> None:
    revision = stored(single())
    for number in range(1, 21):
        completed(revision, f"0.{number:02d}00000001", seconds=number, calls=number % 3)
    found = estimate_run(person("olga"), revision)
    assert found is not None
    assert (found.run_count, found.is_of_revision) == (20, True)
    assert (found.median_cost_usd, found.p95_cost_usd) == (Decimal("0.1000000001"), Decimal("0.1900000001"))
    assert (found.median_duration, found.p95_duration) == (timedelta(seconds=10), timedelta(seconds=19))
    assert (found.median_duration_ms, found.median_call_count) == (10_000, 1)
    assert (found.unpriced_run_count, found.offline_run_count) == (0, 0)


def test_runs_of_the_same_revision_count_first_and_else_all() -> None:
    old, new = stored(single()), stored(chain(2))
    completed(old, "1")
    found = estimate_run(person("olga"), new)
    assert found is not None
    assert (found.is_of_revision, found.median_cost_usd) == (False, Decimal(1))
    completed(new, "3", at=NOON - timedelta(days=1))
    found = estimate_run(person("olga"), new)
    assert found is not None
    assert (found.run_count, found.is_of_revision, found.median_cost_usd) == (1, True, Decimal(3))


def test_the_newest_runs_count_and_no_others() -> None:
    revision = stored(single())
    for number in range(MOST_RUNS + 1):
        completed(revision, "9" if number == 0 else "1", at=NOON + timedelta(minutes=number))
    found = estimate_run(person("olga"), revision)
    assert found is not None
    assert found.run_count == MOST_RUNS
    assert found.p95_cost_usd == Decimal(1)


def test_runs_of_projects_that_the_asker_may_not_see_do_not_count() -> None:
    revision = stored(single())
    completed(revision, "7", project="vault")
    Project.objects.get(pk="vault").users.add(person("vic"))
    assert estimate_run(person("olga"), revision) is None
    assert estimate_run(person("nobody"), revision) is None
    for name in ("vic", "root"):
        found = estimate_run(person(name), revision)
        assert found is not None
        assert found.median_cost_usd == Decimal(7)


def test_a_cost_that_is_not_known_is_not_taken_for_a_small_one() -> None:
    revision = stored(single())
    completed(revision, "0", calls=2, cost_usd=None)
    found = estimate_run(person("olga"), revision)
    assert found is not None
    assert (found.unpriced_run_count, found.median_cost_usd, found.p95_cost_usd) == (1, None, None)
    assert found.covers(Decimal("0.01")), "nothing can be said against a budget"
    completed(revision, "2", calls=1, is_offline=True)
    found = estimate_run(person("olga"), revision)
    assert found is not None
    assert (found.run_count, found.unpriced_run_count, found.offline_run_count) == (2, 1, 1)
    assert found.median_cost_usd == Decimal(2)
    assert not found.covers(Decimal("1.99"))
    assert found.covers(Decimal(2))
    assert found.covers(None)


def test_however_many_runs_there_are_it_takes_two_statements(django_assert_num_queries: Any) -> None:
    revision = stored(single())
    for _ in range(3):
        completed(revision, calls=2)
    user = person("olga")
    with django_assert_num_queries(2):  # whether olga has a role at all is the first
        estimate_run(user, revision)


def test_a_rehearsal_leaves_nothing_behind() -> None:
    revision = stored(single())
    completed(revision, "2")
    new = NewExecution(project_id="zeppelin", brief={"wish": "ships"}, budget_usd=Decimal(1))
    found = rehearse_start(actor=person("olga"), revision=revision, new=new, at=NOON)
    assert found is not None
    assert found.median_cost_usd == Decimal(2)
    assert Execution.objects.count() == 1
    assert (Event.objects.count(), Document.objects.count()) == (0, 0)
    assert not Project.objects.filter(pk="zeppelin").exists()


def test_a_rehearsal_is_refused_as_the_start_would_be() -> None:
    revision = stored(single())
    start(revision, project="vault")
    Project.objects.get(pk="vault").users.add(person("olga"))
    good = NewExecution(project_id="apollo", brief=None, budget_usd=None)
    bad = NewExecution(project_id="my project", brief=None, budget_usd=Decimal(-1))
    with pytest.raises(NotPermitted):
        rehearse_start(actor=person("vic"), revision=revision, new=good, at=NOON)
    with pytest.raises(Invalid) as refused:
        rehearse_start(actor=person("olga"), revision=revision, new=bad, at=NOON)
    assert [error.path for error in refused.value.errors] == ["/project_id", "/budget_usd"]
    hidden = NewExecution(project_id="vault", brief=None, budget_usd=None)
    with pytest.raises(ProjectNotFound):
        rehearse_start(actor=person("otto", "operator"), revision=revision, new=hidden, at=NOON)
