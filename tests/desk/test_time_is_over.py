"""What people at the desk get to know when nobody decides in time, and what they can do then."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from executions.llm.offline.scripted import ScriptedModel
from executions.models import Gate
from executions.tests.desk.mail_server import MailServer, mail_server
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import reviewed
from tests.acceptance.site import ENOUGH
from tests.desk.cast import Colleague, hire
from tests.pages.conftest import OpenPage
from tests.pages.site import LiveSite
from tests.pages.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
def post(site: LiveSite, world: World) -> Iterator[MailServer]:
    """A worker whose mail goes to a server of ours; everybody has an address."""
    site.run(hire)
    with ScriptedModel() as model, mail_server() as mail:
        address = f"smtp://127.0.0.1:{mail.port}"
        with site.at_work(ANTHROPIC_BASE_URL=model.base_url, ANTHROPIC_API_KEY="sk-test", COMBINE_EMAIL_URL=address):
            yield mail


def link_to(mail: MailServer, name: str, text: str) -> str:
    """Wait for mail to somebody that says ``text``; return the path of the gate that it leads to."""
    deadline = time.monotonic() + ENOUGH
    while True:
        for message in mail.messages:
            body = str(message.get_content())
            if f"{name}@" in str(message["To"]) and text in body:
                found = re.search(r"https?://[^/\s]+(/admin/executions/gate/\S+)", body)
                assert found is not None, body
                return found[1]
        assert time.monotonic() < deadline, [str(message.get_content()) for message in mail.messages]
        time.sleep(0.1)


def test_escalation_brings_the_head_by_mail_and_an_expiry_ends_the_run(
    open_page: OpenPage, site: LiveSite, post: MailServer
) -> None:
    helen, edna = Colleague(open_page("helen")), Colleague(open_page("edna"))
    late = reviewed("editor", due_in="PT4S", escalate_to=["head"])
    site.run(lambda: start(late, by="opal", project="late"))
    helen.page.goto(link_to(post, "helen", "Overdue"))
    helen.decide("Accept")
    helen.expect_said("Recorded: accept")

    over = reviewed("editor", due_in="PT4S", on_timeout="fail")
    run = site.run(lambda: start(over, by="opal", project="over"))
    edna.page.goto(link_to(post, "edna", "Not decided in time"))
    expect(edna.page.locator("main")).to_contain_text("expired")
    expect(edna.page.locator("button[name=decision]")).to_have_count(0)
    gate = site.run(lambda: Gate.objects.select_related("execution").get(execution=run))
    assert (gate.status, gate.execution.status, gate.execution.error_code) == ("expired", "failed", "GATE_EXPIRED")
    for colleague in (helen, edna):
        colleague.check()
