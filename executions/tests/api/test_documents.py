"""GET /documents, by id and by scope."""

from __future__ import annotations

from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from documents.canonical import content_sha256
from documents.models import Document
from executions.api.views import documents
from executions.models import Execution, Project
from executions.tests.driving import Scripted, backlog, document, drive
from executions.tests.engine_cast import decide, open_gate, person, start
from executions.tests.engine_definitions import epics, reviewed, single

URL = "/api/v1/documents"
KEYS = {
    "document_id", "document_type", "project_id", "scope_type", "scope_id", "version", "is_latest", "status", "title",
    "content", "content_sha256", "summary", "created_at", "created_by", "created_by_step", "execution_id",
}  # fmt: skip


@pytest.fixture
def reworked(db: None) -> Execution:
    """An execution whose note is in its second version, accepted."""
    execution = start(reviewed())
    drive(execution, Scripted(note=document(title="First", text="a")))
    decide("ed", open_gate(execution), "request_changes", "again")
    drive(execution, Scripted(note=document(title="Second", text="b")))
    decide("ed", open_gate(execution), "accept")
    return execution


def titles(client: APIClient, path: str = "", **query: str) -> list[str]:
    answer = client.get(f"{URL}{path}", query)
    assert answer.status_code == 200, answer.json()
    return [row["title"] for row in answer.json()["results"]]


def test_a_document_is_shown_whole_and_its_content_has_its_hash(olga: APIClient, reworked: Execution) -> None:
    stored = Document.objects.get(title="Second")
    body = olga.get(f"{URL}/{stored.pk}").json()
    assert set(body) == KEYS
    assert body["document_type"] == "note"
    assert body["scope_type"] == "project"
    assert body["scope_id"] == "apollo"
    assert body["version"] == 2
    assert body["is_latest"] is True
    assert body["status"] == "accepted"
    assert body["content"] == {"title": "Second", "text": "b"}
    assert body["content_sha256"] == content_sha256(body["content"])
    assert body["created_by_step"] == "note"
    assert body["execution_id"] == str(reworked.pk)
    assert body["created_at"].endswith("Z")


def test_the_list_has_every_version_newest_first_unless_asked_otherwise(olga: APIClient, reworked: Execution) -> None:
    assert titles(olga) == ["Second", "First"]
    assert titles(olga, latest="true") == ["Second"]
    assert titles(olga, latest="false") == ["Second", "First"]
    assert titles(olga, status="changes_requested") == ["First"]
    assert set(olga.get(URL).json()["results"][0]) == KEYS


def test_the_list_is_filtered(olga: APIClient, reworked: Execution) -> None:
    other = start(epics(), project="gemini")
    drive(other, Scripted(backlog=backlog("A", "B")))

    assert len(titles(olga)) == 6
    assert len(titles(olga, project_id="gemini")) == 4
    assert len(titles(olga, execution_id=str(other.pk))) == 4
    assert titles(olga, execution_id=str(uuid4())) == []
    assert len(titles(olga, document_type="plan")) == 2
    assert len(titles(olga, scope_type="epic", scope_id="gemini:A")) == 1
    assert titles(olga, project_id="apollo", document_type="plan") == []


def test_by_scope_gives_the_newest_version_or_the_one_asked_for(olga: APIClient, reworked: Execution) -> None:
    path = f"{URL}/by-scope/project/apollo/note"
    assert olga.get(path).json()["version"] == 2
    assert olga.get(f"{path}?version=1").json()["title"] == "First"
    assert olga.get(f"{path}?status=changes_requested").json()["version"] == 1
    assert olga.get(f"{path}?status=accepted&version=2").json()["version"] == 2
    for query in ("version=3", "version=999999999999999999", "status=rejected", "status=accepted&version=1"):
        answer = olga.get(f"{path}?{query}")
        assert answer.status_code == 404, query
        assert answer.json()["code"] == "DOCUMENT_NOT_FOUND"


