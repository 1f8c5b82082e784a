"""Pages of lists that change while somebody turns them."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.models import Execution, Gate, Project
from executions.tests.api import rows
from executions.tests.api.conftest import Caller
from executions.tests.engine_cast import person

URL = "/api/v1/executions"


def ids(page: dict[str, Any]) -> list[str]:
    return [row["execution_id"] for row in page["results"]]


def page_at(client: APIClient, url: str) -> dict[str, Any]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.json()
    page: dict[str, Any] = answer.json()
    return page


def walk(client: APIClient, url: str, link: str, meanwhile: Any) -> list[str]:
    """Turn pages to the end, and have something happen after each."""
    found: list[str] = []
    turned = 0
    while url:
        page = page_at(client, url)
        found = found + ids(page) if link == "next" else ids(page) + found
        turned += 1
        meanwhile(turned)
        url = page[link]
    return found


@pytest.mark.parametrize("ordering", ["-started_at", "started_at"])
@pytest.mark.parametrize("name", ["root", "olga"])
def test_no_row_is_missing_or_twice_while_rows_come_and_change(caller: Caller, name: str, ordering: str) -> None:
    existed = [str(row.pk) for row in rows.executions(20)]
    client = caller(name)

    def meanwhile(turned: int) -> None:
        # New ones at both ends and among those that are there, and changes on pages seen and not seen yet.
        for first in (-turned, turned * 3, 100 + turned):
            rows.executions(1, first=first)
        pick = existed[turned :: turned + 1]
        Execution.objects.filter(pk__in=pick, status="running").update(
            status="completed", completed_at=rows.NOON, cost_usd=turned, updated_at=rows.NOON
        )

    found = walk(client, f"{URL}?page_size=3&ordering={ordering}", "next", meanwhile)
    known = [each for each in found if each in existed]
    assert len(found) == len(set(found))
    assert known == (existed[::-1] if ordering[0] == "-" else existed)


def test_no_row_is_missing_or_twice_on_the_way_back(olga: APIClient) -> None:
    existed = [str(row.pk) for row in rows.executions(20)]
    url = f"{URL}?page_size=3"
    while following := page_at(olga, url)["next"]:
        url = following

    def meanwhile(turned: int) -> None:
        rows.executions(2, first=turned * 4)
        Execution.objects.filter(pk=existed[turned]).update(status="failed")

    found = walk(olga, url, "previous", meanwhile)
    assert len(found) == len(set(found))
    assert [each for each in found if each in existed] == existed[::-1]


def test_what_matches_no_more_is_left_out_and_shifts_nothing(olga: APIClient) -> None:
    existed = [str(row.pk) for row in rows.executions(12)]

    def meanwhile(turned: int) -> None:
        # One of the page that was read, and one that is to come.
        gone = [existed[-turned], existed[turned]]
        Execution.objects.filter(pk__in=gone).update(status="completed")

    found = walk(olga, f"{URL}?page_size=3&status=running", "next", meanwhile)
    assert len(found) == len(set(found))
    still = set(Execution.objects.filter(status="running").values_list("pk", flat=True))
    assert {str(pk) for pk in still} <= set(found)


def test_a_page_that_is_empty_by_now_leads_back(olga: APIClient) -> None:
    existed = [str(row.pk) for row in rows.executions(4)]
    url = f"{URL}?page_size=2&status=running"
    first = page_at(olga, url)
    Execution.objects.filter(pk__in=existed[:2]).update(status="failed")

    nothing = page_at(olga, first["next"])
    assert (nothing["results"], nothing["next"]) == ([], None)
    assert ids(page_at(olga, nothing["previous"])) == ids(first)

    Execution.objects.filter(pk__in=existed[:2]).update(status="running")
    second = page_at(olga, first["next"])
    Execution.objects.filter(pk__in=existed[2:]).update(status="failed")
    nothing = page_at(olga, second["previous"])
    assert (nothing["results"], nothing["previous"]) == ([], None)
    assert ids(page_at(olga, nothing["next"])) == ids(second)


def test_an_empty_list_has_no_links(olga: APIClient) -> None:
    assert page_at(olga, URL) == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize(
    "other",
    ["", "status=running", "status=failed&project_id=apollo", "project_id=apollo", "workflow_id=test&status=failed"],
)
def test_a_cursor_is_refused_with_other_filters(olga: APIClient, other: str) -> None:
    rows.executions(3, status="failed")
    link = page_at(olga, f"{URL}?page_size=1&status=failed")["next"]
    cursor = link.split("cursor=")[1].split("&")[0]
    answer = olga.get(f"{URL}?{other}&cursor={cursor}")
    assert answer.status_code == 400
    assert [(each["path"], each["code"]) for each in answer.json()["errors"]] == [("/cursor", "INVALID_CURSOR")]
    # How long a page is, is no matter.
    assert len(ids(page_at(olga, f"{URL}?status=failed&page_size=2&cursor={cursor}"))) == 2


def test_a_cursor_of_somebody_else_shows_nothing_that_one_may_not_see(olga: APIClient, caller: Caller) -> None:
    rows.executions(3, project="secret")
    Project.objects.get().users.set([person("eva")])
    link = page_at(caller("eva"), f"{URL}?page_size=1")["next"]
    assert page_at(olga, link)["results"] == []


def test_gates_turn_like_executions_while_they_are_decided(caller: Caller) -> None:
    rows.some_of_all(range(6))
    client, url, found = caller("ed"), "/api/v1/gates?status=open&page_size=2", []
    while url:
        page = page_at(client, url)
        found += [row["gate_id"] for row in page["results"]]
        Gate.objects.filter(pk=found[-1]).update(status="decided")
        url = page["next"]
    assert len(found) == len(set(found)) == 6
