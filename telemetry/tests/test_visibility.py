"""Who sees which calls: totals tell nothing of projects that others see. And how many statements an answer takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from executions.tests.api.conftest import Caller
from executions.tests.engine_cast import person
from telemetry.models import DaySums
from telemetry.rollup import rebuild
from telemetry.tests.counting import Counted
from telemetry.tests.written_ledger import NOON, STRANGE, call, execution, project, roll_all
from workflows.services import current_revision

BASE = "/api/v1/telemetry"


@pytest.fixture(params=[False, True], ids=["from the ledger", "from the sums"])
def world(request: pytest.FixtureRequest, db: None) -> dict[str, Any]:
    """Have a call in a project of olga's, one in a project of vic's, one in an open project."""
    runs = {}
    for number, (name, members) in enumerate({"hers": ("olga",), "his": ("vic",), "open": ()}.items()):
        project(name, *members)
        runs[name] = execution(name)
        call(runs[name], cost=f"0.{10**number:03}"[:5], at=NOON + timedelta(days=number), step_id=f"of-{name}")
    if request.param:
        roll_all()
    return runs


@pytest.mark.parametrize(
    ("who", "cost", "first"),
    [
        ("olga", "0.101", "2026-03-10"),
        ("vic", "0.11", "2026-03-11"),
        ("ed", "0.1", "2026-03-12"),
        ("root", "0.111", "2026-03-10"),
        ("nobody", "0", None),
    ],
)
def test_everybody_sees_the_costs_of_their_projects_only(
    caller: Caller, world: dict[str, Any], who: str, cost: str, first: str | None
) -> None:
    client = caller(who)
    summary = client.get(f"{BASE}/summary").json()
    assert (summary["total_cost_usd"], summary["period_start"]) == (cost, first)
    days = client.get(f"{BASE}/costs/daily").json()["results"]
    assert (days[0]["date"] if days else None) == first
    if who != "nobody":
        assert client.get(f"{BASE}/workflows/test/stats").json()["total_cost_usd"] == cost


@pytest.mark.parametrize("is_rolled", [False, True], ids=["from the ledger", "from the sums"])
def test_who_sees_every_project_sees_no_more_once_there_is_one_of_others(caller: Caller, is_rolled: bool) -> None:
    call(execution("open"), cost="0.1")
    call(execution("free"), cost="0.2")
    if is_rolled:
        roll_all()
    vic = caller("vic")
    assert vic.get(f"{BASE}/summary").json()["total_cost_usd"] == "0.3"
    # One that the sums hold, and one of a moment ago.
    call(execution("hers"), cost="5", at=NOON - timedelta(days=1))
    call(execution("hers"), cost="5", at=datetime.now(UTC))
    project("hers", "olga")
    if is_rolled:
        rebuild()
        assert DaySums.objects.filter(project_id="hers").exists()
    assert vic.get(f"{BASE}/summary").json()["total_cost_usd"] == "0.3"
    assert (
        vic.get(f"{BASE}/costs/daily", {"start": "2026-03-01", "end": "2026-03-31", "tz": "Asia/Tokyo"}).json()[
            "results"
        ][9]["total_cost_usd"]
        == "0.3"
    )
    assert vic.get(f"{BASE}/summary").json()["period_start"] == "2026-03-10"
    assert vic.get(f"{BASE}/costs/daily").json()["results"][0]["date"] == "2026-03-10"
    assert caller("olga").get(f"{BASE}/summary").json()["total_cost_usd"] == "10.3"


def test_no_filter_shows_what_is_of_others(caller: Caller, world: dict[str, Any]) -> None:
    olga = caller("olga")
    unheard = olga.get(f"{BASE}/summary", {"project_id": "unheard-of"}).json()
    assert olga.get(f"{BASE}/summary", {"project_id": "his"}).json() == unheard
    assert olga.get(f"{BASE}/summary", {"step_id": "of-his"}).json() == unheard
    assert olga.get(f"{BASE}/summary", {"step_id": "of-hers"}).json()["total_cost_usd"] == "0.001"
    assert olga.get(f"{BASE}/costs/daily", {"project_id": "his"}).json()["results"] == []
    stats = olga.get(f"{BASE}/workflows/test/stats", {"project_id": "his"}).json()
    assert (stats["execution_count"], stats["unpriced_call_count"]) == (0, 0)


def test_calls_without_a_price_of_others_are_not_counted(caller: Caller, world: dict[str, Any]) -> None:
    call(world["his"], cost=None, model=STRANGE)
    assert caller("olga").get(f"{BASE}/workflows/test/stats").json()["unpriced_call_count"] == 0
    assert caller("vic").get(f"{BASE}/workflows/test/stats").json()["unpriced_call_count"] == 1


def test_a_foreign_execution_is_told_from_an_unknown_one_by_nothing(caller: Caller, world: dict[str, Any]) -> None:
    foreign, unknown = world["his"].pk, uuid4()
    answers = [caller("olga").get(f"{BASE}/executions/{each}/costs").json() for each in (foreign, unknown)]
    for answer, name in zip(answers, (foreign, unknown), strict=True):
        assert answer.pop("request_id")
        assert answer.pop("instance").endswith(f"{name}/costs")
        assert answer.pop("detail") == f"There is no execution {name}."
    assert answers[0] == answers[1]
    assert answers[0]["status"] == 404
    assert caller("vic").get(f"{BASE}/executions/{foreign}/costs").status_code == 200


def test_without_a_role_there_is_no_workflow_and_no_execution(stranger: APIClient, world: dict[str, Any]) -> None:
    for path in ("workflows/test/stats", f"executions/{world['open'].pk}/costs"):
        assert stranger.get(f"{BASE}/{path}").status_code == 404


def test_any_role_may_look(caller: Caller, world: dict[str, Any]) -> None:
    for who in ("olga", "ed", "vic", "root"):
        for path in ("summary", "costs/daily", "workflows/test/stats", f"executions/{world['open'].pk}/costs"):
            assert caller(who).get(f"{BASE}/{path}").status_code == 200


def test_nothing_is_changed_by_looking(root: APIClient, world: dict[str, Any]) -> None:
    for path in ("summary", "costs/daily", "workflows/test/stats", f"executions/{world['open'].pk}/costs"):
        for method in (root.post, root.put, root.patch, root.delete):
            assert method(f"{BASE}/{path}").status_code == 405


@pytest.mark.parametrize(
    ("path", "statements"),
    [("summary", 5), ("costs/daily", 5), ("workflows/test/stats", 6), ("executions/{id}/costs", 3)],
)
def test_the_number_of_statements_does_not_grow(world: dict[str, Any], path: str, statements: int) -> None:
    client = APIClient()
    url = f"{BASE}/{path.format(id=world['open'].pk)}"
    current_revision("test")  # a revision is read once per process
    for _ in range(2):
        client.force_authenticate(person("vic"))  # loaded anew, as by a request
        with Counted() as captured:
            assert client.get(url).status_code == 200
        assert len(captured) == statements, [each["sql"] for each in captured]
        for number in range(5):
            project(f"more-{number}")
            call(execution(f"more-{number}"), step_id=f"more-{number}", at=NOON + timedelta(days=number))
            call(world["open"], step_id=f"more-{number}")