def test_versions_are_newest_first(olga: APIClient, reworked: Execution) -> None:
    path = "/by-scope/project/apollo/note/versions"
    assert titles(olga, path) == ["Second", "First"]
    page = olga.get(f"{URL}{path}?page_size=1").json()
    assert [row["version"] for row in page["results"]] == [2]
    assert [row["version"] for row in olga.get(page["next"]).json()["results"]] == [1]


def test_scope_ids_of_items_are_found(olga: APIClient) -> None:
    drive(start(epics()), Scripted(backlog=backlog("E.1")))
    assert olga.get(f"{URL}/by-scope/epic/apollo:E.1/plan").json()["scope_id"] == "apollo:E.1"
    assert olga.get(f"{URL}/by-scope/epic/apollo%3AE.1/plan/versions").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11",
        "first",
        "%00",
        "by-scope",
        "by-scope/project/apollo/nothing",
        "by-scope/project/nothing/note",
        "by-scope/epic/apollo/note",
        "by-scope/project/%00/note",
        "by-scope/project/%ED%A0%80/note",
        "by-scope/project/apollo/%0A/versions",
        f"by-scope/project/{'a' * 2000}/note",
        "by-scope/project/apollo/nothing/versions",
    ],
)
def test_an_unknown_document_is_404(olga: APIClient, reworked: Execution, path: str) -> None:
    answer = olga.get(f"{URL}/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "DOCUMENT_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("?status=good", "INVALID_STATUS"),
        ("?latest=yes", "VALIDATION_ERROR"),
        ("?execution_id=1", "VALIDATION_ERROR"),
        ("?version=1", "VALIDATION_ERROR"),
        ("/by-scope/project/apollo/note?version=0", "VALIDATION_ERROR"),
        ("/by-scope/project/apollo/note?version=-1", "VALIDATION_ERROR"),
        ("/by-scope/project/apollo/note?version=two", "VALIDATION_ERROR"),
        ("/by-scope/project/apollo/note?status=good", "INVALID_STATUS"),
        ("/by-scope/project/apollo/note?page_size=3", "VALIDATION_ERROR"),
        ("/by-scope/project/apollo/note/versions?version=3", "VALIDATION_ERROR"),
    ],
)
def test_a_wrong_query_is_400(olga: APIClient, reworked: Execution, path: str, code: str) -> None:
    answer = olga.get(f"{URL}{path}")
    assert answer.status_code == 400
    assert answer.json()["code"] == code


def test_a_page_of_large_documents_is_shorter(olga: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=backlog("A", "B", "C")))
    whole = [row["document_id"] for row in olga.get(URL).json()["results"]]
    monkeypatch.setattr(documents, "MAX_PAGE_BYTES", 300)

    seen, url, sizes = [], URL, []
    while url:
        page = olga.get(url).json()
        sizes.append(len(page["results"]))
        seen += [row["document_id"] for row in page["results"]]
        last, url = url, page["next"]
    assert seen == whole
    assert max(sizes) < 5
    back: list[str] = []
    url = last
    while url:
        page = olga.get(url).json()
        back = [row["document_id"] for row in page["results"]] + back
        url = page["previous"]
    assert back == whole


def test_documents_of_projects_of_others_do_not_exist(
    reworked: Execution, olga: APIClient, stranger: APIClient, anonymous: APIClient, ed: APIClient
) -> None:
    Project.objects.get().users.set([person("ed")])
    stored = Document.objects.get(version=2)
    paths = (f"/{stored.pk}", "/by-scope/project/apollo/note", "/by-scope/project/apollo/note/versions")
    for path in paths:
        assert ed.get(f"{URL}{path}").status_code == 200
        assert anonymous.get(f"{URL}{path}").status_code == 401
        for client in (olga, stranger):
            assert client.get(f"{URL}{path}").status_code == 404
    assert titles(olga) == titles(stranger) == []
    assert anonymous.get(URL).status_code == 401


def test_a_document_that_nobody_must_accept_is_final(olga: APIClient) -> None:
    drive(start(single()))
    assert [row["status"] for row in olga.get(URL).json()["results"]] == ["final"]
