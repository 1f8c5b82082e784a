"""The pictures of docs/review-desk.md: ``make pictures`` takes them anew, of the site that the tests build.

It is a test so that it has their site and browser; its name keeps it out of every other session.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page

from combine.env import BASE_DIR
from documents.models import Document
from executions.tests.driving import Scripted, document, drive
from executions.tests.engine_cast import decide, open_gate, start
from tests.desk.cast import hire
from tests.pages.conftest import OpenPage
from tests.pages.site import LiveSite
from tests.pages.world import PACKAGE, World, written
from workflows.services import current_revision

PLACE = BASE_DIR / "docs" / "pictures"
WIDTH, HEIGHT = 1120, 720
_WITHOUT_SIDEBAR = "localStorage.setItem('django.admin.navSidebarIsOpen', 'false')"


def test_take_the_pictures(open_page: OpenPage, site: LiveSite, world: World) -> None:
    site.run(hire)
    gate = site.run(_second_version)
    page = open_page("grace", width=WIDTH, height=HEIGHT)
    page.emulate_media(reduced_motion="reduce")
    page.add_init_script(_WITHOUT_SIDEBAR)
    decide_url = f"/admin/executions/gate/{gate}/decide/"
    _take(page, "index", "/admin/")
    _take(page, "inbox", "/admin/executions/gate/inbox/?tab=mine")
    _take(page, "document", decide_url)
    _take(page, "changes", decide_url, lambda: page.get_by_role("link", name="Changes since").click())
    _take(page, "questions", f"/admin/executions/gate/{world.question}/decide/")
    _take(page, "retry", f"/admin/executions/execution/{world.failed}/retry/")
    phone = open_page("grace", width=390, height=780, theme="dark")
    phone.emulate_media(reduced_motion="reduce")
    _take(phone, "phone", decide_url)


def _second_version() -> str:
    """Have a document sent back and made anew, so that there is something to compare; return its gate."""
    brief = json.loads((PACKAGE / "brief.json").read_text())
    execution = start(current_revision("software_product"), by="opal", project="quayside", brief=brief)
    drive(execution, written)
    comments = [{"path": "/epics/0", "text": "Name the desk first; nothing else can be true before it."}]
    decide("grace", open_gate(execution), "request_changes", "Put the lending desk first.", comments=comments)
    content = Document.objects.get(execution_id=execution.pk, document_type="epic_backlog").content
    content["summary"] = "The desk comes first. Safety follows and uses it as its gate; reservations wait for both."
    content["epics"][0]["title"] = "The lending desk"
    drive(execution, Scripted(epic_backlog=document(**content)))
    return str(open_gate(execution).pk)


def _take(page: Page, name: str, url: str, then: Callable[[], None] | None = None) -> None:
    page.goto(url)
    if then is not None:
        then()
        page.wait_for_load_state()
    # What stands still looks the same every time.
    page.screenshot(path=PLACE / f"{name}.png", animations="disabled", caret="hide")
