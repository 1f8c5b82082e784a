"""The admin shows workflows and revisions, and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from workflows.models import Workflow, WorkflowRevision
from workflows.services import current_revision, load_package
from workflows.tests.samples import flat, v1, write_package

pytestmark = pytest.mark.django_db


@pytest.fixture
def revision(tmp_path: Path) -> WorkflowRevision:
    workflow = v1()
    workflow["name"] = "Book <script>alert(1)</script>"
    workflow["odd"] = 1
    write_package(tmp_path / "fiction", {"book.json": workflow, "story.json": flat()})
    load_package(tmp_path / "fiction", at=datetime(2026, 3, 2, 9, tzinfo=UTC))
    return current_revision("book")


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("alice", password="x"))
    return client


def test_the_lists_show_workflows_and_revisions(staff: Client, revision: WorkflowRevision) -> None:
    for name in ("workflow", "workflowrevision"):
        page = staff.get(reverse(f"admin:workflows_{name}_changelist"), {"q": "book"})
        assert page.status_code == 200
        assert "book" in page.text
        assert "short-story" not in page.text


def test_a_revision_shows_its_steps_warnings_and_definition_escaped(staff: Client, revision: WorkflowRevision) -> None:
    page = staff.get(reverse("admin:workflows_workflowrevision_change", args=[revision.pk]))
    assert page.status_code == 200
    assert "per_scene: for each scene in scene_list" in page.text
    assert "UNKNOWN_KEY" in page.text
    assert revision.digest in page.text
    assert "<script>alert(1)" not in page.text


def test_nothing_can_be_added_changed_or_deleted(staff: Client, revision: WorkflowRevision) -> None:
    for name, key in (("workflow", "book"), ("workflowrevision", revision.pk)):
        assert staff.get(reverse(f"admin:workflows_{name}_add")).status_code == 403
        assert staff.post(reverse(f"admin:workflows_{name}_change", args=[key]), {"name": "x"}).status_code == 403
        assert staff.post(reverse(f"admin:workflows_{name}_delete", args=[key]), {"post": "yes"}).status_code == 403
        assert staff.get(reverse(f"admin:workflows_{name}_change", args=[key])).status_code == 200
    assert Workflow.objects.count() == 2
    assert WorkflowRevision.objects.count() == 2


def test_every_model_of_the_app_is_registered() -> None:
    assert {Workflow, WorkflowRevision} <= set(admin.site._registry)
