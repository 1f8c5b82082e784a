"""API tokens: what they open, how they end, and the pages where people make and revoke them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from combine.accounts import create_token, issue_token
from combine.api.tests.test_problems import is_problem
from combine.models import ApiToken, TokenNote
from executions.tests.admin.desk import staff
from executions.tests.engine_cast import person

URL = "/api/v1/executions"
PAGES = "/admin/combine/apitoken/"


def calling(token: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def token_of(name: str, label: str = "") -> str:
    person(name)
    return create_token(name=name, days=None, label=label)


def desk_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ed(db: None) -> Client:
    return desk_of(staff("ed", "editor"))


@pytest.fixture
def root(db: None) -> Client:
    return desk_of(User.objects.create_superuser("root"))


def test_a_token_is_looked_up_with_one_statement(db: None) -> None:
    AuthToken.objects.create(person("olga"))  # another of hers
    client = calling(token_of("olga"))
    client.get("/api/v1/executions/nothing")  # its first use is noted
    with CaptureQueriesContext(connection) as queries:
        client.get("/api/v1/executions/nothing")
    assert [query["sql"] for query in queries if "knox" in query["sql"]] == [queries[0]["sql"]]


def test_a_revoked_token_is_refused_at_once(db: None) -> None:
    client = calling(token_of("olga"))
    assert client.get(URL).status_code == 200
    AuthToken.objects.all().delete()
    is_problem(client.get(URL), 401, "NOT_AUTHENTICATED")


def test_an_expired_token_is_refused_at_once(db: None) -> None:
    client = calling(token_of("olga"))
    assert client.get(URL).status_code == 200
    AuthToken.objects.update(expiry=timezone.now())
    answer = client.get(URL)
    is_problem(answer, 401, "NOT_AUTHENTICATED")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_the_hour_of_the_last_use_is_noted(db: None) -> None:
    client = calling(token_of("olga"))
    client.get(URL)
    first = TokenNote.objects.get().last_used_at
    assert first is not None
    client.get(URL)
    assert TokenNote.objects.get().last_used_at == first
    TokenNote.objects.update(last_used_at=first - timedelta(hours=1))
    client.get(URL)
    assert TokenNote.objects.get().last_used_at != first - timedelta(hours=1)


@pytest.mark.parametrize("with_session", [False, True])
@pytest.mark.parametrize(
    "header",
    ["", " ", "Bearer", "Bearer ", "Basic b2xnYTpwdw==", "Token {token}", "{token}", "Bearer {token} x",
     "Bearer {token}x", "Bearer {token},Bearer {token}", "Bearer {token}\x00", "Bearer " + "a" * 100_000,
     "Bearer " + "\u00e9" * 8],
)  # fmt: skip
def test_a_header_that_names_nobody_is_401_also_beside_a_session(db: None, header: str, with_session: bool) -> None:
    client = Client(headers={"Authorization": header.format(token=token_of("olga"))})
    if with_session:
        client.force_login(person("olga"))
    answer = client.get(URL)
    is_problem(answer, 401, "NOT_AUTHENTICATED")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_in_the_address_is_refused(db: None) -> None:
    token = token_of("olga")
    is_problem(APIClient().get(f"{URL}?token={token}"), 401, "NOT_AUTHENTICATED")
    answer = calling(token).get(f"{URL}?token={token}")
    assert token not in str(is_problem(answer, 400, "VALIDATION_ERROR"))


@pytest.mark.parametrize(
    ("csrf", "status", "code"), [(False, 403, "PERMISSION_DENIED"), (True, 415, "UNSUPPORTED_MEDIA_TYPE")]
)
def test_json_posted_as_plain_text_by_a_foreign_page_is_refused(db: None, csrf: bool, status: int, code: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("olga"))
    headers = {}
    if csrf:
        client.cookies["csrftoken"] = headers["X-CSRFToken"] = "a" * 32
    answer = client.post("/api/v1/projects", '{"project_id": "x"}', content_type="text/plain", headers=headers)
    is_problem(answer, status, code)


def make(client: Client, **row: Any) -> tuple[Any, str]:
    """Make a token at the page, and return the answer and the token in it."""
    answer = client.post(f"{PAGES}add/", {"label": "nightly", "days": "30", **row})
    found = re.search(r"cmb_[0-9a-f]{64}", answer.content.decode())
    return answer, found[0] if found else ""


def test_somebody_makes_a_token_of_their_own_and_sees_it_once(ed: Client) -> None:
    answer, token = make(ed)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert calling(token).get(URL).status_code == 200
    row = ApiToken.objects.get()
    assert (row.user.username, row.label) == ("ed", "nightly")
    assert timedelta(days=29) < row.expiry - timezone.now() <= timedelta(days=30)

    shown = ed.get(PAGES).content.decode() + ed.get(f"{PAGES}{row.pk}/change/").content.decode()
    assert "nightly" in shown
    assert row.token_key in shown
    assert token not in shown
    assert token not in str(list(LogEntry.objects.values())) + str(ed.session.items()) + str(ed.cookies)


def test_an_owner_can_be_named_by_administrators_only(ed: Client, root: Client) -> None:
    person("olga")
    make(ed, owner="olga")
    make(root, owner="olga")
    assert sorted(row.user.username for row in ApiToken.objects.all()) == ["ed", "olga"]


@pytest.mark.parametrize(
    "row",
    [{"days": "0"}, {"days": "36501"}, {"days": ""}, {"label": "x" * 101}, {"label": "\x00"}, {"owner": "nobody"}],
)
def test_a_wrong_value_makes_nothing(root: Client, row: dict[str, str]) -> None:
    answer, token = make(root, **{"owner": "root", **row})
    assert (answer.status_code, token) == (200, "")
    assert not AuthToken.objects.exists()


def test_the_list_holds_ones_own_and_for_administrators_all(ed: Client, root: Client) -> None:
    token_of("olga", "olgas laptop")
    token_of("ed", "his")
    assert "his" in (page := ed.get(PAGES).content.decode())
    assert "olgas laptop" not in page
    assert "olgas laptop" in root.get(PAGES).content.decode()


def test_a_token_is_revoked_by_its_owner_and_by_administrators(ed: Client, root: Client) -> None:
    hers, his = token_of("olga"), token_of("ed")
    of = {row.user.username: row.pk for row in ApiToken.objects.all()}
    assert ed.post(f"{PAGES}{of['olga']}/delete/", {"post": "yes"}).status_code == 404
    assert calling(hers).get(URL).status_code == 200
    assert ed.post(f"{PAGES}{of['ed']}/delete/", {"post": "yes"}).status_code == 302
    assert calling(his).get(URL).status_code == 401
    row = {"action": "delete_selected", "_selected_action": of["olga"], "post": "yes"}
    ed.post(PAGES, row)
    assert calling(hers).get(URL).status_code == 200
    root.post(PAGES, row)
    assert calling(hers).get(URL).status_code == 401


def test_nothing_about_a_token_can_be_changed(root: Client) -> None:
    token_of("olga", "hers")
    row = ApiToken.objects.get()
    assert root.post(f"{PAGES}{row.pk}/change/", {"label": "mine", "owner": "root"}).status_code == 403
    assert ApiToken.objects.get().label == "hers"


def test_an_account_that_may_not_enter_the_admin_site_finds_no_tokens(db: None) -> None:
    client = desk_of(person("olga"))
    for path in (PAGES, f"{PAGES}add/"):
        assert client.get(path).status_code == 302
    assert Client().get("/admin/knox/authtoken/").status_code in (302, 404)


def test_the_list_asks_as_much_for_many_as_for_few(root: Client) -> None:
    for number in range(2):
        token_of(f"user{number}")
    with CaptureQueriesContext(connection) as few:
        root.get(PAGES)
    for number in range(9):
        token_of(f"other{number}")
    with CaptureQueriesContext(connection) as many:
        assert root.get(PAGES).status_code == 200
    assert len(many) <= len(few)


def test_a_token_without_a_note_is_listed_too(root: Client) -> None:
    AuthToken.objects.create(person("olga"))
    issue_token(person("ed"), days=1, label="")
    AuthToken.objects.filter(user__username="ed").update(expiry=timezone.now())
    page = root.get(PAGES).content.decode()
    assert page.count("no label") == 2
    assert page.count("(ended)") == 1
