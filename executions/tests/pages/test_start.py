"""Starting a run from its form."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from documents.models import Document
from executions.models import Execution, Project
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import (
    collection,
    iteration,
    note,
    reviewed,
    single,
    step,
    stored,
    workflow,
)
from executions.tests.pages.visitors import links, visitor, words
from executions.tests.test_estimates import completed

pytestmark = pytest.mark.django_db

URL = "/workflows/test/start/"


def with_brief_document() -> None:
    """Store a workflow whose first step needs a document that only the brief can bring."""
    stored(workflow({"order": note(), "note": note()}, step("note", "order")))


def opened(client: Client, url: str = URL) -> dict[str, str]:
    """Return what a browser would send of the form, before anything is typed."""
    page = client.get(url).content.decode()
    (key,) = re.findall(r'name="key" value="([^"]+)"', page)
    return {"key": key, "project": "", "brief": "", "budget": ""}


def sent(client: Client, **typed: Any) -> Any:
    """Open the form, type, and send it."""
    return client.post(URL, {**opened(client), **typed})


def test_a_brief_in_plain_words_starts_a_run_and_leads_to_its_page() -> None:
    stored(single())
    response = sent(visitor("olga"), project="apollo", brief=" A lighthouse.\r\nRed. ", budget="2.50")
    execution = Execution.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/executions/{execution.pk}/")
    assert execution.brief == {"description": "A lighthouse.\nRed."}
    assert (execution.project_id, execution.budget_usd) == ("apollo", Decimal("2.5"))
    assert execution.started_by == person("olga")


@pytest.mark.parametrize(
    ("typed", "brief"),
    [
        ("", None),
        ('{"wish": ["a", 1]}', {"wish": ["a", 1]}),
        ("# Title\n\nText", {"description": "# Title\n\nText"}),
    ],
    ids=["nothing", "json", "markdown"],
)
def test_what_is_typed_is_taken_as_what_it_is(typed: str, brief: Any) -> None:
    stored(single())
    assert sent(visitor("olga"), project="apollo", brief=typed).status_code == 302
    assert Execution.objects.get().brief == brief


@pytest.mark.parametrize(
    ("name", "content", "brief"),
    [
        ("brief.json", b'\xef\xbb\xbf{"wish": "ships"}', {"wish": "ships"}),
        ("brief.md", b"# Ships\r\n", {"description": "# Ships"}),
    ],
    ids=["json", "markdown"],
)
def test_a_file_is_taken_as_well(name: str, content: bytes, brief: Any) -> None:
    stored(single())
    response = sent(visitor("olga"), project="apollo", file=SimpleUploadedFile(name, content))
    assert response.status_code == 302, words(response)
    assert Execution.objects.get().brief == brief


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no project": ({"project": ""}, "This field is required"),
    "a project with spaces": ({"project": "my project"}, "Use 1 to 64 letters"),
    "broken JSON": ({"brief": '{"a": }'}, "Not JSON"),
    "JSON that is a list": ({"brief": "[1, 2]"}, "The JSON must be an object"),
    "a key twice": ({"brief": '{"a": 1, "a": 2}'}, "stands here twice"),
    "a number without end": ({"brief": '{"a": 1e999}'}, "too large"),
    "a NUL": ({"brief": "a\x00b"}, "Null characters are not allowed"),
    "a negative budget": ({"budget": "-1"}, "greater than or equal to 0"),
    "a budget in words": ({"budget": "much"}, "Enter a number"),
    "text and file": ({"brief": "x", "file": SimpleUploadedFile("a.txt", b"y")}, "not both"),
    "a file that is no text": ({"file": SimpleUploadedFile("a.txt", b"\xff\xfe\xfa")}, "save it as UTF-8"),
    "a JSON file with words": ({"file": SimpleUploadedFile("a.json", b"words")}, "Not JSON"),
    "a file that is too large": ({"file": SimpleUploadedFile("a.txt", b"x" * 1_000_001)}, "too large"),
    "a brief that is too deep": ({"brief": '{"a":' * 100 + "1" + "}" * 100}, "nested"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_at_its_field_and_on_top_and_nothing_typed_is_lost(name: str) -> None:
    stored(single())
    typed, problem = REFUSED[name]
    for value in typed.values():
        if isinstance(value, SimpleUploadedFile):
            value.seek(0)
    response = sent(visitor("olga"), **{"project": "apollo", "budget": "7", **typed})
    assert response.status_code == 422
    page = response.content.decode()
    assert problem in words(response)
    assert 'role="alert"' in page
    assert 'class="error"' in page
    assert Execution.objects.count() == 0
    assert Project.objects.count() == 0
    if "project" not in typed:
        assert 'value="apollo"' in page
    if "budget" not in typed:
        assert 'value="7"' in page


def test_the_text_of_a_wrong_file_is_put_where_it_can_be_mended() -> None:
    stored(single())
    response = sent(visitor("olga"), project="apollo", file=SimpleUploadedFile("a.json", b'{"wish": ships}'))
    assert "{&quot;wish&quot;: ships}</textarea>" in response.content.decode()


def test_a_workflow_that_takes_a_document_from_the_brief_says_so_and_checks_it() -> None:
    with_brief_document()
    client = visitor("olga")
    assert "write the brief as JSON with order in it" in words(client.get(URL))
    missing = sent(client, project="apollo", brief="A lighthouse.")
    assert "The brief must be JSON with “order” in it" in words(missing)
    wrong = sent(client, project="apollo", brief='{"order": {"text": "no title"}}')
    assert "/order" in words(wrong)
    assert Execution.objects.count() == 0
    assert sent(client, project="apollo", brief='{"order": {"title": "Ships"}}').status_code == 302
    assert Document.objects.get().document_type == "order"


def test_the_page_shows_what_will_happen_and_who_must_accept() -> None:
    types = {
        "backlog": collection(accepted_by=("pm", "lead")),
        "plan": note("epic", accepted_by=("editor",), quorum=2, four_eyes=True, due_in="P2D"),
    }
    stored(
        workflow(
            types,
            step("backlog", allow_clarification=False),
            iteration("per_epic", "backlog", step("plan", "backlog@project", scope="epic")),
        )
    )
    text = words(visitor("vic").get(URL))
    assert "2 steps in all, 2 of them with documents that people accept." in text
    assert "Waits until accepted by pm or lead" in text
    assert "Once for each Epic in Backlog" in text
    assert "Waits until accepted by editor, 2 people, not by whoever starts the run, within 2 d" in text
    assert text.count("May ask questions first") == 1


def test_whoever_may_not_start_sees_what_it_does_but_no_form() -> None:
    stored(reviewed())
    client = visitor("vic")
    response = client.get(URL)
    assert "To start a run you need the role operator" in words(response)
    assert "<textarea" not in response.content.decode()
    assert client.post(URL, {"project": "apollo", "key": "x"}).status_code == 403
    assert Execution.objects.count() == 0


def test_a_form_that_is_sent_twice_starts_one_run() -> None:
    stored(single())
    client = visitor("olga")
    form = {**opened(client), "project": "apollo", "brief": "ships"}
    first, second = client.post(URL, form), client.post(URL, form)
    assert first["Location"] == second["Location"]
    assert Execution.objects.count() == 1
    # What was changed before it was sent again is another run.
    client.post(URL, {**form, "brief": "boats"})
    assert Execution.objects.count() == 2
    # So is another opening of the form.
    assert sent(client, project="apollo", brief="ships").status_code == 302
    assert Execution.objects.count() == 3


def test_another_persons_form_is_another_run() -> None:
    stored(single())
    form = {**opened(visitor("olga")), "project": "apollo", "brief": "ships"}
    visitor("olga").post(URL, form)
    visitor("otto", "operator").post(URL, form)
    assert Execution.objects.count() == 2


def test_a_project_of_others_cannot_be_used() -> None:
    start(single(), project="vault")
    Project.objects.get(pk="vault").users.add(person("olga"))
    otto = visitor("otto", "operator")
    assert "vault" not in otto.get(URL).content.decode()
    response = sent(otto, project="vault")
    assert response.status_code == 422
    assert "This name cannot be used" in words(response)
    assert Execution.objects.count() == 1


def test_workflows_are_listed_with_a_way_to_each() -> None:
    stored(single())
    client = visitor("olga")
    response = client.get("/start/?project=apollo", follow=True)
    assert response.redirect_chain[0][0] == "/workflows/?project=apollo"
    assert "/workflows/test/start/?project=apollo" in links(response)
    assert 'value="apollo"' in client.get("/workflows/test/start/?project=apollo").content.decode()
    assert client.get("/workflows/test/")["Location"] == URL


def test_without_workflows_it_is_said_how_to_load_some() -> None:
    assert "manage.py load_workflows" in words(visitor("olga").get("/workflows/"))


@pytest.mark.parametrize("workflow_id", ["nothing", "%00", "x" * 3000])
def test_a_workflow_that_is_not_there_is_not_found(workflow_id: str) -> None:
    assert visitor("olga").get(f"/workflows/{workflow_id}/start/").status_code == 404


def test_the_page_says_what_such_runs_have_cost() -> None:
    revision = stored(single())
    olga = visitor("olga")
    assert "No run of this workflow has been completed yet" in words(olga.get(URL))
    for cost in ("0.40", "0.50", "0.90"):
        completed(revision, cost, seconds=90, calls=2)
    for client in (olga, visitor("vic")):
        text = words(client.get(URL))
        assert (
            "Cost $0.50 all within $0.90 Time, people's included 1 min 30 s all within 1 min 30 s Model calls 2" in text
        )
        assert "Half of the 3 newest completed runs of this revision stayed within these figures." in text


def test_a_budget_below_what_such_runs_cost_is_remarked_upon_and_no_error() -> None:
    completed(stored(single()), "0.50")
    client = visitor("olga")
    response = sent(client, project="apollo", budget="0.10")
    assert response.status_code == 302
    assert "A budget of $0.10 is less than such runs have cost" in words(client.get(response["Location"]))
    response = sent(client, project="apollo", budget="0.50")
    assert "is less than such runs have cost" not in words(client.get(response["Location"]))
    # Where something else is wrong, it is said beside it.
    assert "A budget of $0.10 is less" in words(sent(client, project="", budget="0.10"))
