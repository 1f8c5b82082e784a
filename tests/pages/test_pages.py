"""Every page of ours in a browser: as it must be for everybody, in both themes, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch, check_barriers, crawl
from tests.pages.world import World

pytestmark = pytest.mark.slow

# Addresses as grace, who may do everything, calls them; names of the world's ids stand for the ids.
ADDRESSES = {
    "home": "/",
    "executions": "/executions/",
    "executions, none found": "/executions/?project=nowhere",
    "executions, wrong filter": "/executions/?status=running&started_from=x",
    "workflows": "/workflows/",
    "start": "/workflows/software_product/start/",
    "questions": "/executions/{asking}/gates/{question}/",
    "projects": "/projects/",
    "project": "/projects/lantern/",
    "documents": "/documents/?status=accepted",
    "draft": "/documents/{draft}/",
    "what counts": "/d/project/lantern/epic_backlog/",
    "nothing accepted": "/d/project/beacon/epic_backlog/",
    "versions": "/d/project/lantern/epic_backlog/versions/",
    "account": "/account/",
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


def test_questions_with_problems_and_for_who_may_not_answer_have_no_barrier(open_page: OpenPage, world: World) -> None:
    url = f"/executions/{world.asking}/gates/{world.question}/"
    page = open_page("olga")
    watch = Watch(page)
    page.goto(url)
    page.get_by_role("spinbutton").press("Enter")
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("There are 3 problems")
    expect(summary).to_be_focused()
    summary.get_by_role("link").first.click()
    expect(page.get_by_role("radio").first).to_be_focused()
    check_barriers(page)
    assert page.evaluate("window.__refused") == []
    # The browser itself complains of an answer that is no success.
    assert [text for text in watch.complaints if "Failed to load resource" not in text] == []
    crawl(open_page("vera"), url, themes=["light"])


def test_an_empty_list_and_a_form_with_problems_have_no_barrier(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.goto("/workflows/software_product/start/")
    page.get_by_label("Project").fill("not a name")
    page.get_by_label("Budget in US dollars").fill("-1")
    page.get_by_role("button", name="Start the run").click()
