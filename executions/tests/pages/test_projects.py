"""Projects: the list, and one with its documents as a tree of scopes, its runs and its members."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import Project
from executions.tests.admin.desk import at_desk
from executions.tests.driving import Scripted, document, drive
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import epics, reviewed, single, stories
from executions.tests.pages.visitors import links, rows, visitor, words

pytestmark = pytest.mark.django_db

BACKLOG = document(items=[{"id": "E1", "name": "The desk"}, {"id": "E2", "name": "<b>The safe</b>"}])


def test_the_list_counts_runs_and_says_to_whom_a_project_is_open() -> None:
    drive(start(reviewed(), project="apollo"))
    start(single(), project="apollo")
    start(single(), project="gemini")
    Project.objects.get(pk="gemini").users.add(person("vic"))
    response = visitor("vic").get("/projects/")
    assert rows(response) == [
        "apollo 2 1 just now everybody with a role",
        "gemini 1 0 just now its members",
    ]
    assert "/executions/?status=waiting&project=apollo" in links(response)


def test_projects_of_others_do_not_exist() -> None:
    start(single(), project="vault")
    Project.objects.get(pk="vault").groups.add(Group.objects.get_or_create(name="keepers")[0])
    assert "vault" not in visitor("vic").get("/projects/").content.decode()
    assert visitor("vic").get("/projects/vault/").status_code == 404
    assert visitor("kim", "keepers").get("/projects/vault/").status_code == 200


@pytest.mark.parametrize("project_id", ["nowhere", "%00", "a b", "x" * 3000, "ü", "..%2f"])
def test_a_name_that_is_none_is_not_found(project_id: str) -> None:
    assert visitor("root").get(f"/projects/{project_id}/").status_code == 404


def test_an_empty_list_says_where_projects_come_from() -> None:
    assert "A project is made by the first run that names it" in words(visitor("vic").get("/projects/"))


def test_the_list_goes_on_in_pages() -> None:
    Project.objects.bulk_create([Project(pk=f"p{n:02}", created_at="2026-01-01T00:00Z") for n in range(30)])
    client = visitor("vic")
    first = client.get("/projects/")
    second = client.get("/projects/" + next(link for link in links(first) if "cursor=" in link))
    assert [row.split()[0] for row in rows(first) + rows(second)] == [f"p{n:02}" for n in range(30)]


def test_documents_stand_in_a_tree_of_scopes_that_are_named_after_their_items() -> None:
    drive(start(epics()), Scripted(backlog=BACKLOG))
    response = visitor("vic").get("/projects/apollo/")
    text = words(response)
    positions = [text.index(part) for part in ("Backlog", "epic E1 · The desk", "epic E2 · <b>The safe</b>")]
    assert positions == sorted(positions)
    assert "<b>The safe" not in response.content.decode()
    assert len([link for link in links(response) if re.fullmatch("/documents/[0-9a-f-]{36}/", link)]) == 4


def test_scopes_are_nested_as_deep_as_the_workflow_goes() -> None:
    drive(start(stories()))
    page = visitor("vic").get("/projects/apollo/").content.decode()
    assert page.count('<span class="quiet">epic</span>') > 0
    assert page.index('<span class="quiet">epic</span>') < page.index('<span class="quiet">story</span>')


def test_only_the_newest_version_of_each_document_is_in_the_tree() -> None:
    for _ in range(2):
        drive(start(single()))
    text = words(visitor("vic").get("/projects/apollo/"))
    assert "v2" in text
    assert "v1" not in text.split("Facts")[0]


def test_the_page_has_runs_members_and_what_was_spent() -> None:
    drive(start(single()))
    project = Project.objects.get()
    client = visitor("olga")
    assert "open to everybody with a role" in words(client.get("/projects/apollo/"))
    project.users.add(person("olga"))
    project.groups.add(Group.objects.get_or_create(name="editor")[0])
    text = words(client.get("/projects/apollo/"))
    assert "olga; groups: editor" in text
    assert "Spent on models $0.0040" in text
    assert "by olga" in text
    assert "/workflows/?project=apollo" in links(client.get("/projects/apollo/"))


def test_only_staff_who_may_change_a_project_are_led_to_where_that_is_done() -> None:
    start(single())
    change = "/admin/executions/project/apollo/change/"
    assert change in links(at_desk("olga").get("/projects/apollo/"))
    assert change not in links(at_desk("ed").get("/projects/apollo/"))
    assert change not in links(visitor("otto", "operator").get("/projects/apollo/"))


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows() -> None:
    client = visitor("vic")
    drive(start(epics()))
    client.get("/projects/apollo/")
    client.get("/projects/")
    with CaptureQueriesContext(connection) as page:
        client.get("/projects/apollo/")
    with CaptureQueriesContext(connection) as listing:
        client.get("/projects/")
    for n in range(6):
        drive(start(epics()))
        drive(start(epics(), project=f"p{n}"))
    with CaptureQueriesContext(connection) as page_later:
        client.get("/projects/apollo/")
    with CaptureQueriesContext(connection) as listing_later:
        client.get("/projects/")
    assert len(page) == len(page_later) <= 20
    assert len(listing) == len(listing_later) <= 10


def test_parts_are_in_the_order_of_their_numbers() -> None:
    backlog = document(items=[{"id": f"E{n}", "name": f"Part {n}"} for n in (1, 2, 10)])
    drive(start(epics()), Scripted(backlog=backlog))
    text = words(visitor("vic").get("/projects/apollo/"))
    assert text.index("E2 · Part 2") < text.index("E10 · Part 10")
