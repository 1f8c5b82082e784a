"""What all pages have in common: log-in, roles, navigation, headers, errors."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from executions.tests.admin.desk import at_desk, in_question, in_review
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from executions.tests.pages.visitors import links, visitor, words

pytestmark = pytest.mark.django_db

LISTS = ["/", "/executions/", "/workflows/", "/projects/", "/documents/"]
_INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:|<img|https?://(?!www\.w3\.org)"
)


@pytest.mark.parametrize("url", [*LISTS, "/start/", "/executions/changes/", f"/documents/{uuid.UUID(int=7)}/"])
def test_whoever_is_not_logged_in_is_led_to_the_log_in_and_back(url: str) -> None:
    response = Client().get(f"{url}?x=1", follow=True)
    assert response.redirect_chain[-1][0].startswith("/login?next=/")
    assert "Log in" in words(response)


@pytest.mark.parametrize("url", LISTS)
def test_an_account_without_a_role_is_told_what_to_do(url: str) -> None:
    start(single())
    response = visitor("nobody").get(url)
    assert response.status_code == 200
    assert "Your account has no role yet" in words(response)
    assert "apollo" not in words(response)


@pytest.mark.parametrize("url", [*LISTS, "/login", "/logout", "/workflows/test/start/", "/projects/apollo/"])
def test_pages_run_under_the_strict_policy_without_anything_inline(url: str) -> None:
    start(single())
    client = Client() if url == "/login" else visitor("olga")
    response = client.get(url)
    assert response.status_code == 200
    assert _INLINE.findall(response.content.decode()) == []
    assert "default-src 'self'" in response["Content-Security-Policy"].split("; ")
    assert "private" in response.get("Cache-Control", "private")


def test_pages_name_their_language_their_title_and_a_way_past_the_navigation() -> None:
    page = visitor("olga").get("/executions/").content.decode()
    assert '<html lang="en-gb" dir="ltr">' in page
    assert "<title>Runs · The Combine</title>" in page
    assert '<a class="skip" href="#main">' in page
    assert '<main id="main"' in page


def test_the_navigation_marks_where_one_is_and_counts_what_waits() -> None:
    in_review()
    page = visitor("ed").get("/projects/").content.decode()
    assert '<a href="/projects/" aria-current="page">Projects</a>' in page
    assert 'Needs you <span class="count">1<span class="visually-hidden"> waiting</span></span>' in page


def test_the_admin_is_offered_to_staff_only() -> None:
    assert "/admin/" not in links(visitor("olga").get("/"))
    assert "/admin/" in links(at_desk("ed").get("/"))


def test_the_admin_has_the_same_navigation() -> None:
    assert {"/executions/", "/projects/", "/documents/"} <= set(links(at_desk("olga").get("/admin/")))


def test_logging_in_and_out() -> None:
    user = person("olga")
    user.set_password("a long password")
    user.save()
    client = Client()
    wrong = client.post("/login", {"username": "olga", "password": "wrong", "next": "/projects/"})
    assert "Please enter a correct username and password" in words(wrong)
    assert 'value="olga"' in wrong.content.decode()
    right = client.post("/login", {"username": "olga", "password": "a long password", "next": "/projects/"})
    assert (right.status_code, right["Location"]) == (302, "/projects/")
    assert client.get("/login")["Location"] == "/"
    assert "Log out?" in words(client.get("/logout"))
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/")["Location"] == "/login?next=/"


def test_the_log_in_leads_to_no_other_site() -> None:
    user = person("olga")
    user.set_password("a long password")
    user.save()
    sent = {"username": "olga", "password": "a long password", "next": "https://evil.example/"}
    assert Client().post("/login", sent)["Location"] == "/"


def test_home_shows_what_waits_and_where_to_go_for_it() -> None:
    review, question = in_review(), in_question()
    desk = at_desk("ed").get("/")
    assert "Needs you 1" in words(desk)
    assert reverse("admin:executions_gate_decide", args=(review.pk,)) in links(desk)
    assert "1 more waits for others" in words(desk)
    # olga operates, and has no access to the desk: she answers on a page of our own.
    operator = visitor("olga").get("/")
    assert "Questions about Note" in words(operator)
    assert reverse("questions-page", args=(question.execution_id, question.pk)) in links(operator)


def test_home_shows_ones_own_runs_or_else_everybodys() -> None:
    start(single(), by="olga")
    assert "Your recent runs" in words(visitor("olga").get("/"))
    assert "Your recent runs" not in words(visitor("vic").get("/"))
    assert "Recent runs" in words(visitor("vic").get("/"))


def test_home_of_an_empty_site_says_how_to_begin() -> None:
    assert "Start the first run" in words(visitor("olga").get("/"))
    assert "Start the first run" not in words(visitor("vic").get("/"))


def test_an_address_without_its_slash_is_led_to_the_right_one() -> None:
    client = visitor("olga")
    assert client.get("/executions?status=failed")["Location"] == "/executions/?status=failed"
    assert client.get("/projects/apollo")["Location"] == "/projects/apollo/"
    assert client.post("/executions").status_code == 405


def test_the_icon_is_answered_for() -> None:
    assert Client().get("/favicon.ico")["Location"].endswith("/combine/favicon.svg")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_pages_to_look_at_take_nothing(method: str) -> None:
    assert getattr(visitor("olga"), method)("/executions/").status_code == 405


def test_what_is_not_there_has_a_page_with_a_reference() -> None:
    response = visitor("olga").get("/projects/nowhere/", headers={"X-Request-ID": "mine-1"})
    assert response.status_code == 404
    assert "There is nothing here" in words(response)
    assert "Reference mine-1" in words(response)
    assert _INLINE.findall(response.content.decode()) == []


def test_a_host_that_is_not_ours_has_a_page_that_asks_nothing_of_it() -> None:
    response = Client().get("/login", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "This request could not be understood" in words(response)


def test_a_form_without_its_token_has_a_page_that_says_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/login?next=/projects/", {"username": "olga", "password": "x"})
    assert response.status_code == 403
    assert "This form is no longer valid" in words(response)
    assert "/login?next=/projects/" in links(response)
