"""The page that shows the API's description: Swagger UI from our own files, below the strictest policy."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch
from tests.pages.site import LiveSite

pytestmark = pytest.mark.slow

# Swagger UI sets no style in markup: it would be blocked. Pictures are in its style sheet.
_POLICY = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:")


def test_it_shows_every_call_and_asks_nobody_else(open_page: OpenPage, site: LiveSite) -> None:
    page = open_page()
    watch = Watch(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto("/api/v1/docs")
    assert answer is not None
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert all(part in policy for part in _POLICY)
    assert "unsafe" not in policy

    expect(page.get_by_role("heading", name="The Combine")).to_be_visible()
    expect(page.locator("#operations-Executions-startExecution")).to_be_visible()
    page.locator("#operations-Executions-startExecution .opblock-summary-control").click()
    expect(page.locator("#operations-Executions-startExecution .opblock-section-request-body")).to_be_visible()

    assert watch.complaints == []
    assert page.evaluate("window.__refused") == []
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(site.url).netloc}


def test_somebody_with_a_session_can_try_a_call_that_changes_something(
    open_page: OpenPage, site: LiveSite, world: object
) -> None:
    """The CSRF token of the session goes with it."""
    page = open_page("olga")
    watch = Watch(page)
    page.goto("/api/v1/docs")
    call = page.locator("#operations-Projects-createProject")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.locator("textarea.body-param__text").fill('{"project_id": "from-the-docs"}')
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table .response .response-col_status")).to_contain_text("201")
    assert watch.complaints == []
    assert page.evaluate("window.__refused") == []
