"""Who sees which rows: projects decide, Django's own permissions do not."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from documents.models import Document
from executions.models import (
    Attempt,
    AuditEntry,
    Budget,
    Decision,
    Deputy,
    Event,
    Execution,
    Gate,
    LLMCall,
    Project,
    Step,
    Webhook,
    WebhookDelivery,
)
from executions.tests.admin.desk import at_desk, gate_url, in_review, staff
from executions.tests.engine_cast import decide, person

pytestmark = pytest.mark.django_db

MODELS: list[type[Model]] = [Project, Execution, Step, Attempt, LLMCall, Event, Gate, Decision, Document]
# A role is not enough for these; they have tests of their own.
FOR_OPERATORS: list[type[Model]] = [Webhook, WebhookDelivery]
FOR_ADMINISTRATORS: list[type[Model]] = [AuditEntry, Deputy]
# A role is enough to look, and no run has one of its own.
BESIDE_RUNS: list[type[Model]] = [Budget]


def change_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,))


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def decided() -> Gate:
    """A run with a row of every kind."""
    gate = in_review()
    decide("ed", gate, "accept")
    return gate


@pytest.mark.parametrize("model", MODELS)
def test_a_role_is_enough_to_look_at_everything(model: type[Model], decided: Gate) -> None:
    client = at_desk("vic")
    assert client.get(list_url(model)).status_code == 200
    row = model._default_manager.all()[0]
    assert client.get(change_url(row)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_administrators_see_everything(model: type[Model], decided: Gate) -> None:
    Project.objects.get().users.add(person("olga"))
    client = at_desk("root")
    assert client.get(change_url(model._default_manager.all()[0])).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_a_hidden_project_do_not_exist_for_others(model: type[Model], decided: Gate) -> None:
    Project.objects.get().users.add(person("olga"))
    client = at_desk("ed")
    response = client.get(list_url(model))
    assert response.context["cl"].result_count == 0
    assert response.context["cl"].full_result_count is None
    assert "apollo" not in response.content.decode()
    row = model._default_manager.all()[0]
    hidden = client.get(change_url(row))
    assert hidden.status_code == 404
    assert client.get(change_url(row) + "../history/").status_code == 404
    assert at_desk("olga").get(change_url(row)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_without_a_role_even_all_of_djangos_permissions_show_nothing(model: type[Model], decided: Gate) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(user)
    assert client.get(list_url(model)).status_code == 403
    assert client.get(change_url(model._default_manager.all()[0])).status_code in (403, 404)


@pytest.mark.parametrize("model", [model for model in MODELS if model is not Project])
def test_nothing_is_added_changed_or_deleted_by_hand(model: type[Model], decided: Gate) -> None:
    client = at_desk("root")
    row = model._default_manager.all()[0]
    before = model._default_manager.filter(pk=row.pk).values().get()
    assert client.get(list_url(model) + "add/").status_code in (403, 404)
    assert client.post(list_url(model) + "add/", {}).status_code in (403, 404)
    assert client.post(change_url(row), {"status": "completed"}).status_code in (302, 403)
    assert client.get(change_url(row).replace("/change/", "/delete/")).status_code == 403
    assert client.post(change_url(row).replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403
    assert client.post(list_url(model), {"action": "delete_selected", "_selected_action": [row.pk]}).status_code != 500
    assert model._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("model", MODELS)
def test_no_page_has_a_textarea_for_json(model: type[Model], decided: Gate) -> None:
    if model is Project:
        return
    page = at_desk("root").get(change_url(model._default_manager.all()[0])).content.decode()
    assert "<textarea" not in page


def test_people_without_access_to_the_site_are_asked_to_log_in(decided: Gate) -> None:
    client = Client()
    client.force_login(person("eva"))
    for url in ("/admin/", list_url(Execution), gate_url(decided)):
        response = client.get(url)
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")


def test_every_model_of_the_engine_is_registered() -> None:
    registered = {model for model in admin.site._registry if model._meta.app_label in ("executions", "documents")}
    assert registered == {*MODELS, *FOR_OPERATORS, *FOR_ADMINISTRATORS, *BESIDE_RUNS}


@pytest.mark.parametrize("model", MODELS)
def test_an_id_that_is_none_is_not_found(model: type[Model]) -> None:
    client = at_desk("root")
    for bad in ("x", "%00", "0", "-1", "9" * 40, "..%2f", "ü", "a" * 3000):
        assert client.get(list_url(model) + f"{bad}/change/").status_code == 404, bad


ODD_QUERIES = [
    "q=%00", "status__exact=%00", "project=%00", "p=99999999999", "p=x", "o=9.9", "all=", "q=" + "x" * 5000,
    "id__exact=x", "started_at__gte=x", "_facets=True", "q=%22%5C", "document_type=%00", "e=1", "waiting=me",
    "waiting=others", "status=completed", "project=apollo&workflow=test", "q=%ED%A0%80", "is_latest__exact=1",
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_odd_queries_of_lists_are_no_crash(model: type[Model], decided: Gate) -> None:
    client = at_desk("root")
    for query in ODD_QUERIES:
        assert client.get(f"{list_url(model)}?{query}").status_code in (200, 302, 400, 404), query


def test_filters_name_only_what_may_be_seen(decided: Gate) -> None:
    Project.objects.get().users.add(person("olga"))
    for model in MODELS:
        assert ">apollo<" not in at_desk("vic").get(list_url(model)).content.decode()
