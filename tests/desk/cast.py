"""Who works at the desk in the journeys, and how they find their way."""

from __future__ import annotations

import re
import time

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from executions.tests.engine_cast import person
from tests.acceptance.site import ENOUGH
from tests.pages.crawler import Watch

PEOPLE = {
    "opal": ("operator",),
    "paula": ("pm",),
    "archie": ("architect",),
    "bea": ("ba",),
    "otto": ("viewer",),
    "edna": ("editor",),
    "edgar": ("editor",),
    "edith": ("editor", "operator"),
    "helen": ("head",),
}


def hire() -> None:
    """Give everybody their account and access to the desk."""
    for name, roles in PEOPLE.items():
        User.objects.filter(pk=person(name, *roles).pk).update(is_staff=True, email=f"{name}@example.org")


class Colleague:
    """Somebody's browser window at the desk, in which no page may complain."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._watch = Watch(page)

    def check(self) -> None:
        """The browser itself complains of an answer that is no success; nothing else may be wrong."""
        assert [text for text in self._watch.complaints if "Failed to load resource" not in text] == []

    def open_next(self, project: str) -> None:
        """Open what waits for them in a project, once it does; the inbox does not reload itself."""
        deadline = time.monotonic() + ENOUGH
        while True:
            self.page.goto(f"/admin/executions/gate/inbox/?project={project}")
            link = self.page.locator("th .inbox-what")
            if link.count():
                link.first.click()
                self.page.wait_for_url("**/decide/")
                return
            assert time.monotonic() < deadline, f"nothing waits in {project}: {self.page.locator('main').inner_text()}"
            time.sleep(0.2)

    def decide(self, button: str, reason: str = "") -> None:
        """Give a reason and press one of the buttons; wait for the page that follows."""
        if reason:
            self.page.get_by_label("Reason", exact=True).fill(reason)
        with self.page.expect_navigation():
            self.button(button).click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def expect_said(self, text: str) -> None:
        expect(self.page.locator(".messagelist")).to_contain_text(text)

    def post(self, url: str, **fields: str) -> int:
        """Send a form that no page offers them, with all that the site asks for; return the status of the answer."""
        token = self.page.context.cookies()
        value = next(cookie["value"] for cookie in token if "csrf" in cookie["name"])
        headers = {"Referer": self.page.url, "X-CSRFToken": value}
        answer = self.page.request.post(url, form={**fields}, headers=headers, max_redirects=0)
        return answer.status


def place_of(url: str) -> str:
    """Return the id of the gate whose page is at ``url``."""
    found = re.search(r"/gate/([0-9a-f-]{36})/", url)
    assert found is not None, url
    return found[1]
