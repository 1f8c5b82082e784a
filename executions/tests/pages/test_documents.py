"""Documents: the list, exact versions, addresses that follow the newest, drafts, provenance, the file."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from documents.models import Document
from executions.models import Execution, Gate, Project
from executions.tests.admin.desk import at_desk, in_review, shown_at
from executions.tests.driving import Scripted, document, drive
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import reviewed, single
from executions.tests.pages.visitors import links, rows, visitor, words

pytestmark = pytest.mark.django_db

SERIES = "/d/project/apollo/note/"


def url_of(row: Document) -> str:
    return f"/documents/{row.pk}/"


def accepted_then_in_review() -> tuple[Document, Document]:
    """Version 1 is accepted, version 2 of a second run waits."""
    first = in_review(content={"title": "First", "text": "one"})
    decide("ed", first, "accept")
    second = in_review(content={"title": "Second", "text": "two"})
    return shown_at(first), shown_at(second)


def test_a_version_is_shown_by_its_schema_with_where_it_comes_from() -> None:
    gate = in_review(content={"title": "Ships", "text": "Three <b>masts</b>"})
    decide("ed", gate, "accept")
    row = shown_at(gate)
    response = visitor("vic").get(url_of(row))
    text = words(response)
    assert "Three <b>masts</b>" in text
    for fact in (
        "v1 Accepted", "Accepted", "by ed", "Model claude-", "Step Note note", "Prompts Writer 1.0; Write v1.0",
        "Workflow revision r1", "Scope project apollo", row.content_sha256,
    ):  # fmt: skip
        assert fact in text, fact
    assert "DRAFT" not in text
    assert f"/executions/{row.execution_id}/" in links(response)
    assert '<link rel="canonical"' in response.content.decode()


def test_a_draft_says_so_and_leads_to_the_version_that_counts() -> None:
    accepted, draft = accepted_then_in_review()
    response = visitor("vic").get(url_of(draft))
    assert "DRAFT Nobody has accepted this version yet. Version 1 is the one that counts." in words(response)
    assert url_of(accepted) in links(response)
    assert "(draft)" in response.content.decode().split("</title>")[0]
    older = words(visitor("vic").get(url_of(accepted)))
    assert "There is a newer version: v2 In review" in older
    assert "DRAFT" not in older


def test_rejected_and_sent_back_versions_are_drafts_with_what_was_said() -> None:
    gate = in_review()
    decide("ed", gate, "request_changes", "Name the harbour.")
    text = words(visitor("vic").get(url_of(shown_at(gate))))
    assert "DRAFT Changes were requested to this version." in text
    assert "Changes requested ed just now Name the harbour." in text


def test_a_version_that_waits_for_me_has_a_way_to_the_review() -> None:
    gate = in_review()
    review = reverse("admin:executions_gate_decide", args=(gate.pk,))
    assert review in links(at_desk("ed").get(url_of(shown_at(gate))))
    other = visitor("vic").get(url_of(shown_at(gate)))
    assert review not in links(other)
    assert "waits for editor, since" in words(other)


def test_a_document_of_the_brief_names_who_brought_it() -> None:
    execution = start(single(), brief={"note": {"title": "Brought"}})
    row = Document.objects.get(execution_id=execution.pk)
    text = words(visitor("vic").get(url_of(row)))
    assert "Brought by olga" in text
    assert "v1 Final" in text


def test_what_the_offline_model_made_says_so() -> None:
    row = shown_at(in_review())
    assert "Offline model." not in words(visitor("vic").get(url_of(row)))
    offline = Document(
        project_id="apollo", scope_type="project", scope_id="apollo", document_type="other", version=1,
        status="final", title="Sample", content={"a": 1}, content_sha256="0" * 64, created_at=row.created_at,
        created_by="claude", is_offline=True, execution_id=None,
    )  # fmt: skip
    offline.save(force_insert=True)
    text = words(visitor("vic").get(url_of(offline)))
    assert "Offline model. This is sample text" in text


def test_the_address_of_a_document_leads_to_what_counts_and_its_others_to_what_they_say() -> None:
    accepted, draft = accepted_then_in_review()
    client = visitor("vic")
    assert "First" in words(client.get(SERIES))
    assert "This address always leads to the newest version that counts." in words(client.get(SERIES))
    assert "Second" in words(client.get(f"{SERIES}latest/"))
    assert "drafts included" in words(client.get(f"{SERIES}latest/"))
    assert "Second" in words(client.get(f"{SERIES}?version=2"))
    assert url_of(draft) in links(client.get(f"{SERIES}?version=2"))
    listed = client.get(f"{SERIES}versions/")
    assert [row.split()[0] for row in rows(listed)] == ["v2", "v1"]
    assert {url_of(accepted), url_of(draft)} <= set(links(listed))


def test_a_document_nobody_has_accepted_yet_says_so_at_its_address() -> None:
    in_review()
    response = visitor("vic").get(SERIES)
    assert "Nothing accepted yet" in words(response)
    assert f"{SERIES}latest/" in links(response)


@pytest.mark.parametrize(
    "url",
    [
        f"{SERIES}?version=3", f"{SERIES}?version=0", f"{SERIES}?version=x", f"{SERIES}?version=99999999999",
        "/d/project/apollo/other/", "/d/project/apollo/other/latest/", "/d/project/apollo/other/versions/",
        "/d/project/%00/note/", "/d/epic/apollo/note/", "/documents/x/",
        "/documents/5b0a1c52-8d0e-4a8e-9f3c-7f6a2c1d0e11/",
        "/documents/5b0a1c52-8d0e-4a8e-9f3c-7f6a2c1d0e11/content.json",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(url: str) -> None:
    in_review()
    assert visitor("vic").get(url).status_code == 404


def test_documents_of_a_hidden_project_do_not_exist_for_others() -> None:
    accepted, draft = accepted_then_in_review()
    Project.objects.get().users.add(person("olga"))
    client = visitor("vic")
    for url in (url_of(accepted), f"{url_of(draft)}content.json", SERIES, f"{SERIES}latest/", f"{SERIES}versions/"):
        assert client.get(url).status_code == 404, url
        assert visitor("olga").get(url).status_code == 200, url
    assert rows(client.get("/documents/?versions=all")) == []
    assert "apollo" not in client.get("/documents/").content.decode()


def test_the_file_has_the_hash_that_the_page_shows() -> None:
    row = shown_at(in_review(content={"title": "Schön", "text": "é"}))
    response = visitor("vic").get(f"{url_of(row)}content.json")
    assert hashlib.sha256(response.content).hexdigest() == row.content_sha256
    assert json.loads(response.content) == row.content
    assert response["Content-Disposition"] == 'attachment; filename="apollo-note-v1.json"'
    assert response["X-Content-Type-Options"] == "nosniff"
    etag = response["ETag"]
    again = visitor("vic").get(f"{url_of(row)}content.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_list_shows_the_newest_versions_unless_asked_for_all() -> None:
    accepted_then_in_review()
    client = visitor("vic")
    assert [row.split()[0] for row in rows(client.get("/documents/"))] == ["Second"]
    assert [row.split()[0] for row in rows(client.get("/documents/?versions=all"))] == ["Second", "First"]
    assert [row.split()[0] for row in rows(client.get("/documents/?versions=all&status=accepted"))] == ["First"]
    assert rows(client.get("/documents/?project=gemini")) == []
    assert "No document matches your filter" in words(client.get("/documents/?type=after"))
    assert rows(client.get("/documents/?type=note"))
    assert rows(client.get("/documents/?status=x")) == []


def test_hidden_characters_are_spelt_out_everywhere() -> None:
    row = shown_at(in_review(content={"title": "Ship\u202eDLOG", "text": "x"}))
    for url in (url_of(row), "/documents/", "/projects/apollo/", f"{SERIES}versions/", "/"):
        page = at_desk("ed").get(url).content.decode()
        assert "\u202e" not in page, url
    assert "[U+202E]" in words(visitor("vic").get(url_of(row)))


def test_the_number_of_queries_does_not_depend_on_versions_or_size() -> None:
    client = visitor("vic")

    def made(count: int) -> Document:
        gate = in_review(content={"title": "T", "text": "x" * count})
        return shown_at(gate)

    first = made(1)
    client.get(url_of(first))
    client.get("/documents/")
    with CaptureQueriesContext(connection) as few:
        client.get(url_of(first))
    with CaptureQueriesContext(connection) as listing:
        client.get("/documents/")
    last = [made(1000) for _ in range(8)][-1]
    with CaptureQueriesContext(connection) as many:
        client.get(url_of(last))
    with CaptureQueriesContext(connection) as listing_later:
        client.get("/documents/?versions=all")
    assert len(few) == len(many) <= 14
    assert len(listing) == len(listing_later) <= 14


def test_a_run_that_is_over_waits_for_nobody() -> None:
    gate: Gate = in_review()
    Execution.objects.filter(pk=gate.execution_id).update(status="failed")
    assert "waits for editor" not in words(visitor("vic").get(url_of(shown_at(gate))))


def test_every_version_is_one_click_away() -> None:
    execution = start(reviewed())
    script: Any = Scripted(note=[document(title=f"Try {n}") for n in range(3)])
    drive(execution, script)
    for _ in range(2):
        decide("ed", open_gate(execution), "request_changes", "Once more, please.")
        drive(execution, script)
    versions = Document.objects.filter(document_type="note").order_by("version")
    found = links(visitor("vic").get(url_of(versions[0])))
    assert {url_of(row) for row in versions} <= set(found)
