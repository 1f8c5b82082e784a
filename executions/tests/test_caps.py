"""How many runs may be under way at once: exact, also for starts at the same moment, and free where nothing is set."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from documents import database
from executions.exceptions import TooManyRuns
from executions.models import Execution
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.api.test_idempotency_races import together
from executions.tests.engine_cast import decide, open_gate, person, start, status
from executions.tests.engine_definitions import reviewed, single, stored
from executions.tests.pages.test_start import URL as START_PAGE
from executions.tests.pages.test_start import opened
from executions.tests.pages.visitors import visitor, words
from executions.tests.pretend_worker import drive

pytestmark = pytest.mark.django_db

URL = "/api/v1/workflows/test/start"


def failed_run(**keys: Any) -> Execution:
    """Return a run that has failed: no call fits into its budget."""
    execution = start(single(), budget=Decimal(0), **keys)
    drive(execution)
    assert status(execution) == "failed"
    return execution


@pytest.fixture
def olga(settings: Settings) -> APIClient:
    client = APIClient()
    client.force_authenticate(person("olga"))
    return client


def test_the_runs_of_a_project_are_limited_until_one_is_over(settings: Settings, olga: APIClient) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT = 2
    stored(single())
    first = start(single())
    assert olga.post(URL, {"project_id": "apollo"}).status_code == 201
    answer = olga.post(URL, {"project_id": "apollo"})
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (429, "RATE_LIMITED", "30")
    assert "Project apollo has 2 runs under way" in answer.json()["detail"]
    assert olga.post(URL, {"project_id": "another"}).status_code == 201
    cancel_execution(actor=person("olga"), execution_id=first.pk)
    assert olga.post(URL, {"project_id": "apollo"}).status_code == 201


def test_the_runs_of_a_person_are_limited_over_all_projects(settings: Settings) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_USER = 2
    start(single(), project="one")
    start(single(), project="two")
    with pytest.raises(TooManyRuns, match="olga has 2 runs under way, and 2 may be at once"):
        start(single(), project="three")
    start(single(), by="root", project="three")


def test_a_run_that_waits_for_people_keeps_its_place_and_goes_on(settings: Settings) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT = 1
    waiting = start(reviewed())
    drive(waiting)
    with pytest.raises(TooManyRuns):
        start(reviewed())
    decide("ed", open_gate(waiting), "accept")
    drive(waiting)
    assert status(waiting) == "completed"
    start(reviewed())


def test_a_retry_needs_a_place_too(settings: Settings) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_USER = 1
    execution = failed_run()
    other = start(single(), project="other")
    client = visitor("olga")
    url = f"/executions/{execution.pk}/retry/"
    refused = client.post(url, {"reason": "", "budget_usd": "5"})
    assert refused.status_code == 429
    assert "olga has 1 run under way" in words(refused)
    assert status(execution) == "failed"
    cancel_execution(actor=person("olga"), execution_id=other.pk)
    retry_execution(actor=person("root"), execution_id=execution.pk)
    assert status(execution) == "running"


def test_the_start_page_says_why(settings: Settings) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT = 1
    stored(single())
    start(single())
    client = visitor("olga")
    refused = client.post(START_PAGE, opened(client) | {"project": "apollo"})
    assert refused.status_code == 429
    assert "Project apollo has 1 run under way" in words(refused)
    assert Execution.objects.count() == 1


@pytest.mark.parametrize(("most", "locks"), [(0, 0), (5, 2)])
def test_without_limits_nothing_is_held(settings: Settings, most: int, locks: int) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT = settings.COMBINE_MAX_ACTIVE_RUNS_PER_USER = most
    start(single())
    held = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND classid IN (7209005, 7209006)"
    assert database.rows(held) == [(locks,)]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_as_many_as_there_are_places_succeed(settings: Settings) -> None:
    settings.COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT, settings.COMBINE_MAX_ACTIVE_RUNS_PER_USER = 3, 5
    revision = stored(single())
    failed = [failed_run(project=f"p{number % 2}") for number in range(4)]
    person("olga")

    def act(number: int) -> str:
        try:
            if number < len(failed):
                retry_execution(actor=person("olga"), execution_id=failed[number].pk)
            else:
                start(revision, project=f"p{number % 2}")
        except TooManyRuns:
            return "refused"
        return "done"

    for _ in range(3):
        assert Counter(together(12, act))["done"] == 5
        active = Execution.objects.exclude(status__in=("failed", "cancelled"))
        in_projects = Counter(active.values_list("project", flat=True))
        assert sum(in_projects.values()) == 5
        assert max(in_projects.values()) == 3
        for each in active:
            cancel_execution(actor=person("olga"), execution_id=each.pk)
        failed[:] = []
