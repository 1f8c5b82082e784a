"""What the pages do in a browser, with scripts and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from executions.models import Execution
from executions.tests.driving import drive
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import reviewed, single
from tests.pages.conftest import OpenPage
from tests.pages.crawler import NARROW, Watch
from tests.pages.site import LiveSite
from tests.pages.world import World

pytestmark = pytest.mark.slow

START = "/workflows/software_product/start/"
# The list asks again when its page comes back into sight; nobody has to wait for its clock.
COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"


def count_of(project: str) -> int:
    return Execution.objects.filter(project_id=project).count()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_run_is_found_and_started_without_any_script(
    scripts: bool, open_page: OpenPage, site: LiveSite, world: World
) -> None:
    project = f"typed-{scripts}".lower()
    page = open_page("grace", scripts=scripts)
    page.goto("/")
    page.get_by_role("link", name="Start a run").click()
    page.get_by_role("link", name="Software product").click()
    page.get_by_label("Project").fill(project)
    page.get_by_label("Brief", exact=True).fill("A library that lends tools.")
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"/executions/[0-9a-f-]{36}/$"))
    page.goto(f"/executions/?project={project}")
    expect(page.locator("#executions tbody tr")).to_have_count(1)
    assert site.run(count_of, project) == 1


def test_problems_are_announced_with_links_to_their_fields(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.goto(START)
    page.get_by_label("Project").fill("not a name")
    page.get_by_label("Brief", exact=True).fill('{"wish": }')
    page.get_by_role("button", name="Start the run").click()
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("There are 2 problems")
    expect(summary).to_be_focused()
    summary.get_by_role("link").first.click()
    expect(page.get_by_label("Project")).to_be_focused()
    expect(page.get_by_label("Project")).to_have_accessible_description(re.compile("Use 1 to 64 letters"))
    expect(page.get_by_label("Project")).to_have_value("not a name")


def test_two_clicks_on_start_start_one_run(open_page: OpenPage, site: LiveSite, world: World) -> None:
    page = open_page("grace")
    page.goto(START)
    page.get_by_label("Project").fill("twice")
    page.get_by_role("button", name="Start the run").dblclick()
    expect(page).to_have_url(re.compile(r"/executions/[0-9a-f-]{36}/$"))
    assert site.run(count_of, "twice") == 1


def test_the_list_keeps_its_rows_true_and_in_place_and_counts_what_is_new(
    open_page: OpenPage, site: LiveSite, world: World
) -> None:
    shown = site.run(start, reviewed(), project="watched", by="grace")
    page = open_page("vera")
    watch = Watch(page)
    page.goto("/executions/?project=watched")
    row = page.locator(f'tr[data-id="{shown.pk}"]')
    expect(row).to_contain_text("Pending")
    before = row.bounding_box()
    site.run(drive, shown)
    site.run(start, single(), project="watched", by="grace")
    page.evaluate(COME_BACK)
    expect(row).to_contain_text("Waiting for acceptance")
    expect(page.get_by_role("link", name="1 new run")).to_be_visible()
    assert row.bounding_box() == before
    page.get_by_role("link", name="1 new run").click()
    expect(page.locator("#executions tbody tr")).to_have_count(2)
    expect(page.get_by_role("link", name="1 new run")).to_be_hidden()
    assert watch.complaints == []


def test_live_updates_of_the_list_can_be_paused(open_page: OpenPage, world: World) -> None:
    page = open_page("vera")
    page.goto("/executions/")
    toggle = page.locator("#live-toggle")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(toggle).to_have_text("Paused")


def test_the_theme_that_was_chosen_holds_on_every_page_and_in_the_admin(open_page: OpenPage, world: World) -> None:
    page = open_page("grace", theme="light")
    page.goto("/executions/")
    light = background(page)
    page.locator(".theme-toggle").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = background(page)
    assert dark != light
    for url in ("/projects/", "/admin/", "/documents/nothing/"):
        page.goto(url)
        assert background(page) == dark, url


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_keyboard_gets_past_the_navigation_and_into_the_menus(open_page: OpenPage, world: World) -> None:
    page = open_page("grace", width=NARROW)
    page.goto("/executions/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    menu = page.locator("details.menu-narrow")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("link", name="Projects")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.get_by_role("link", name="Projects")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_times_are_shown_in_the_readers_zone_and_without_scripts_in_utc(open_page: OpenPage, world: World) -> None:
    url = f"/documents/{world.accepted}/"
    with_scripts, without = open_page("vera"), open_page("vera", scripts=False)
    with_scripts.goto(url)
    without.goto(url)
    expect(with_scripts.locator("time:not([data-relative])").first).to_have_text(re.compile("CE?S?T$"))
    expect(without.locator("time:not([data-relative])").first).to_have_text(re.compile("UTC$"))


def test_distances_in_time_stay_true_on_a_page_that_stays_open(open_page: OpenPage, world: World) -> None:
    page = open_page("vera")
    page.clock.install()
    page.goto("/executions/?project=harbour&status=waiting")
    age = page.locator('[data-cell="started"] time')
    expect(age).to_have_text("2 hours ago")
    # The server, whose clock stands where it stood, is not asked meanwhile.
    page.locator("#live-toggle").click()
    page.clock.fast_forward("03:00:31")
    expect(age).to_have_text("5 hours ago")


def test_the_link_to_a_version_is_copied_and_that_is_said(open_page: OpenPage, site: LiveSite, world: World) -> None:
    page = open_page("vera")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/d/project/lantern/epic_backlog/")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status")).to_have_text("The link to this version is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"{site.url}/documents/{world.accepted}/"


def test_a_place_in_a_document_has_an_address(open_page: OpenPage, world: World) -> None:
    page = open_page("vera")
    page.goto(f"/documents/{world.accepted}/#/epics/1")
    expect(page.locator(":target")).to_contain_text("E2")
    expect(page.locator(":target")).to_be_in_viewport()


def test_logging_in_leads_to_the_page_that_was_asked_for(open_page: OpenPage, site: LiveSite, world: World) -> None:
    site.run(site.give_password, "vera", "a long password")
    page = open_page()
    page.goto("/projects/")
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Please enter a correct username and password")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    page.locator(".menu-wide summary").click()
    page.get_by_role("button", name="Log out").first.click()
    expect(page).to_have_url(f"{site.url}/login")
