"""POST, GET and PATCH of /projects."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from executions.models import Project
from executions.tests.api.conftest import Caller
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single

URL = "/api/v1/projects"


def test_a_project_is_made_before_its_first_start(olga: APIClient) -> None:
    person("ed")
    body = {"project_id": "apollo", "name": "Moon", "members": {"users": ["ed", "olga"], "groups": ["operator"]}}
    answer = olga.post(URL, body)
    assert answer.status_code == 201
    assert answer["Location"] == "http://testserver/api/v1/projects/apollo"
    shown = answer.json()
    assert set(shown) == {"project_id", "name", "members", "created_by", "created_at"}
    assert shown["project_id"] == "apollo"
    assert shown["name"] == "Moon"
    assert shown["members"] == {"users": ["ed", "olga"], "groups": ["operator"]}
    assert shown["created_by"] == "olga"
    assert olga.get(answer["Location"]).json() == shown


def test_a_first_start_makes_a_project_that_is_open_to_all(olga: APIClient, vic: APIClient) -> None:
    start(single(), project="apollo")
    body = vic.get(f"{URL}/apollo").json()
    assert body["members"] == {"users": [], "groups": []}
    assert body["name"] is None
    assert [row["project_id"] for row in vic.get(URL).json()["results"]] == ["apollo"]


def test_the_list_is_newest_first(olga: APIClient) -> None:
    for name in ("b", "a", "c"):
        olga.post(URL, {"project_id": name})
    assert [row["project_id"] for row in olga.get(URL).json()["results"]] == ["c", "a", "b"]


def test_a_change_replaces_what_it_names_and_nothing_else(olga: APIClient) -> None:
    person("ed")
    olga.post(URL, {"project_id": "apollo", "name": "Moon", "members": {"users": ["ed"], "groups": ["operator"]}})
    changed = olga.patch(f"{URL}/apollo", {"members": {"users": ["olga"]}}).json()
    assert changed["members"] == {"users": ["olga"], "groups": ["operator"]}
    assert changed["name"] == "Moon"
    changed = olga.patch(f"{URL}/apollo", {"name": "Mars", "members": {"users": [], "groups": []}}).json()
    assert changed["members"] == {"users": [], "groups": []}
    assert changed["name"] == "Mars"
    assert olga.patch(f"{URL}/apollo", {}).json() == changed


def test_members_alone_see_a_project_and_all_others_are_told_that_there_is_none(
    olga: APIClient, ed: APIClient, vic: APIClient, stranger: APIClient, caller: Caller
) -> None:
    ed.get(URL)
    olga.post(URL, {"project_id": "apollo", "members": {"users": ["ed"]}})
    assert ed.get(f"{URL}/apollo").status_code == 200
    assert caller("root").get(f"{URL}/apollo").status_code == 200
    unknown = vic.get(f"{URL}/gemini").json()
    for client in (vic, stranger, olga):
        answer = client.get(f"{URL}/apollo")
        assert answer.status_code == 404
        same = {"type", "title", "status", "code"}
        assert {key: answer.json()[key] for key in same} == {key: unknown[key] for key in same}
        assert answer.json()["detail"] == unknown["detail"].replace("gemini", "apollo")
        assert client.get(URL).json()["results"] == []
    Group.objects.get_or_create(name="viewer")[0].user_set.add(person("vic"))
    caller("root").patch(f"{URL}/apollo", {"members": {"groups": ["viewer"]}})
    assert vic.get(f"{URL}/apollo").status_code == 200


def test_its_creator_operators_in_it_and_administrators_change_a_project(
    olga: APIClient, ed: APIClient, vic: APIClient, stranger: APIClient, anonymous: APIClient, caller: Caller
) -> None:
    for client in (ed, vic):
        client.get(URL)
    olga.post(URL, {"project_id": "apollo", "members": {"users": ["ed", "vic"]}})
    person("otto", "operator")

    assert anonymous.patch(f"{URL}/apollo", {"name": "x"}).status_code == 401
    assert ed.patch(f"{URL}/apollo", {"name": "x"}).status_code == 403
    assert vic.patch(f"{URL}/apollo", {"name": "x"}).status_code == 403
    assert stranger.patch(f"{URL}/apollo", {"name": "x"}).status_code == 404
    assert caller("otto").patch(f"{URL}/apollo", {"name": "x"}).status_code == 404
    assert Project.objects.get().name == ""
    # Whoever made it is not locked out by not being a member.
    assert olga.patch(f"{URL}/apollo", {"name": "Moon"}).json()["name"] == "Moon"
    assert caller("root").patch(f"{URL}/apollo", {"members": {"users": ["otto"]}}).status_code == 200
    assert caller("otto").patch(f"{URL}/apollo", {"name": "Mars"}).status_code == 200


def test_a_second_project_of_one_id_is_409_or_404(olga: APIClient, caller: Caller) -> None:
    olga.post(URL, {"project_id": "apollo"})
    again = olga.post(URL, {"project_id": "apollo"})
    assert again.status_code == 409
    assert again.json()["code"] == "CONFLICT"
    olga.patch(f"{URL}/apollo", {"members": {"users": ["olga"]}})
    person("otto", "operator")
    assert caller("otto").post(URL, {"project_id": "apollo"}).status_code == 404


def test_only_operators_make_projects(vic: APIClient, ed: APIClient, stranger: APIClient, anonymous: APIClient) -> None:
    body = {"project_id": "apollo"}
    assert anonymous.post(URL, body).status_code == 401
    for client in (vic, ed, stranger):
        assert client.post(URL, body).status_code == 403
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["/project_id"]),
        ({"project_id": ""}, ["/project_id"]),
        ({"project_id": 5}, ["/project_id"]),
        ({"project_id": "a/b"}, ["/project_id"]),
        ({"project_id": "a", "name": 5}, ["/name"]),
        ({"project_id": "a", "name": "x" * 201}, ["/name"]),
        ({"project_id": "a", "members": []}, ["/members"]),
        ({"project_id": "a", "members": {"users": "ed"}}, ["/members/users"]),
        ({"project_id": "a", "members": {"users": [5]}}, ["/members/users/0"]),
        (
            {"project_id": "a", "members": {"users": ["zoe"], "groups": ["pm"]}},
            ["/members/users/0", "/members/groups/0"],
        ),
        ({"project_id": "a", "members": {"people": []}}, ["/members/people"]),
        ({"project_id": "a", "owner": "olga"}, ["/owner"]),
        ({"project_id": "a b", "members": {"users": ["zoe"]}}, ["/project_id", "/members/users/0"]),
    ],
)
def test_a_wrong_body_is_422(olga: APIClient, body: Any, paths: list[str]) -> None:
    answer = olga.post(URL, body)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == paths
    assert not Project.objects.exists()


def test_a_project_is_never_renamed_or_given_away(olga: APIClient) -> None:
    olga.post(URL, {"project_id": "apollo"})
    for body in ({"project_id": "gemini"}, {"created_by": "ed"}, {"members": {"users": ["zoe"]}, "name": "x"}):
        assert olga.patch(f"{URL}/apollo", body).status_code == 422
    assert Project.objects.get().name == ""


@pytest.mark.parametrize("project_id", ["nothing", "%00", "a%20b", "x" * 300])
def test_an_unknown_project_is_404(olga: APIClient, project_id: str) -> None:
    for answer in (olga.get(f"{URL}/{project_id}"), olga.patch(f"{URL}/{project_id}", {"name": "x"})):
        assert answer.status_code == 404
        assert answer.json()["code"] == "PROJECT_NOT_FOUND"
