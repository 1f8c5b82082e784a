"""The shipped example from its start form to its end, in the browsers of two people, with the offline model."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from combine.env import BASE_DIR
from combine.ports import free_port
from documents.models import Document
from tests.acceptance.site import ENOUGH
from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch
from tests.pages.site import HOST, LiveSite
from tests.pages.world import PACKAGE, World

pytestmark = pytest.mark.slow


class Reader:
    """Somebody's browser window, in which no page may complain."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._watch = Watch(page)

    def check(self) -> None:
        # What the policy blocks is an error on the console, too; the notes of a page that was left are gone.
        assert self._watch.complaints == []
        assert self.page.evaluate("window.__refused") == []


@pytest.fixture
def worker(site: LiveSite, world: World) -> Iterator[None]:
    """A worker, and the offline model with the example's samples, which is started as ``up`` starts it."""
    port = free_port(HOST)
    command = [sys.executable, "-m", "executions.llm.offline", "--port", str(port), "--packages", str(PACKAGE)]
    model = subprocess.Popen([*command, "--delay", "0.2"], cwd=BASE_DIR)
    try:
        with site.at_work(COMBINE_OFFLINE_MODEL_PORT=str(port)):
            _wait_for(port)
            yield
    finally:
        model.kill()
        model.wait(60)


def test_the_example_is_started_answered_accepted_and_completes_before_the_eyes_of_its_starter(
    open_page: OpenPage, site: LiveSite, worker: None
) -> None:
    olga, grace = Reader(open_page("olga")), Reader(open_page("grace"))
    start(olga.page)
    answer(olga.page)
    url = olga.page.url
    olga.page.evaluate("window.__isTheSame = true")
    accepted = accept_all(grace.page, url)
    expect(olga.page.locator("#live-head .badge")).to_have_text("Completed")
    expect(olga.page).to_have_title("✓ Software product · The Combine")
    assert olga.page.evaluate("window.__isTheSame") is True, "the page was not loaded again"
    # The backlog of epics, the architecture, and the stories of three epics.
    assert accepted == 5
    assert site.run(documents_of, url.split("/")[-2]) == olga.page.locator("#live-side li").count() > accepted
    for reader in (olga, grace):
        reader.check()


def start(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Start a run").click()
    page.get_by_role("link", name="Software product").click()
    page.get_by_label("Project").fill("journey")
    page.get_by_label("Brief", exact=True).fill((PACKAGE / "brief.json").read_text())
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/executions/*-*/")


def answer(page: Page) -> None:
    """Answer as an operator without access to the desk: checked first, then sent; it ends on the run's page."""
    expect(page.locator(".banner")).to_contain_text("Waiting for you: answer questions")
    page.locator(".banner").get_by_role("link", name="Answer").click()
    page.get_by_label("Volunteers and the coordinator only").check()
    page.get_by_role("radio", name="No", exact=True).check()
    page.get_by_label("How many items change hands").fill("40")
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("These answers can be sent. Nothing is sent yet.")).to_be_visible()
    page.get_by_role("button", name="Send the answers").click()
    page.wait_for_url("**/executions/*-*/")
    expect(page.locator(".messages")).to_contain_text("Your answers are recorded")


def accept_all(page: Page, url: str) -> int:
    """Accept, from the banner of the run, whatever comes; return how often that was."""
    count = 0
    page.goto(url)
    review = page.locator(".banner").get_by_role("link", name="Review").first
    end = page.locator("#live-head .badge", has_text="Completed")
    while True:
        review.or_(end).first.wait_for()
        if end.is_visible():
            return count
        review.click()
        page.wait_for_url("**/admin/executions/gate/**")
        with page.expect_navigation():
            page.get_by_role("button", name="Accept").first.click()
        count += 1
        page.goto(url)


def documents_of(execution: str) -> int:
    return Document.objects.filter(execution_id=execution).count()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + ENOUGH
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the offline model does not answer"
            time.sleep(0.05)
        else:
            return
