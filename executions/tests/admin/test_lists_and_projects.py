"""Lists stay quick however long they are; projects are the one thing that is edited."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.models import Event, Execution, Project
from executions.tests.admin.desk import at_desk, in_review
from executions.tests.admin.test_visibility import MODELS, list_url
from executions.tests.engine_cast import decide, person, start
from executions.tests.engine_definitions import single
from executions.tests.pretend_worker import drive

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_the_same_number_of_queries_however_long_it_is(model: type[Model]) -> None:
    client = at_desk("olga")
    decide("ed", in_review(), "accept")
    client.get(list_url(model))
    with CaptureQueriesContext(connection) as few:
        client.get(list_url(model))
    for n in range(12):
        decide("ed", in_review(), "accept")
        drive(start(single(), project=f"p{n}"))
    with CaptureQueriesContext(connection) as many:
        assert client.get(list_url(model)).status_code == 200
    assert len(few) == len(many) <= 18


def test_a_list_of_ten_thousand_runs_loads_one_page_of_them() -> None:
    one = start(single())
    now = timezone.now()
    Execution.objects.bulk_create(
        Execution(
            id=uuid4(), project_id=one.project_id, revision_id=one.revision_id, workflow_id="test",
            brief={"a": "b" * 500}, started_at=now - timedelta(seconds=n), updated_at=now,
        )
        for n in range(10_000)
    )  # fmt: skip
    client, url = at_desk("vic"), reverse("admin:executions_execution_changelist")
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    assert response.status_code == 200
    assert response.content.count(b'<th class="field-id_short">') == 50
    assert len(queries) <= 16
    assert not any('"brief"' in query["sql"] for query in queries)


def test_a_list_can_be_searched_by_the_id_of_a_run() -> None:
    one, other = start(single()), start(single())
    url = reverse("admin:executions_event_changelist")
    found = at_desk("vic").get(f"{url}?q={one.pk}").context["cl"].result_list
    assert {event.execution_id for event in found} == {one.pk}
    assert Event.objects.filter(execution=other).exists()


def test_operators_make_projects_with_members() -> None:
    client, url = at_desk("olga"), reverse("admin:executions_project_add")
    person("ed")
    row = {
        "id": "harbour",
        "name": "The harbour",
        "users": "ed,\r\nolga",
        "groups": [Group.objects.get(name="editor").pk],
    }
    assert client.post(url, row).status_code == 302
    made = Project.objects.get(pk="harbour")
    assert (made.name, made.created_by) == ("The harbour", person("olga"))
    assert {user.username for user in made.users.all()} == {"ed", "olga"}
    assert [group.name for group in made.groups.all()] == ["editor"]


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "no spaces"},
        {"id": "x" * 65},
        {"id": "a\x00b"},
        {"id": ""},
        {"id": "apollo"},
        {"users": "ghost"},
        {"users": "a\x00b"},
        {"groups": ["999"]},
        {"name": "x" * 201},
    ],
)
def test_a_project_that_cannot_be_made_is_an_error_at_the_form(odd: dict[str, object]) -> None:
    start(single())
    client, url = at_desk("olga"), reverse("admin:executions_project_add")
    response = client.post(url, {"id": "harbour", "name": "", "users": "", **odd})
    assert response.status_code == 200
    assert response.context["errors"]
    assert not Project.objects.filter(pk="harbour").exists()


def test_an_operator_changes_the_members_of_a_project_but_not_its_id() -> None:
    start(single())
    client, url = at_desk("olga"), reverse("admin:executions_project_change", args=("apollo",))
    assert client.post(url, {"id": "gemini", "name": "Moon", "users": "olga", "groups": []}).status_code == 302
    project = Project.objects.get()
    assert (project.pk, project.name, project.users.get().username) == ("apollo", "Moon", "olga")
    page = client.get(url).content.decode()
    assert ">\nolga</textarea>" in page


def test_viewers_do_not_change_projects() -> None:
    start(single())
    client, url = at_desk("vic"), reverse("admin:executions_project_change", args=("apollo",))
    assert client.get(url).status_code == 200
    assert client.post(url, {"name": "Mine", "users": "vic"}).status_code == 403
    assert client.get(reverse("admin:executions_project_add")).status_code == 403
    assert Project.objects.get().name == ""


def test_a_project_is_never_deleted() -> None:
    start(single())
    assert at_desk("root").post("/admin/executions/project/apollo/delete/", {"post": "yes"}).status_code == 403


def test_a_project_with_a_run_in_a_hidden_project_stays_hidden_in_the_form() -> None:
    start(single(), project="secret")
    Project.objects.get(pk="secret").users.add(person("eva"))
    response = at_desk("olga").get(reverse("admin:executions_project_change", args=("secret",)))
    assert response.status_code == 404
