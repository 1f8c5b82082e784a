"""Days at the desk, in the browsers of several people: what they do, and what comes of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db.models import Count
from playwright.sync_api import expect

from documents.models import Document
from executions.llm.offline import sse
from executions.llm.offline.author import OfflineAuthor
from executions.llm.offline.replies import Reply
from executions.llm.offline.samples import SampleLibrary
from executions.llm.offline.scripted import ScriptedModel
from executions.llm.values import JSON
from executions.models import AuditEntry, Decision, Execution, Gate
from executions.tests.driving import Scripted, document, drive
from executions.tests.engine_cast import decide, open_gate, start, status
from executions.tests.engine_definitions import reviewed
from tests.acceptance.site import ENOUGH
from tests.desk.cast import Colleague, hire, place_of
from tests.pages.conftest import OpenPage
from tests.pages.site import LiveSite
from tests.pages.world import PACKAGE, World
from workflows.services import current_revision

pytestmark = pytest.mark.slow

BULK, STALE = 20, 3


@pytest.fixture
def staff(site: LiveSite, world: World) -> None:
    """Everybody has an account, and the shipped example is loaded."""
    site.run(hire)


@pytest.fixture
def model(site: LiveSite, staff: None) -> Iterator[ScriptedModel]:
    """A worker and the offline model, which keeps what it was asked."""
    author = OfflineAuthor(SampleLibrary([PACKAGE]))

    def script(body: JSON, _number: int) -> Reply:
        return Reply(text=author.answer(body))

    with ScriptedModel(script) as model:
        port = model.base_url.rsplit(":", 1)[1]
        with site.at_work(COMBINE_OFFLINE_MODEL_PORT=port):
            yield model


def test_a_whole_run_is_driven_from_the_desk_by_those_whom_it_needs(
    open_page: OpenPage, site: LiveSite, model: ScriptedModel
) -> None:
    opal, paula, archie, bea, otto = (Colleague(open_page(name)) for name in ("opal", "paula", "archie", "bea", "otto"))
    run = site.run(_start_example)
    _answer(opal)
    _send_back_and_accept(paula, model)
    gate = _refuse(otto, archie, site)
    _edit_and_accept(archie, site, run, gate)
    for reviewer in (bea, paula, bea):
        reviewer.open_next("desk-day")
        reviewer.decide("Accept")
        reviewer.expect_said("Recorded: accept, story_backlog v1")
    site.run(_wait_for_end, run)
    opal.page.goto(f"/admin/executions/execution/{run}/change/")
    expect(opal.page.locator(".desk-sentence")).to_contain_text("Completed in")
    for colleague in (opal, paula, archie, bea, otto):
        colleague.check()


def _start_example() -> UUID:
    brief = json.loads((PACKAGE / "brief.json").read_text())
    return start(current_revision("software_product"), by="opal", project="desk-day", brief=brief).pk


def _answer(opal: Colleague) -> None:
    """Answer the questions: typed, summed up, sent."""
    page = opal.page
    opal.open_next("desk-day")
    page.get_by_label("Volunteers and the coordinator only").check()
    page.get_by_role("radio", name="No", exact=True).check()
    page.get_by_label("How many items change hands").fill("40")
    with page.expect_navigation():
        opal.button("Review the answers").click()
    expect(page.get_by_text("These answers can be sent. Nothing is sent yet.")).to_be_visible()
    with page.expect_navigation():
        opal.button("Send the answers").click()
    expect(page.locator(".messagelist")).to_be_visible()


def _send_back_and_accept(paula: Colleague, model: ScriptedModel) -> None:
    """Comment on two places; both reach the model; the next version shows what became of them."""
    page = paula.page
    paula.open_next("desk-day")
    page.locator(".desk-places > summary").click()
    page.get_by_label("Place 1").fill("/epics/0/title")
    page.get_by_label("Comment 1").fill("Say lending desk, not desk.")
    page.get_by_label("Place 2").fill("/epics/1")
    page.get_by_label("Comment 2").fill("This one is too large.")
    paula.decide("Request changes")
    paula.expect_said("Recorded: request changes")
    paula.open_next("desk-day")
    prompt = next(
        text for body in reversed(model.bodies) if 'kind="review"' in (text := "\n".join(sse.message_texts(body)))
    )
    for said in ("/epics/0/title", "Say lending desk, not desk.", "/epics/1", "This one is too large."):
        assert said in prompt
    page.get_by_role("link", name="Changes since").click()
    expect(page.get_by_text("Changes since your review of v1")).to_be_visible()
    expect(page.locator(".review-remark")).to_have_count(2)
    paula.decide("Accept")
    paula.expect_said("Recorded: accept")


def _refuse(otto: Colleague, archie: Colleague, site: LiveSite) -> str:
    """Somebody without the role sees why there are no buttons; what they send all the same is refused and noted."""
    archie.open_next("desk-day")
    gate = place_of(archie.page.url)
    url = f"/admin/executions/gate/{gate}/decide/"
    otto.page.goto(url)
    expect(otto.page.locator("#decide")).to_contain_text("architect")
    expect(otto.page.locator("#decide button[name=decision]")).to_have_count(0)
    fields = {
        name: archie.page.locator(f"#decide_form [name={name}]").input_value()
        for name in ("document_id", "content_sha256", "votes", "places-TOTAL_FORMS", "places-INITIAL_FORMS")
    }
    before = site.run(_refused, gate)
    for act in ("accept", "request_changes", "reject"):
        assert otto.post(url, **fields, decision=act, comment="Because I say so, and I am nobody.") == 403
    assert site.run(_refused, gate) - before == 3
    assert site.run(Decision.objects.filter(gate_id=gate).count) == 0
    return gate


def _refused(gate: str) -> int:
    return AuditEntry.objects.filter(gate_id=gate, by="otto", outcome="refused").count()


def _edit_and_accept(archie: Colleague, site: LiveSite, run: UUID, gate: str) -> None:
    """Change a text and accept what it is then: a version of their own, marked as such."""
    page = archie.page
    page.goto(f"/admin/executions/gate/{gate}/decide/?view=edit")
    text = page.locator(".edit-field textarea").first
    text.fill("Written by hand.")
    with page.expect_navigation():
        archie.button("See what I changed").click()
    expect(page.get_by_text("What you changed")).to_be_visible()
    with page.expect_navigation():
        archie.button("Store and accept my version").click()
    version, made_by, is_edited = site.run(_latest, run, gate)
    assert (version, made_by, is_edited) == (2, "archie", True)


def _latest(run: UUID, gate: str) -> tuple[int, str, bool]:
    about = Document.objects.get(pk=str(Gate.objects.get(pk=gate).document_id))
    latest = Document.objects.get(
        execution_id=run, document_type=about.document_type, scope_id=about.scope_id, is_latest=True
    )
    return latest.version, latest.created_by, "Written by hand." in json.dumps(latest.content)


def _wait_for_end(run: UUID) -> None:
    deadline = time.monotonic() + ENOUGH
    while (found := Execution.objects.values_list("status", flat=True).get(pk=run)) != "completed":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_quorum_four_eyes_a_rejection_with_its_retry_and_two_at_once(
    open_page: OpenPage, site: LiveSite, staff: None
) -> None:
    edna, edgar, edith = (Colleague(open_page(name)) for name in ("edna", "edgar", "edith"))
    _quorum(edna, edgar, site)
    _four_eyes(edith, edna, site)
    _reject_and_retry(edna, edith, site)
    _two_at_once(edna, edgar, site)
    for colleague in (edna, edgar, edith):
        colleague.check()


def _in_review(project: str, by: str, **policy: object) -> str:
    """Start a run whose note waits for an editor; return its gate."""
    execution = start(reviewed("editor", **policy), by=by, project=project)
    drive(execution, Scripted(note=document(title="First", text="A draft.")))
    return str(open_gate(execution).pk)


def _status_at(gate: str) -> tuple[str, int]:
    """Return how the run of a gate stands, and how many decisions there are at the gate."""
    found = Gate.objects.annotate(votes=Count("decisions")).select_related("execution").get(pk=gate)
    return found.execution.status, found.votes


def _quorum(edna: Colleague, edgar: Colleague, site: LiveSite) -> None:
    gate = site.run(_in_review, "quorum", "opal", quorum=2)
    edna.open_next("quorum")
    edna.decide("Accept")
    assert site.run(_status_at, gate) == ("waiting_acceptance", 1)
    edna.page.goto(f"/admin/executions/gate/{gate}/decide/")
    expect(edna.page.locator("#decide button[name=decision]")).to_have_count(0)
    edgar.open_next("quorum")
    edgar.decide("Accept")
    assert site.run(_status_at, gate) == ("running", 2)


def _four_eyes(edith: Colleague, edna: Colleague, site: LiveSite) -> None:
    """Who started the run may not decide on its document; somebody else may."""
    gate = site.run(_in_review, "four-eyes", "edith", four_eyes=True)
    url = f"/admin/executions/gate/{gate}/decide/"
    edith.page.goto(url)
    expect(edith.page.locator("#decide")).to_contain_text("Four eyes")
    assert edith.post(url, decision="accept") == 403
    assert site.run(_status_at, gate) == ("waiting_acceptance", 0)
    edna.open_next("four-eyes")
    edna.decide("Accept")
    assert site.run(_status_at, gate) == ("running", 1)


def _reject_and_retry(edna: Colleague, edith: Colleague, site: LiveSite) -> None:
    """A rejection needs a reason and fails the run; an operator takes it up again, and says what for."""
    gate = site.run(_in_review, "rejected", "opal")
    edna.open_next("rejected")
    edna.decide("Reject")
    expect(edna.page.locator("main")).to_contain_text("at least 10 characters")
    edna.decide("Reject", "This is about something else altogether.")
    assert site.run(_status_at, gate) == ("failed", 1)
    run = site.run(lambda: Gate.objects.get(pk=gate).execution)
    page = edith.page
    page.goto(f"/admin/executions/execution/{run.pk}/change/")
    page.get_by_role("link", name="Retry the run").click()
    expect(page.locator(".desk-effects")).to_contain_text("The run goes on from: note (DOCUMENT_REJECTED).")
    page.get_by_label("Reason (shown to the model)").fill("Write about lending.")
    page.get_by_label("New budget").fill("3.50")
    with page.expect_navigation():
        edith.button("Retry the run").click()
    edith.expect_said("The run goes on.")
    assert site.run(status, run) == "running"


def _two_at_once(edna: Colleague, edgar: Colleague, site: LiveSite) -> None:
    """Both have the page open and send at the same moment: one decision, and the other's words are still there."""
    gate = site.run(_in_review, "at-once", "opal")
    said = {"edna": "Please write it from the start.", "edgar": "It needs numbers, and sources."}
    windows = {"edna": edna.page, "edgar": edgar.page}
    for name, page in windows.items():
        page.goto(f"/admin/executions/gate/{gate}/decide/")
        page.get_by_label("Reason", exact=True).fill(said[name])
    for page in windows.values():
        page.evaluate("setTimeout(() => document.querySelector('#decide-request_changes').click(), 150)")
    for page in windows.values():
        expect(page.locator(".messagelist, [role=alert]").first).to_be_visible()
    assert site.run(_status_at, gate) == ("running", 1)
    winner = site.run(lambda: Decision.objects.get(gate_id=gate).by)
    loser = "edgar" if winner == "edna" else "edna"
    expect(windows[winner].locator(".messagelist")).to_contain_text("Recorded: request changes")
    expect(windows[loser].get_by_role("alert")).to_contain_text(winner)
    expect(windows[loser].locator("main")).to_contain_text(said[loser])


