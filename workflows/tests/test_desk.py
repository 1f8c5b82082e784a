"""The desk's pages about workflows: comparing revisions, uploading a package."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from workflows.models import PackageUpload, Workflow, WorkflowRevision
from workflows.services import current_revision, load_package
from workflows.tests.samples import flat, v1, write_package
from workflows.uploads import KEPT_PER_USER

pytestmark = pytest.mark.django_db

UPLOAD = "/admin/workflows/workflow/upload/"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def at_desk(name: str, *roles: str, is_superuser: bool = False) -> Client:
    user = User.objects.create_user(name, is_staff=True, is_superuser=is_superuser)
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice() -> Client:
    return at_desk("alice", is_superuser=True)


def archive(root: Path, workflows: dict[str, Any]) -> bytes:
    """Return a package with the sample prompts, as a zip file."""
    write_package(root, workflows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for path in sorted(root.rglob("*")):
            target.write(path, path.relative_to(root.parent))
    return buffer.getvalue()


def upload(client: Client, data: bytes, name: str = "fiction.zip") -> Any:
    return client.post(UPLOAD, {"package": SimpleUploadedFile(name, data)})


def load(root: Path, change: str = "") -> WorkflowRevision:
    workflow = v1()
    if change:
        workflow["revision"] = change
        workflow["document_types"]["outline"]["accepted_by"] = [change]
    write_package(root, {"book.json": workflow})
    load_package(root, at=AT + timedelta(days=bool(change)))
    return current_revision("book")


def compare_url(revision: WorkflowRevision) -> str:
    return reverse("admin:workflows_workflowrevision_compare", args=(revision.pk,))


def test_a_package_is_loaded_only_after_a_look(alice: Client, tmp_path: Path) -> None:
    response = upload(alice, archive(tmp_path / "fiction", {"book.json": v1(), "story.json": flat()}))
    assert response.status_code == 302
    assert Workflow.objects.count() == 0
    page = alice.get(response["Location"]).content.decode()
    assert "workflows/book.json" in page
    assert "book, revision r1: a new workflow." in page
    assert "Load 2 workflows" in page
    assert alice.post(response["Location"])["Location"] == reverse("admin:workflows_workflow_changelist")
    assert sorted(Workflow.objects.values_list("pk", flat=True)) == ["book", "short-story"]
    assert current_revision("book").package == "fiction"
    assert PackageUpload.objects.count() == 0
    assert alice.get(response["Location"]).status_code == 404


def test_every_problem_is_listed_with_file_code_and_place_and_bad_files_are_left_out(
    alice: Client, tmp_path: Path
) -> None:
    bad = v1()
    bad["workflow_id"], bad["steps"][0]["scope"], bad["steps"][0]["role"] = "bad", "nowhere", "Nobody <b>1</b>"
    response = upload(alice, archive(tmp_path / "p", {"bad.json": bad, "good.json": v1(), "broken.json": b"{"}))
    page = alice.get(response["Location"]).content.decode()
    assert "2 files with errors" in page
    for text in ("workflows/bad.json", "UNKNOWN_SCOPE", "$.steps[0].scope", "workflows/broken.json", "BAD_JSON"):
        assert text in page
    assert "<b>1</b>" not in page
    followed = alice.post(response["Location"], follow=True).content.decode()
    assert "Left out, since it has errors: workflows/bad.json" in followed
    assert "Revision r1 of book is current." in followed
    assert list(Workflow.objects.values_list("pk", flat=True)) == ["book"]


def test_where_nothing_is_good_nothing_can_be_loaded(alice: Client, tmp_path: Path) -> None:
    url = upload(alice, archive(tmp_path / "p", {"broken.json": b"{"}))["Location"]
    page = alice.get(url).content.decode()
    assert "Nothing can be loaded." in page
    assert "workflow</button>" not in page
    assert "No workflow of the package can be loaded." in alice.post(url, follow=True).content.decode()
    assert PackageUpload.objects.count() == 1


def test_a_new_revision_says_what_it_changes(alice: Client, tmp_path: Path) -> None:
    load(tmp_path / "old")
    workflow = v1()
    workflow["document_types"]["outline"]["accepted_by"] = ["chief"]
    data = archive(tmp_path / "new", {"book.json": workflow})
    page = alice.get(upload(alice, data)["Location"]).content.decode()
    assert "becomes current instead of r1." in page
    assert "What changes: 1 place<" in page
    assert "document_types › outline › acceptance › roles" in page
    assert "chief" in page
    same = alice.get(upload(alice, archive(tmp_path / "same", {"book.json": v1()}))["Location"]).content.decode()
    assert "the same as what is loaded now." in same


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no zip", "no zip file"), (b"", "empty"), (b"x" * 1_900_001, "at most 1,900,000")],
    ids=["no zip", "empty", "too large"],
)
def test_a_file_that_is_no_package_is_refused_at_the_form(alice: Client, data: bytes, reason: str) -> None:
    response = upload(alice, data)
    assert response.status_code == 200
    assert reason in response.content.decode()
    assert PackageUpload.objects.count() == 0


def test_packages_are_for_administrators_and_each_sees_their_own(alice: Client, tmp_path: Path) -> None:
    data = archive(tmp_path / "p", {"book.json": v1()})
    url = upload(alice, data)["Location"]
    olga, bob = at_desk("olga", "operator"), at_desk("bob", is_superuser=True)
    assert (olga.get(UPLOAD).status_code, upload(olga, data).status_code) == (403, 403)
    assert (olga.get(url).status_code, olga.post(url).status_code) == (403, 403)
    assert (bob.get(url).status_code, bob.post(url).status_code) == (404, 404)
    assert "Upload a package" in alice.get(reverse("admin:workflows_workflow_changelist")).content.decode()
    assert "Upload a package" not in olga.get(reverse("admin:workflows_workflow_changelist")).content.decode()
    assert Workflow.objects.count() == 0


def test_uploads_that_nobody_loads_go(alice: Client, tmp_path: Path) -> None:
    data = archive(tmp_path / "p", {"book.json": v1()})
    upload(alice, data)
    other = User.objects.create(username="bob")
    PackageUpload.objects.create(name="old", archive=b"", uploaded_by=other, uploaded_at=AT)
    for _ in range(KEPT_PER_USER + 1):
        upload(alice, data)
    assert PackageUpload.objects.count() == KEPT_PER_USER
    assert not PackageUpload.objects.filter(uploaded_by=other).exists()


def test_a_revision_is_compared_with_the_one_before_or_any_other(tmp_path: Path) -> None:
    first, second = load(tmp_path / "a"), load(tmp_path / "b", "chief")
    client = at_desk("vic", "viewer")
    page = client.get(compare_url(second)).content.decode()
    assert "document_types › outline › acceptance › roles" in page
    assert "<ins>" in page
    assert page.index("editor") < page.index("chief&quot;")
    back = client.get(compare_url(first), {"from": second.pk}).content.decode()
    assert back.index("chief&quot;") < back.index("editor&quot;")
    assert client.get(compare_url(first), {"from": "7x"}).status_code == 404


def test_the_only_revision_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    page = at_desk("vic", "viewer").get(compare_url(load(tmp_path / "a")))
    assert "nothing to compare with" in page.content.decode()


def test_without_a_role_there_are_no_workflows(tmp_path: Path) -> None:
    revision = load(tmp_path / "a")
    client = at_desk("nobody")
    assert client.get(compare_url(revision)).status_code == 404
    assert client.get(reverse("admin:workflows_workflowrevision_changelist")).status_code == 403


def test_a_revision_says_which_runs_use_it_in_one_statement(tmp_path: Path) -> None:
    revision = load(tmp_path / "a")
    client, url = at_desk("vic", "viewer"), reverse("admin:workflows_workflowrevision_change", args=(revision.pk,))
    with CaptureQueriesContext(connection) as asked:
        page = client.get(url).content.decode()
    assert "No run that you may see uses it." in page
    assert len(asked) <= 16
    assert f'href="{compare_url(revision)}"' in page
