"""Two people of two projects see nothing of each other, by whatever call and whatever id.

Every call of the OpenAPI document is made as somebody of another project, as nobody, and as an account without a role.
New calls are covered as soon as they are in the document; what names a thing in a path has to be known here.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.http import HttpResponse
from rest_framework.test import APIClient

from executions.tests.engine_cast import person
from tests.api_world import SECRET, SHARED, World
from tests.openapi_document import Operation, operation, operations

JSON = dict[str, Any]

PROTECTED = [each for each in operations() if not each.is_public]
# A status, a type and the like narrow a list; these name somebody's things.
NAMING_PARAMETERS = {"project_id", "execution_id", "scope_id"}
PUBLIC = {"getSchema", "getLiveness", "getReadiness"}


@pytest.fixture
def world(db: None) -> World:
    return World()


def path_of(each: Operation, ids: JSON) -> str:
    """Fill in a path. A part that is not known here is a new kind of thing: say whose it is."""
    path = each.path
    for name in re.findall(r"{(\w+)}", path):
        assert name in ids, f"{each.id} names something new, {name}: give it a value in tests/api_world.py"
        path = path.replace(f"{{{name}}}", ids[name])
    return path


def body_of(each: Operation) -> JSON | None:
    """Return the shortest example of the document, which is right and names nobody."""
    if "requestBody" not in each.content:
        return None
    examples = each.content["requestBody"]["content"]["application/json"].get("examples", {})
    values = [dict(example["value"]) for example in examples.values()]
    return min(values, key=len) if values else {}


def make(client: APIClient, each: Operation, ids: JSON, query: JSON | None = None) -> HttpResponse:
    query_string = "&".join(f"{name}={value}" for name, value in (query or {}).items())
    body = body_of(each)
    if body is not None and "project_id" in body:
        body["project_id"] = ids["project_id"]
    send = getattr(client, each.method)
    path = path_of(each, ids) + (f"?{query_string}" if query_string else "")
    response: HttpResponse = send(path, body) if body is not None else send(path)
    return response


def told(response: HttpResponse, *named: JSON) -> tuple[Any, ...]:
    """Return what an answer tells, without the ids that were asked for."""
    text = response.content.decode()
    for ids in named:
        for value in sorted(ids.values(), key=len, reverse=True):
            text = text.replace(value, "<id>")
    text = re.sub(r'"request_id":"[^"]*"', "", text)
    headers = sorted(name for name in response.headers if name != "Content-Length")
    return response.status_code, headers, text


def about_projects(world: World) -> list[Operation]:
    """Return the calls whose path names something that lies in a project."""
    ours = world.alice.ids()
    return [each for each in PROTECTED if any(name in ours for name in re.findall(r"{(\w+)}", each.path))]


def lists(world: World) -> list[Operation]:
    """Return the calls that answer with whatever the caller may see."""
    return [each for each in PROTECTED if each.method == "get" and each not in about_projects(world)]


def test_what_is_in_anothers_project_does_not_exist(world: World) -> None:
    mallory = world.client("mallory")
    hidden, unknown = SHARED | world.alice.ids(), SHARED | world.unknown_of_projects
    for each in about_projects(world):
        answer = make(mallory, each, hidden)
        assert answer.status_code == 404, (each.id, answer.content)
        assert told(answer, hidden) == told(make(mallory, each, unknown), unknown), each.id


def test_lists_filters_and_totals_hold_nothing_of_anothers_project(world: World) -> None:
    mallory, hidden, unknown = world.client("mallory"), world.alice.ids(), world.unknown
    for each in lists(world):
        answer = make(mallory, each, SHARED)
        assert answer.status_code == 200, (each.id, answer.content)
        assert_nothing_of_alices(world, answer, each.id)
        for name in {parameter["name"] for parameter in each.parameters} & NAMING_PARAMETERS:
            narrowed = make(mallory, each, SHARED, {name: hidden[name]})
            nothing = make(mallory, each, SHARED, {name: unknown[name]})
            assert narrowed.status_code == 200, (each.id, name)
            assert told(narrowed, hidden) == told(nothing, unknown), (each.id, name)
            assert rows_of(json.loads(narrowed.content)) == [], (each.id, name)


def test_a_body_cannot_name_anothers_project(world: World) -> None:
    mallory, count = world.client("mallory"), 0
    for each in PROTECTED:
        if "project_id" in (body_of(each) or {}):
            answer = make(mallory, each, SHARED | world.alice.ids())
            assert answer.status_code == 404, (each.id, answer.content)
            assert json.loads(answer.content)["code"] == "PROJECT_NOT_FOUND", each.id
            count += 1
    assert count >= 3


@pytest.mark.parametrize("call", ["decideAcceptance", "answerClarification"])
def test_a_body_cannot_name_anothers_gate(world: World, call: str) -> None:
    mallory, each = world.client("mallory"), operation(call)
    path = path_of(each, world.mallory.ids())
    gates = [{"gate_id": world.alice.ids()["gate_id"]}, {"gate_id": world.unknown["gate_id"]}]
    right: JSON = {"decision": "accept"} if call == "decideAcceptance" else {"answers": {}}
    hidden, unknown = (mallory.post(path, right | gate) for gate in gates)
    assert hidden.status_code == 404
    assert told(hidden, gates[0]) == told(unknown, gates[1])


def test_nobody_is_told_anything_without_an_account(world: World) -> None:
    for each in PROTECTED:
        for ids in (world.alice.ids(), world.unknown_of_projects):
            answer = make(APIClient(), each, SHARED | ids)
            assert answer.status_code == 401, each.id
            assert json.loads(answer.content)["code"] == "NOT_AUTHENTICATED"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_account_without_a_role_sees_nothing(world: World) -> None:
    person("nobody")
    nobody, ids = world.client("nobody"), SHARED | world.alice.ids()
    for each in PROTECTED:
        answer = make(nobody, each, ids)
        body = json.loads(answer.content)
        # What it asked for it may be told again.
        assert_nothing_of_alices(world, HttpResponse(told(answer, ids)[2]), each.id)
        if answer.status_code == 200:
            assert rows_of(body) == [], each.id
        else:
            assert answer.status_code in (403, 404), each.id
            assert body["code"].endswith(("_NOT_FOUND", "PERMISSION_DENIED")), each.id


def test_what_needs_no_account_is_this_and_no_more() -> None:
    assert {each.id for each in operations() if each.is_public} == PUBLIC


def test_the_owner_sees_it_all(world: World) -> None:
    """Else these tests would be green on a server that shows nothing to anybody."""
    alice, ids = world.client("alice"), SHARED | world.alice.ids()
    for each in PROTECTED:
        if each.method == "get":
            answer = make(alice, each, ids)
            assert answer.status_code == 200, (each.id, answer.content)
            if each in about_projects(world):
                assert any(value in answer.content.decode() for value in world.alice.ids().values()), each.id


def assert_nothing_of_alices(world: World, answer: HttpResponse, what: str) -> None:
    text = answer.content.decode()
    secrets = {SECRET, *world.alice.ids().values(), *(str(run.pk) for run in world.alice.runs.values())}
    found = [secret for secret in secrets if secret in text]
    assert found == [], f"{what} tells of {found}"


def rows_of(body: Any) -> list[Any]:
    """Return the rows of a list, days without calls left out; of totals, the figures that are not zero."""
    if "results" in body:
        return [row for row in body["results"] if row.get("call_count", True)]
    return [key for key, value in body.items() if key.endswith(("_count", "_calls", "_tokens")) and value]
