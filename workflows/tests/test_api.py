"""GET /workflows, /workflows/{id} and /workflows/{id}/steps/{step}/schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from rest_framework.test import APIClient

from workflows.services import load_package
from workflows.tests.samples import ROLES, SCHEMAS, TASKS, v1

URL = "/api/v1/workflows"


@pytest.fixture
def package(db: None, tmp_path: Path) -> Path:
    """A package with the workflow ``book``, loaded."""
    for directory, files in (("roles", ROLES), ("tasks", TASKS)):
        place = tmp_path / "prompts" / directory
        place.mkdir(parents=True)
        for stem, text in files.items():
            (place / f"{stem}.txt").write_text(text)
    (tmp_path / "schemas").mkdir()
    for stem, text in SCHEMAS.items():
        (tmp_path / "schemas" / f"{stem}.json").write_text(text)
    (tmp_path / "workflows").mkdir()
    load(tmp_path, v1())
    return tmp_path


def load(package: Path, definition: dict[str, Any]) -> None:
    file = package / "workflows" / f"{definition['workflow_id']}.json"
    file.write_text(json.dumps(definition))
    results = load_package(package, at=timezone.now())
    assert not any(result.is_bad for result in results), [str(p) for result in results for p in result.problems]


def client_of(name: str, *roles: str) -> APIClient:
    user = User.objects.create_user(name)
    user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def vic(db: None) -> APIClient:
    return client_of("vic", "viewer")


def test_the_list_shows_each_workflow_by_its_current_revision(vic: APIClient, package: Path) -> None:
    assert vic.get(URL).json() == {
        "results": [
            {
                "workflow_id": "book",
                "name": "Book",
                "description": None,
                "revision": "r1",
                "effective_date": "2026-01-02",
                "step_count": 4,
                "format": "workflow.v1",
            }
        ],
        "next": None,
        "previous": None,
    }
    load(package, {**v1(), "revision": "r2"})
    assert [row["revision"] for row in vic.get(URL).json()["results"]] == ["r2"]


def test_the_list_has_pages(vic: APIClient, package: Path) -> None:
    for name in ("a", "c"):
        load(package, {**v1(), "workflow_id": name})
    first = vic.get(f"{URL}?page_size=2").json()
    assert [row["workflow_id"] for row in first["results"]] == ["a", "book"]
    second = vic.get(first["next"]).json()
    assert [row["workflow_id"] for row in second["results"]] == ["c"]
    assert [row["workflow_id"] for row in vic.get(second["previous"]).json()["results"]] == ["a", "book"]


def test_a_workflow_is_shown_whole_but_for_its_prompts(vic: APIClient, package: Path) -> None:
    answer = vic.get(f"{URL}/book")
    body = answer.json()
    assert answer.status_code == 200
    assert body["scopes"]["scene"] == {"parent": "chapter"}
    assert body["document_types"]["outline"]["acceptance_required"] is True
    assert body["document_types"]["outline"]["accepted_by"] == ["editor"]
    assert body["document_types"]["outline"]["collection_field"] == "chapters"
    assert body["document_types"]["scene_text"]["acceptance_required"] is False
    assert body["document_types"]["scene_text"]["accepted_by"] == []
    assert body["entity_types"]["scene"]["parent_doc_type"] == "scene_list"
    assert isinstance(body["warnings"], list)
    outline, per_chapter = body["steps"]
    assert outline["step_id"] == "outline"
    assert outline["role"] == "Editor 1.0"
    assert outline["task_prompt"] == "Outline v1.0"
    assert per_chapter["iterate_over"]["entity_type"] == "chapter"
    assert per_chapter["steps"][2]["steps"][0]["inputs"][2]["required"] is False
    assert "Write an outline." not in answer.content.decode()
    assert "You edit." not in answer.content.decode()


def test_the_schema_of_a_step_is_that_of_its_document_also_of_a_nested_one(vic: APIClient, package: Path) -> None:
    assert vic.get(f"{URL}/book/steps/chapter/schema").json() == json.loads(SCHEMAS["chapter_text"])
    generated = vic.get(f"{URL}/book/steps/outline/schema").json()
    assert "chapters" in generated["properties"]
    assert vic.get(f"{URL}/book/steps/scene/schema").json()["type"] == "object"


@pytest.mark.parametrize("step_id", ["nothing", "per_chapter", "%00", "per_chapter[1].chapter", "x" * 900])
def test_a_step_without_an_output_is_404(vic: APIClient, package: Path, step_id: str) -> None:
    answer = vic.get(f"{URL}/book/steps/{step_id}/schema")
    assert answer.status_code == 404
    assert answer.json()["code"] == "STEP_NOT_FOUND"


@pytest.mark.parametrize("workflow_id", ["nothing", "%00", "%ED%A0%80", "Book", "x" * 900])
@pytest.mark.parametrize("tail", ["", "/steps/chapter/schema"])
def test_an_unknown_workflow_is_404(vic: APIClient, package: Path, workflow_id: str, tail: str) -> None:
    answer = vic.get(f"{URL}/{workflow_id}{tail}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "WORKFLOW_NOT_FOUND"


def test_an_account_without_a_role_sees_no_workflow(package: Path) -> None:
    stranger = client_of("stranger")
    assert stranger.get(URL).json()["results"] == []
    assert stranger.get(f"{URL}/book").status_code == 404
    assert stranger.get(f"{URL}/book/steps/chapter/schema").status_code == 404
    for path in ("", "/book", "/book/steps/chapter/schema"):
        assert APIClient().get(f"{URL}{path}").status_code == 401


@pytest.mark.parametrize("path", ["?x=1", "/book?revision=r1", "/book/steps/chapter/schema?format=json", "?ordering=a"])
def test_an_unknown_parameter_is_400(vic: APIClient, package: Path, path: str) -> None:
    assert vic.get(f"{URL}{path}").status_code == 400


def test_workflows_are_read_only(vic: APIClient, package: Path) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert vic.generic(method, f"{URL}/book").status_code == 405
