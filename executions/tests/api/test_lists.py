"""What all lists have in common: pages by cursor, and a constant number of statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from executions.models import Execution
from executions.tests.api import rows
from executions.tests.driving import Scripted, backlog, drive
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import epics, single, stored

URL = "/api/v1/executions"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: int, *, project: str = "apollo") -> str:
    """Store an execution that was started then; return its id."""
    execution = start(single(), project=project)
    Execution.objects.filter(pk=execution.pk).update(started_at=NOON + timedelta(minutes=minutes))
    return str(execution.pk)


def ids(page: dict[str, Any]) -> list[str]:
    return [row["execution_id"] for row in page["results"]]


def pages(client: APIClient, url: str, link: str = "next") -> Iterator[dict[str, Any]]:
    """Yield a page and all that follow it."""
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.json()
        yield answer.json()
        url = answer.json()[link]


def test_pages_follow_each_other_without_gap_or_repetition(olga: APIClient) -> None:
    stored_ids = [at(minute) for minute in range(7)]
    seen = list(pages(olga, f"{URL}?page_size=3"))
    assert [len(page["results"]) for page in seen] == [3, 3, 1]
    assert [each for page in seen for each in ids(page)] == stored_ids[::-1]
    assert seen[0]["previous"] is None
    assert seen[-1]["next"] is None


def test_rows_of_one_moment_are_neither_lost_nor_doubled(olga: APIClient) -> None:
    stored_ids = {at(0) for _ in range(7)}
    for ordering in ("started_at", "-started_at", "completed_at", "-completed_at"):
        found = [each for page in pages(olga, f"{URL}?page_size=2&ordering={ordering}") for each in ids(page)]
        assert len(found) == 7
        assert set(found) == stored_ids


def test_the_way_back_shows_the_same_pages(olga: APIClient) -> None:
    for minute in range(7):
        at(minute)
    forward = list(pages(olga, f"{URL}?page_size=3"))
    backward = list(pages(olga, forward[1]["next"], "previous"))
    assert [ids(page) for page in backward] == [ids(page) for page in forward[::-1]]
    assert backward[-1]["previous"] is None
    assert ids(olga.get(backward[-1]["next"]).json()) == ids(forward[1])


def test_rows_that_arrive_shift_no_page(olga: APIClient) -> None:
    for minute in range(6):
        at(minute)
    first = olga.get(f"{URL}?page_size=2").json()
    second = olga.get(first["next"]).json()
    newcomer = at(100)

    assert ids(olga.get(first["next"]).json()) == ids(second)
    # Who goes back finds the first page as it was, and the newcomer before it.
    again = olga.get(second["previous"]).json()
    assert ids(again) == ids(first)
    assert ids(olga.get(again["previous"]).json()) == [newcomer]


def test_a_cursor_keeps_the_filters_of_its_list(olga: APIClient) -> None:
    for minute in range(4):
        at(minute, project="apollo")
        at(minute, project="gemini")
    found = list(pages(olga, f"{URL}?page_size=3&project_id=gemini"))
    assert [len(page["results"]) for page in found] == [3, 1]
    assert {row["project_id"] for page in found for row in page["results"]} == {"gemini"}


def test_a_cursor_is_good_for_nothing_but_its_own_list(olga: APIClient) -> None:
    for minute in range(3):
        at(minute)
    link = olga.get(f"{URL}?page_size=1").json()["next"]
    cursor = link.split("cursor=")[1].split("&")[0]

    for url in (
        f"{URL}?cursor={cursor[:-1]}",
        f"{URL}?cursor={cursor}x",
        f"{URL}?cursor=",
        f"{URL}?cursor={cursor.upper()}",
        f"{URL}?cursor=%F0%9F%92%A5:%00",
        f"{URL}?cursor={cursor}&ordering=completed_at",
        f"{URL}?cursor={cursor}&ordering=started_at",
        f"/api/v1/gates?cursor={cursor}",
        f"/api/v1/documents?cursor={cursor}",
        f"/api/v1/workflows?cursor={cursor}",
    ):
        answer = olga.get(url)
        assert answer.status_code == 400, url
        assert [error["path"] for error in answer.json()["errors"]] == ["/cursor"]


def test_page_size_is_50_unless_asked_otherwise_and_200_at_most(olga: APIClient) -> None:
    stored(single())
    template = start(single())
    for number in range(209):
        Execution.objects.create(
            project_id="apollo",
            revision=template.revision,
            workflow_id="test",
            started_at=NOON - timedelta(seconds=number),
            updated_at=NOON,
        )
    assert len(ids(olga.get(URL).json())) == 50
    assert len(ids(olga.get(f"{URL}?page_size=200").json())) == 200
    assert len(ids(olga.get(f"{URL}?page_size=1").json())) == 1


def test_links_are_whole_urls(olga: APIClient) -> None:
    at(0)
    at(1)
    link = olga.get(f"{URL}?page_size=1&project_id=apollo").json()["next"]
    assert link.startswith("http://testserver/api/v1/executions?")
    assert "project_id=apollo" in link


LISTS = [
    "executions",
    "executions?status=waiting_acceptance&workflow_id=test&ordering=-completed_at",
    "gates",
    "gates?mine=true",
    "documents",
    "documents?latest=true",
    "projects",
    "workflows",
]


# Who operates has nothing to accept, and an administrator does not get round the roles.
NOT_THEIRS = {("olga", "gates?mine=true"), ("root", "gates?mine=true")}


@pytest.mark.parametrize("name", ["ed", "olga", "root"])
def test_a_list_costs_the_same_number_of_statements_however_long_it_is(
    name: str, caller: Any, django_assert_num_queries: Any
) -> None:
    client = caller(name)
    rows.some_of_all(range(2))
    few = {path: counted(client, f"/api/v1/{path}") for path in LISTS}
    rows.some_of_all(range(2, 100))
    for path in LISTS:
        with django_assert_num_queries(few[path]):
            found = client.get(f"/api/v1/{path}").json()["results"]
        assert len(found) == (0 if (name, path) in NOT_THEIRS else 50)
    assert max(few.values()) <= 9


def test_the_rows_of_one_execution_cost_the_same_number_of_statements_however_many(
    caller: Any, django_assert_num_queries: Any
) -> None:
    small, large = rows.executions(2)
    for execution, count in ((small, 1), (large, 50)):
        rows.steps(execution, range(count))
        rows.events(execution, range(1, count + 1))
    for name in ("ed", "olga", "root"):
        for tail in ("steps", "events"):
            few = counted(caller(name), f"{URL}/{small.pk}/{tail}")
            with django_assert_num_queries(few):
                assert len(caller(name).get(f"{URL}/{large.pk}/{tail}").json()["results"]) == 50


def test_versions_cost_the_same_number_of_statements_however_many(caller: Any, django_assert_num_queries: Any) -> None:
    (execution,) = rows.executions(1)
    url = "/api/v1/documents/by-scope/project/apollo/note/versions"
    rows.documents(execution, 1)
    few = {name: counted(caller(name), url) for name in ("ed", "root")}
    rows.documents(execution, 50, first=2)
    for name in ("ed", "root"):
        with django_assert_num_queries(few[name]):
            assert len(caller(name).get(url).json()["results"]) == 50


def counted(client: APIClient, url: str) -> int:
    """Return how many statements a list costs."""
    with CaptureQueriesContext(connection) as statements:
        assert len(client.get(url).json()["results"]) in (0, 1, 2, 3)
    return len(statements)


def test_one_execution_costs_the_same_number_of_statements_however_large_it_is(
    olga: APIClient, django_assert_max_num_queries: Any
) -> None:
    small, large = start(epics(accepted_by=("editor",))), start(epics(accepted_by=("editor",)))
    drive(small, Scripted(backlog=backlog("A")))
    drive(large, Scripted(backlog=backlog(*(f"E{number}" for number in range(20)))))
    with CaptureQueriesContext(connection) as few:
        olga.get(f"{URL}/{small.pk}")
    for tail in ("", "/events", "/steps"):
        with django_assert_max_num_queries(len(few)):
            assert olga.get(f"{URL}/{large.pk}{tail}").status_code == 200
