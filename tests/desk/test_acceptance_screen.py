"""The page on which a document is decided on, in a browser: every view without barriers, keys, drafts, comments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from executions.models import Decision, Execution, Gate
from executions.services.drafts import draft_of
from executions.services.executions import cancel_execution
from executions.tests.admin.desk import staff
from executions.tests.driving import Answer, document, drive
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.values import Claim
from tests.pages.conftest import OpenPage
from tests.pages.crawler import Watch, check_barriers, crawl
from tests.pages.site import LiveSite
from tests.pages.world import World, written
from workflows.services import current_revision

pytestmark = pytest.mark.slow

COMMENTS = [
    {"path": "/epics/0", "text": "This comes second; nothing works without the other."},
    {"path": "/epics/1/title", "text": "Say what it is for."},
]


def _rewritten(claim: Claim) -> Answer:
    """Write the sample, with what a reviewer would see of a second version: moved, changed, added."""
    content = json.loads(written(claim).text)
    epics = content["epics"]
    epics[0], epics[1] = epics[1], epics[0]
    epics[0]["title"] += ", for everybody at the desk"
    return document(**content)


def _second_version() -> UUID:
    project = f"cove-{uuid4().hex[:6]}"
    execution = start(current_revision("software_product"), by="grace", project=project, brief={"idea": "A harbour"})
    drive(execution, written)
    decide("grace", open_gate(execution), "request_changes", "The order is not right yet.", comments=COMMENTS)
    drive(execution, _rewritten)
    return open_gate(execution).pk


def _cancel(gate_id: UUID) -> None:
    execution = Gate.objects.get(pk=gate_id).execution
    if Execution.objects.get(pk=execution.pk).status not in ("completed", "cancelled", "failed"):
        cancel_execution(actor=person("grace"), execution_id=execution.pk, reason="The test is over.")


@pytest.fixture
def gate(site: LiveSite, world: World) -> Iterator[UUID]:
    """The gate of a second version; its run ends with the test, so that nothing waits for other tests."""
    gate_id = site.run(_second_version)
    yield gate_id
    site.run(_cancel, gate_id)


def _url(gate_id: UUID) -> str:
    return reverse("admin:executions_gate_decide", args=(gate_id,))


def test_every_view_of_a_document_has_no_barrier(open_page: OpenPage, gate: UUID) -> None:
    page = open_page("grace")
    for query in ("", "?view=changes", "?view=json", "?view=made", "?view=edit"):
        crawl(page, _url(gate) + query)
    page.goto(_url(gate))
    page.get_by_role("button", name="Request changes").click()
    expect(page.get_by_role("alert")).to_contain_text("Give a reason of at least 10 characters")
    check_barriers(page)


def test_staff_without_the_role_see_why_the_buttons_are_missing(
    open_page: OpenPage, site: LiveSite, gate: UUID
) -> None:
    site.run(staff, "vic", "viewer")
    page = open_page("vic")
    crawl(page, _url(gate), themes=["light"])
    expect(page.get_by_text("you need one of the roles: pm.")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)


def test_a_reviewer_comments_on_places_by_keyboard_and_goes_on_with_the_next(
    open_page: OpenPage, site: LiveSite, gate: UUID
) -> None:
    page = open_page("grace")
    watch = Watch(page)
    page.goto(_url(gate))
    _comment_on_a_place(page, site, gate)
    _move_by_keys(page)
    before = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: url != before)
    expect(page.locator(".messagelist")).to_contain_text("Recorded: request changes")
    decision = site.run(lambda: Decision.objects.get(gate=gate))
    assert decision.comments == [{"path": "/epics/0", "text": "Smaller, please."}]
    assert page.evaluate("window.__refused") == []
    assert watch.complaints == []


def _comment_on_a_place(page: Page, site: LiveSite, gate: UUID) -> None:
    page.locator('a.doc-comment[data-place="/epics/0"]').click()
    expect(page.get_by_label("Place 1")).to_have_value("/epics/0")
    expect(page.get_by_label("Comment 1")).to_be_focused()
    page.keyboard.type("Smaller, please. j k a x ?")
    page.keyboard.press("Control+Enter")  # nothing is chosen yet
    expect(page.locator("#draft-state")).to_contain_text("Kept as a draft at")
    draft = site.run(lambda: draft_of(person("grace"), Gate.objects.get(pk=gate)))
    assert draft is not None
    assert draft.data["places"] == [{"path": "/epics/0", "text": "Smaller, please. j k a x ?"}]
    page.reload()
    expect(page.get_by_label("Comment 1")).to_have_value("Smaller, please. j k a x ?")
    page.get_by_label("Comment 1").fill("Smaller, please.")


def _move_by_keys(page: Page) -> None:
    page.locator("#document-heading").focus()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    check_barriers(page, themes=["dark"])
    page.set_viewport_size({"width": 1360, "height": 900})
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Accept", exact=True)).to_be_focused()
    page.keyboard.press("c")
    expect(page.get_by_label("Reason")).to_be_focused()
    expect(page.locator("#ready")).to_have_text("Ctrl+Enter sends: Request changes.")


def test_all_of_it_works_without_scripts(open_page: OpenPage, site: LiveSite, gate: UUID) -> None:
    page = open_page("grace", scripts=False, width=390)
    page.goto(_url(gate))
    page.get_by_role("link", name="Changes since your review").click()
    expect(page.get_by_text("moved from place 2 to place 1, and changed")).to_be_visible()
    page.get_by_role("link", name="Document", exact=True).click()
    page.get_by_role("link", name="Edit and accept").click()
    page.get_by_label("/epics/0/title").fill("Written by grace")
    page.get_by_role("button", name="See what I changed").click()
    expect(page.locator(".diff ins").first).to_contain_text("Written by grace")
    page.get_by_role("button", name="Store and accept my version").click()
    expect(page.locator(".messagelist")).to_contain_text("your version is stored and accepted")
    edited = site.run(lambda: Gate.objects.get(pk=gate).execution.gates.get(document_version=3))
    assert edited.status == "decided"
