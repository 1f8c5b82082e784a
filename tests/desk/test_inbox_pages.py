"""The inbox, accepting several, handing on, and answering questions, in a browser as the staff use them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from executions.models import Decision, Gate, GateClaim, GateDraft
from executions.services.claims import assign, claim
from executions.services.drafts import save_draft
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import reviewed
from executions.tests.pretend_worker import Scripted, document, drive
from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch, check_barriers, crawl
from tests.pages.site import LiveSite
from tests.pages.world import World

pytestmark = pytest.mark.slow

INBOX = "/admin/executions/gate/inbox/"


def _fill(world: World) -> list[str]:
    """Have notes wait for an editor: one overdue, one claimed by somebody else and handed on, one decided."""
    for name in ("ed", "eva"):
        person(name)
        User.objects.filter(username=name).update(is_staff=True)
    person("hal", "operator")
    now, keys = timezone.now(), []
    for number in range(4):
        execution = start(reviewed(), by="olga", project=f"quarry-{number}")
        text = "What is dug, by whom, and where it goes." * (number + 1)
        drive(execution, Scripted(note=document(title=f"Note {number} on the quarry", text=text)))
        keys.append(str(open_gate(execution).pk))
    gates = [Gate.objects.select_related("execution").get(pk=key) for key in keys]
    Gate.objects.filter(pk=keys[0]).update(due_at=now - timedelta(hours=2), opened_at=now - timedelta(days=2))
    Gate.objects.filter(pk=keys[1]).update(due_at=now + timedelta(hours=2), opened_at=now - timedelta(hours=5))
    assign(actor=person("eva"), gate=gates[1], username="ed", note="You know the numbers better than I do.", at=now)
    claim(actor=person("eva"), gate=gates[1], at=now)
    decide("eva", gates[3], "accept")
    question = Gate.objects.select_related("execution").get(pk=world.question)
    values = {"answers": {each["id"]: ["0"] for each in question.questions}, "assumed": []}
    save_draft(person("hal"), question, values)
    return keys


def test_the_inbox_and_what_it_leads_to_have_no_barrier_and_do_what_they_say(
    open_page: OpenPage, site: LiveSite, world: World
) -> None:
    keys = site.run(_fill, world)
    page = open_page("ed")
    for url in (
        INBOX,
        f"{INBOX}?tab=all",
        f"{INBOX}?tab=decided",
        f"{INBOX}?role=nowhere",
        f"/admin/executions/gate/{keys[0]}/hand-on/",
    ):
        crawl(page, url)
    _accept_two_of_which_one_is_stale(page, site, keys)
    _claim_and_hand_on(page, keys[1])
    assert site.run(GateClaim.objects.get).by == "ed"


def _accept_two_of_which_one_is_stale(page: Page, site: LiveSite, keys: list[str]) -> None:
    page.goto(INBOX)
    page.locator("body").press("j")
    expect(page.locator(f"tr:has(#choose-{keys[0]}) [data-item]")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(f"#choose-{keys[0]}")).to_be_checked()
    page.locator(f"#choose-{keys[2]}").check()
    page.get_by_role("button", name="Accept the chosen ones…").click()
    expect(page.get_by_role("heading", name="Accept 2 documents?")).to_be_visible()
    check_barriers(page)
    stale = site.run(Gate.objects.select_related("execution").get, pk=keys[2])
    site.run(decide, "eva", stale, "reject", "It is not ours to dig.")
    page.get_by_role("button", name="Accept 2 documents").click()
    expect(page.get_by_role("heading", name="1 of 2 accepted")).to_be_visible()
    expect(page.locator("#failed")).to_contain_text("eva was faster: reject")
    check_barriers(page)


def _claim_and_hand_on(page: Page, key: str) -> None:
    page.goto(f"/admin/executions/gate/{key}/decide/")
    expect(page.locator(".gate-bar")).to_contain_text("eva")
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_role("button", name="Give up")).to_be_visible()


def test_questions_are_answered_with_a_draft_a_summary_and_no_barrier(
    open_page: OpenPage, site: LiveSite, world: World
) -> None:
    url = f"/admin/executions/gate/{world.question}/decide/"
    crawl(open_page("grace"), url)
    page = open_page("grace")
    watch = Watch(page)
    page.goto(url)
    text = page.locator("#answer_form textarea").first
    number = page.locator("#answer_form input[type=number]").first
    text.fill("People of the harbour")
    expect(page.locator("#answer-count")).to_contain_text("1 of")
    expect(page.locator("#answer-saved")).to_contain_text("Draft saved")
    drafts = site.run(lambda: [each.data for each in GateDraft.objects.filter(user__username="grace")])
    assert any("People of the harbour" in str(draft) for draft in drafts)
    number.press("Enter")
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("This field is required")
    expect(summary).to_be_focused()
    check_barriers(page)
    expect(text).to_have_value("People of the harbour")
    for group in page.locator("#answer_form fieldset").all():
        group.locator("input").first.check()
    number.fill("40")
    page.get_by_role("button", name="Review the answers").click()
    expect(page.get_by_role("heading", name="Send these answers")).to_be_visible()
    check_barriers(page)
    page.get_by_role("button", name="Change them").click()
    expect(text).to_have_value("People of the harbour")
    assert page.evaluate("window.__refused") == []
    assert [said for said in watch.complaints if "Failed to load resource" not in said] == []
    assert not site.run(Decision.objects.filter(gate=world.question).exists)