def test_twenty_documents_are_accepted_at_once_and_three_that_changed_are_named(
    open_page: OpenPage, site: LiveSite, staff: None
) -> None:
    edna = Colleague(open_page("edna"))
    gates = site.run(lambda: [_in_review("many", "opal") for _ in range(BULK)])
    page = edna.page
    page.goto("/admin/executions/gate/inbox/?project=many")
    for box in page.get_by_role("checkbox", name=re.compile("^Choose")).all():
        box.check()
    page.get_by_role("button", name="Accept the chosen ones").click()
    expect(page.get_by_role("heading", name=f"Accept {BULK} documents?")).to_be_visible()
    site.run(_change, gates[:STALE])
    with page.expect_navigation():
        edna.button(f"Accept {BULK} documents").click()
    expect(page.get_by_role("heading", name=f"{BULK - STALE} of {BULK} accepted")).to_be_visible()
    failed = page.locator("#failed")
    expect(failed.locator("tbody tr")).to_have_count(STALE)
    expect(failed.get_by_role("link", name=re.compile(r"Version \d+ waits here"))).to_have_count(STALE)
    assert site.run(_accepted_of, gates) == BULK - STALE
    edna.check()


def _change(gates: list[str]) -> None:
    """Have new versions made behind the back of whoever reads the old ones."""
    for key in gates:
        gate = Gate.objects.get(pk=key)
        decide("edgar", gate, "request_changes", "Shorter, please.")
        drive(gate.execution, Scripted(note=document(title="Second", text="Another draft.")))


def _accepted_of(gates: list[str]) -> int:
    return Decision.objects.filter(gate_id__in=gates, decision="accept", by="edna").count()
