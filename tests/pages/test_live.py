"""The page of a run in a real browser, with the real web process, a real worker and a scripted model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from documents.models import Document
from documents.rendering import raw_json
from executions.llm.offline.replies import Reply
from executions.llm.offline.scripted import ScriptedModel
from executions.models import Event, Step
from executions.tests.driving import Scripted, backlog, drive
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import chain, epics, reviewed, single, stored
from tests.acceptance.site import ENOUGH
from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch, check_barriers, crawl
from tests.pages.site import LiveSite
from tests.pages.world import World

pytestmark = pytest.mark.slow

_STREAMS = """
window.__streams = 0;
const Original = window.EventSource;
window.EventSource = class extends Original {
  constructor(...args) { super(...args); window.__streams += 1; window.__stream = this; }
};
"""
_IS_OPEN = "window.__stream?.readyState === 1"
_HIDE = """
(isHidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


class Stage:
    """A worker, and the model that it asks: what happens on the pages happens because of them."""

    def __init__(self, site: LiveSite, model: ScriptedModel) -> None:
        self.site = site
        self.model = model

    def slow(self, seconds: float) -> None:
        """Have the model write for about so long."""
        self.model.default = Reply(chunk_count=int(seconds * 10), chunk_delay=0.1)

    def fast(self) -> None:
        self.model.default = Reply(chunk_count=4, chunk_delay=0.1)

    def start(self, what: dict[str, object]) -> UUID:
        return self.site.run(lambda: start(what, by="grace", project="stage").pk)

    def events(self, execution: UUID) -> list[int]:
        return self.site.run(
            lambda: list(Event.objects.filter(execution=execution).order_by("seq").values_list("seq", flat=True))
        )

    def stored(self, execution: UUID) -> str:
        """Return the newest document of a run, as the panel shows it."""
        return self.site.run(
            lambda: raw_json(Document.objects.filter(execution_id=execution).order_by("created_at").last().content)  # type: ignore[union-attr]
        )


@pytest.fixture(scope="module")
def long_run(site: LiveSite, world: World) -> UUID:
    """A run with 500 steps, made before there is a worker that would take it up."""

    def made() -> UUID:
        execution = start(epics(), by="grace", project="large")
        drive(execution, Scripted(backlog=backlog("E1", "E2", "E3")))
        (last,) = Step.objects.filter(execution=execution, path="per_epic[E3].plan")
        prefix = last.sort_key.rsplit(".", 2)[0]
        copies = []
        for number in range(4, 498):
            copy = Step.objects.get(pk=last.pk)
            copy.pk, copy.path = None, f"per_epic[E{number}].plan"
            copy.sort_key = f"{prefix}.{number:05d}.000"
            copies.append(copy)
        Step.objects.bulk_create(copies)
        return execution.pk

    return site.run(made)


@pytest.fixture(scope="module")
def stage(site: LiveSite, long_run: UUID) -> Iterator[Stage]:
    with (
        ScriptedModel() as model,
        site.at_work(ANTHROPIC_BASE_URL=model.base_url, ANTHROPIC_API_KEY="sk-test"),
    ):
        yield Stage(site, model)


def shown_events(page: Page) -> list[int]:
    found: list[int] = page.eval_on_selector_all("#log > li", "rows => rows.map(row => Number(row.id.slice(6)))")
    return found


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait for what Playwright cannot wait for itself: its own way would need eval, which the policy forbids."""
    deadline = time.monotonic() + ENOUGH
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_is_started_watched_accepted_and_seen_to_its_end(open_page: OpenPage, stage: Stage) -> None:
    stage.fast()
    stage.site.run(stored, reviewed("pm"))
    page = open_page("grace")
    watch = Watch(page)
    page.goto("/workflows/test/start/")
    page.get_by_label("Project").fill("followed")
    page.get_by_label("Brief", exact=True).fill("A lighthouse.")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/executions/*-*/")
    expect(page.locator("[data-row=note] .state-words")).to_have_text("waiting for pm")
    expect(page.locator(".banner")).to_contain_text("Waiting for you: accept “Note” v1")
    expect(page).to_have_title("● Needs you · Test · The Combine")
    assert page.locator("#favicon").get_attribute("href").endswith("favicon-waiting.svg")  # type: ignore[union-attr]
    other = open_page("vera")
    other.goto(page.url)
    expect(other.locator(".banner")).to_contain_text("Waiting for pm (1 person):")

    decision = page.context.new_page()
    decision.goto(page.url)
    decision.keyboard.press("g")
    decision.keyboard.press("Enter")
    decision.wait_for_url("**/admin/executions/gate/**")
    decision.get_by_role("button", name="Accept").first.click()
    for each in (page, other):
        expect(each.locator("#live-head .badge")).to_have_text("Completed")
        expect(each.locator("[data-row=note] .state-words")).to_have_text("accepted by grace")
        expect(each.locator("#live-side li")).to_have_count(2)
        expect(each).to_have_title("✓ Test · The Combine")
    execution = UUID(page.url.split("/")[-2])
    assert shown_events(page) == shown_events(other) == stage.events(execution)
    expect(page.locator("#output pre")).to_have_text(stage.stored(execution), use_inner_text=True)
    assert (watch.complaints, page.evaluate("window.__refused")) == ([], [])
    said = page.locator("#log .log-body").all_inner_texts()
    links = page.locator("#log .log-step").evaluate_all("links => links.map(link => link.href)")
    page.reload()
    assert page.locator("#log .log-body").all_inner_texts() == said, "the script says what the server says"
    assert page.locator("#log .log-step").evaluate_all("links => links.map(link => link.href)") == links
    assert other.locator("#live-acts").inner_text().strip() == ""


def test_web_process_killed_in_mid_stream_is_noticed_and_nothing_is_lost(open_page: OpenPage, stage: Stage) -> None:
    stage.slow(5)
    execution = stage.start(chain(2))
    page = open_page("grace")
    page.goto(f"/executions/{execution}/")
    expect(page.locator("#output")).to_have_attribute("aria-busy", "true")
    stage.fast()
    stage.site.kill_web()
    killed = time.monotonic()
    banner = page.locator("#live-connection")
    expect(banner).to_be_visible(timeout=3_000)
    assert time.monotonic() - killed < 3
    expect(banner).to_contain_text("The execution keeps running on the server; trying again…")
    stage.site.start_web()
    expect(banner).to_contain_text("Live updates restored; nothing was missed")
    expect(page.locator("#live-head .badge")).to_have_text("Completed")
    assert shown_events(page) == stage.events(execution)
    expect(page.locator("#output pre")).to_have_text(stage.stored(execution), use_inner_text=True)
    expect(banner).to_be_hidden()

    plain = open_page("grace", scripts=False)
    plain.goto(page.url)
    expect(plain.locator("#live-head .badge")).to_have_text("Completed")
    assert shown_events(plain) == stage.events(execution)


def test_live_text_is_followed_until_the_reader_scrolls_up(open_page: OpenPage, stage: Stage) -> None:
    text = '{"title": "Long", "text": "' + "All work and no play. \\n" * 400 + '"}'
    stage.model.default = Reply(text=text, chunk_count=45, chunk_delay=0.1)
    execution = stage.start(single())
    page = open_page("grace")
    page.goto(f"/executions/{execution}/")
    box, follow = page.locator("#output"), page.locator("#follow")
    wait_until(lambda: box.evaluate("box => box.scrollTop") > 100)
    assert follow.get_attribute("aria-pressed") == "true"
    assert page.locator("#status").inner_text() == ""
    box.evaluate("box => { box.scrollTop = 0; }")
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(600)
    assert box.evaluate("box => box.scrollTop") == 0
    page.keyboard.press("f")
    expect(follow).to_have_attribute("aria-pressed", "true")
    stage.fast()
    check_barriers(page, themes=["light"])


def test_finished_run_opens_no_stream_and_a_retried_one_does(open_page: OpenPage, stage: Stage, world: World) -> None:
    stage.fast()
    page = open_page("grace")
    page.add_init_script(_STREAMS)
    page.goto(f"/executions/{world.completed}/")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__streams") == 0
    page.goto(f"/executions/{world.failed}/")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__streams") == 0
    page.get_by_role("link", name="Retry the run").click()
    page.get_by_role("button", name="Retry the run").click()
    page.wait_for_url("**/executions/*-*/")
    assert page.evaluate("window.__streams") == 1
    expect(page.locator("#live-head .badge")).to_have_text("Completed")
    assert shown_events(page) == stage.events(world.failed)


def test_run_with_500_steps_is_usable(open_page: OpenPage, long_run: UUID) -> None:
    page = open_page("grace")
    watch = Watch(page)
    page.goto(f"/executions/{long_run}/")
    assert page.locator("[data-row]").count() == 3
    page.locator("summary", has_text="Epic E250").click()
    row = page.locator("[data-row='per_epic[E250].plan']")
    expect(row).to_contain_text("done")
    page.keyboard.press("j")
    expect(page.locator(".step-link").first).to_be_focused()
    row.locator(".step-link").click()
    page.wait_for_url("**/steps/per_epic%5BE250%5D.plan/")
    assert watch.complaints == []


def test_keys_do_nothing_while_somebody_types_or_has_turned_them_off(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.goto(f"/executions/{world.reviewing}/")
    page.keyboard.press("?")
    sheet = page.locator("#keys")
    expect(sheet).to_be_visible()
    page.get_by_label("Use single keys on this page").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    page.reload()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_square_brackets_lead_through_the_runs_of_the_list_one_came_from(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.goto("/executions/?status=waiting")
    runs: list[str] = page.eval_on_selector_all(".table-runs tr[data-id]", "rows => rows.map(row => row.dataset.id)")
    assert len(runs) >= 2
    page.goto(f"/executions/{runs[0]}/")
    page.keyboard.press("[")
    page.keyboard.press("]")
    page.wait_for_url(f"**/executions/{runs[1]}/")
    page.keyboard.press("[")
    page.wait_for_url(f"**/executions/{runs[0]}/")


def test_stream_is_closed_after_a_minute_out_of_sight_and_opened_again(open_page: OpenPage, world: World) -> None:
    page = open_page("grace")
    page.add_init_script(_STREAMS)
    page.clock.install()
    page.goto(f"/executions/{world.reviewing}/")
    wait_until(lambda: page.evaluate(_IS_OPEN) is True)
    page.evaluate(_HIDE, True)
    page.clock.fast_forward(59_000)
    assert page.evaluate(_IS_OPEN) is True
    page.clock.fast_forward(1_000)
    assert page.evaluate("window.__stream.readyState") == 2, "the stream is closed"
    page.evaluate(_HIDE, False)
    wait_until(lambda: page.evaluate(_IS_OPEN) is True)
    assert page.evaluate("window.__streams") == 2


PAGES = ["completed", "reviewing", "asking", "failed", "step", "attempt", "cancel"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_run_keep_to_the_rules(name: str, open_page: OpenPage, world: World) -> None:
    steps = f"/executions/{world.completed}/steps/"
    addresses = {
        "step": f"{steps}epic_backlog/",
        "attempt": f"{steps}epic_backlog/attempts/2/",
        "cancel": f"/executions/{world.reviewing}/cancel/",
    }
    crawl(open_page("grace"), addresses.get(name) or f"/executions/{getattr(world, name)}/")
