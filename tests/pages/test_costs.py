"""The pages of costs in a browser: without barriers, and usable by keyboard from the sum down to the call."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from executions.services.budgets import set_budget
from executions.tests.engine_cast import person
from tests.pages.conftest import OpenPage
from tests.pages.crawler import NARROW, Watch, check_barriers, crawl
from tests.pages.site import LiveSite
from tests.pages.world import World

pytestmark = pytest.mark.slow

STEP = "/costs/workflows/software_product/epic_backlog/"


def _budget() -> None:
    root = person("root")
    root.is_staff = True
    root.save()
    now = datetime.now(UTC)
    set_budget(actor=root, project_id="lantern", workflow_id="", period="month", amount_usd=Decimal(1000), at=now)


def test_the_pages_of_costs_have_no_barrier_and_nothing_blocked(
    open_page: OpenPage, site: LiveSite, world: World
) -> None:
    site.run(_budget)
    page = open_page("grace")
    crawl(page, "/costs/")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    check_barriers(page, themes=["light"])
    # The others are made of the same pieces.
    for url in ("/costs/workflows/software_product/", STEP, "/costs/?from=soon&tz=Mars"):
        crawl(page, url, themes=["light"])
    crawl(open_page("vera"), "/costs/", status=403, themes=["light"])


def test_from_the_sum_to_the_call_by_keyboard(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    watch = Watch(page)
    page.goto("/")
    page.get_by_role("navigation", name="Main", exact=True).get_by_role("link", name="Costs").press("Enter")
    expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Cost per day, by model")).to_be_visible()
    page.get_by_role("link", name="7 days").press("Enter")
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")

    # The form keeps the period, and what was typed makes the address.
    page.get_by_label("Project", exact=True).fill("lantern")
    page.get_by_label("Project", exact=True).press("Enter")
    expect(page).to_have_url(f"{page.url.split('?')[0]}?period=7d&project=lantern")
    page.get_by_role("link", name="Kind of token").press("Enter")
    expect(page.get_by_role("img", name="Cost per day, by kind of token")).to_be_visible()

    # The same as a table; an amount is exact where the focus is.
    page.get_by_text("The same as a table").first.press("Enter")
    expect(page.get_by_role("table", name="Cost by day").first.get_by_role("row")).to_have_count(8)
    spend = page.get_by_role("link", name=re.compile("^Spend"))
    exact = spend.locator(".exact")
    expect(exact).to_be_hidden()
    page.keyboard.press("Tab")
    spend.focus()
    expect(exact).to_be_visible()

    page.get_by_role("table", name="Cost by workflow").get_by_role("link").first.press("Enter")
    page.get_by_role("table", name="Cost by step").get_by_role("link", name="epic_backlog").press("Enter")
    expect(page.get_by_role("heading", name="epic_backlog")).to_be_visible()
    expect(page).to_have_url(f"{page.url.split('/costs')[0]}{STEP}?period=7d&project=lantern")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of Calls", exact=True).press("Enter")
    assert download.value.suggested_filename.startswith("costs-calls-")
    page.get_by_role("table", name="Calls, newest first").get_by_role("rowheader").first.get_by_role("link").press(
        "Enter"
    )
    expect(page.get_by_text("prices used", exact=False).first).to_be_visible()
    assert watch.complaints == []


def test_on_a_phone_lines_of_many_figures_are_boxes_and_lines_of_few_stay_lines(
    open_page: OpenPage, world: World
) -> None:
    page = open_page("grace", width=NARROW)
    page.goto("/costs/")
    many = page.get_by_role("table", name="Cost by workflow").locator("tbody tr").first
    few = page.get_by_role("table", name="Cost by the cause of the call").locator("tbody tr").first
    assert many.evaluate("each => getComputedStyle(each).display") == "grid"
    assert few.evaluate("each => getComputedStyle(each).display") == "table-row"
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
