"""Lists are the same by whichever form of statement they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from executions.api import reach
from executions.models import Execution, Project
from executions.tests.api import rows
from executions.tests.api.conftest import Caller
from executions.tests.engine_cast import person

LISTS = {
    "executions": "execution_id",
    "executions?ordering=started_at": "execution_id",
    "executions?ordering=-completed_at": "execution_id",
    "executions?ordering=completed_at": "execution_id",
    "executions?status=failed": "execution_id",
    "executions?project_id=p3": "execution_id",
    "executions?project_id=hidden": "execution_id",
    "executions?workflow_id=other&started_after=2026-01-01T12:04:00Z": "execution_id",
    "documents": "document_id",
    "documents?latest=true": "document_id",
    "documents?project_id=p3&status=accepted": "document_id",
    "gates": "gate_id",
    "gates?mine=true": "gate_id",
    "gates?project_id=project-2": "gate_id",
}


@pytest.fixture
def stock(db: None) -> None:
    """Executions and documents of five projects of ed's, and of one that he may not see; gates beside them."""
    for number in range(5):
        rows.executions(4, project=f"p{number}", first=number)
        Project.objects.get(pk=f"p{number}").users.add(person("ed"))
    for number, execution in enumerate(Execution.objects.order_by("started_at", "id")):
        if number % 3 == 0:
            Execution.objects.filter(pk=execution.pk).update(
                status="failed", workflow_id="other", completed_at=execution.started_at, cost_usd=number
            )
    for project in Project.objects.all():
        rows.documents(Execution.objects.filter(project=project)[0], 3)
    (hidden,) = rows.executions(1, project="hidden")
    hidden.project.users.add(person("eva"))
    rows.documents(hidden, 2)
    rows.some_of_all(range(3))


def walk(client: APIClient, path: str, key: str) -> list[str]:
    found, url = [], f"/api/v1/{path}{'&' if '?' in path else '?'}page_size=3"
    while url:
        page: dict[str, Any] = client.get(url).json()
        found += [row[key] for row in page["results"]]
        url = page["next"]
    return found


@pytest.mark.usefixtures("stock")
def test_few_projects_and_many_give_the_same_pages(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {path: walk(caller("ed"), path, key) for path, key in LISTS.items()}
    monkeypatch.setattr(reach, "FEW_EXECUTIONS", 2)
    for path in ("gates", "gates?mine=true", "gates?project_id=project-2"):
        assert few[path] == walk(caller("ed"), path, "gate_id"), path
    monkeypatch.setattr(reach, "FEW", 2)
    for path, key in LISTS.items():
        assert few[path] == walk(caller("ed"), path, key), path
        assert len(few[path]) == len(set(few[path]))
        assert bool(few[path]) == ("hidden" not in path)


@pytest.mark.usefixtures("stock")
def test_an_administrator_sees_the_same_rows_in_the_same_order_and_those_that_are_hidden(caller: Caller) -> None:
    for path, key in LISTS.items():
        if "mine" not in path:
            own, everything = walk(caller("ed"), path, key), walk(caller("root"), path, key)
            assert [each for each in everything if each in own] == own, path
    assert walk(caller("root"), "executions?project_id=hidden", "execution_id") != []


@pytest.mark.parametrize("path", ["executions", "documents", "gates"])
@pytest.mark.usefixtures("stock")
def test_who_sees_no_project_sees_no_row(stranger: APIClient, vic: APIClient, path: str) -> None:
    Project.objects.get(pk="project-0").users.add(person("eva"))
    Project.objects.get(pk="project-2").users.add(person("eva"))
    for client in (stranger, vic):
        assert client.get(f"/api/v1/{path}").json() == {"results": [], "next": None, "previous": None}
