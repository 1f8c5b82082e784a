"""Every page of ours in a browser: as it must be for everybody, in both themes, wide and narrow."""

from __future__ import annotations

import pytest

from tests.pages.conftest import OpenPage
from tests.pages.crawler import crawl
from tests.pages.world import World

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

# Addresses as grace, who may do everything, calls them; names of the world's ids stand for the ids.
ADDRESSES = {
    "home": "/",
    "executions": "/executions/",
    "executions, none found": "/executions/?project=nowhere",
    "executions, wrong filter": "/executions/?status=running&started_from=x",
    "workflows": "/workflows/",
    "start": "/workflows/software_product/start/",
    "projects": "/projects/",
    "project": "/projects/lantern/",
    "documents": "/documents/?status=accepted",
    "draft": "/documents/{draft}/",
    "what counts": "/d/project/lantern/epic_backlog/",
    "nothing accepted": "/d/project/beacon/epic_backlog/",
    "versions": "/d/project/lantern/epic_backlog/versions/",
    "log-out": "/logout",
    "admin": "/admin/",
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_has_no_barrier_nothing_blocked_and_no_script_error(
    name: str, open_page: OpenPage, world: World
) -> None:
    ids = {key: getattr(world, key) for key in World.__slots__}
    crawl(open_page("grace"), ADDRESSES[name].format(**ids))


def test_a_page_that_is_not_there_has_no_barrier_either(open_page: OpenPage, world: World) -> None:
    crawl(open_page("grace"), f"/documents/{world.running}/", status=404)


def test_the_log_in_and_the_page_without_a_role_have_no_barrier(open_page: OpenPage, world: World) -> None:
    crawl(open_page(), "/executions/")
    crawl(open_page("nobody"), "/executions/")


def test_an_empty_list_and_a_form_with_problems_have_no_barrier(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.goto("/workflows/software_product/start/")
    page.get_by_label("Project").fill("not a name")
    page.get_by_label("Budget in US dollars").fill("-1")
    page.get_by_role("button", name="Start the run").click()
