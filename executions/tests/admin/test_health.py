"""The page about workers and queues."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from executions.tests.admin.desk import at_desk, in_review
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import single

pytestmark = pytest.mark.django_db

URL = "/admin/executions/execution/health/"


def run(statement: str, *values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def worker(seconds: float) -> int:
    """Register a worker that was last seen so long ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (clock_timestamp() - make_interval(secs => %s)) RETURNING id",
            [seconds],
        )
        number: int = cursor.fetchone()[0]
    return number


def shown() -> str:
    return at_desk("olga").get(URL).content.decode()


def test_without_a_worker_it_says_how_to_start_one() -> None:
    assert reverse("admin:executions_health") == URL
    page = shown()
    assert "No worker is running." in page
    assert "manage.py worker" in page


def test_it_shows_workers_work_and_the_size_of_the_database() -> None:
    alive, silent = worker(1), worker(60)
    in_review()
    page = shown()
    assert "Everything works." in page
    assert page.index(f'data-label="Worker">{alive}<') < page.index(f'data-label="Worker">{silent}<')
    # The one that made the note is alive, too.
    assert (page.count("</span> alive"), page.count("</span> silent")) == (2, 1)
    assert "<dt>Open gates</dt><dd>1</dd>" in page
    assert "MB</dd>" in page


def test_it_tells_of_work_that_waits_too_long_and_of_jobs_that_nobody_is_at() -> None:
    worker(1)
    gone = worker(60)
    start(single())
    run("UPDATE procrastinate_events SET at = at - interval '5 minutes' WHERE type = 'deferred'")
    run("UPDATE executions_execution SET started_at = started_at - interval '5 minutes'")
    run(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id, scheduled_at) VALUES"
        " ('webhooks', 'x', 'doing', %s, NULL), ('webhooks', 'x', 'todo', NULL, clock_timestamp() + interval '1 hour')",
        gone,
    )
    page = shown()
    assert "An execution has waited 5 min" in page
    assert "The queue executions is 5 min" in page
    assert "A worker died with 1 job of the queue webhooks" in page
    assert 'data-label="For later">1<' in page


@pytest.mark.parametrize(("name", "status"), [("olga", 200), ("root", 200), ("vic", 403), ("ed", 403), ("nobody", 403)])
def test_it_is_for_operators_and_administrators(name: str, status: int) -> None:
    client = at_desk(name)
    assert client.get(URL).status_code == status
    assert (f'href="{URL}"' in client.get("/admin/").content.decode()) is (status == 200)


def test_it_takes_the_same_few_statements_however_much_there_is() -> None:
    client = at_desk("olga")
    client.get(URL)
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    for _ in range(20):
        start(single())
        worker(1)
    with CaptureQueriesContext(connection) as many:
        client.get(URL)
    # Session, user and roles, the two of the side bar, and four of its own.
    assert len(few) == len(many) <= 10
