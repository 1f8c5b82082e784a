"""The list of executions: filters, pages, what it says of each, and what its script asks."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import Execution, Project
from executions.tests.driving import Scripted, asking, document, drive
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, reviewed, single
from executions.tests.pages.visitors import links, rows, visitor, words

pytestmark = pytest.mark.django_db

URL = "/executions/"


def aged(execution: Execution, days: int) -> Execution:
    at = datetime(2026, 3, 20, 12, tzinfo=UTC) - timedelta(days=days)
    Execution.objects.filter(pk=execution.pk).update(started_at=at)
    return execution


def test_a_row_says_what_runs_where_since_when_and_at_what_cost() -> None:
    execution = start(reviewed(), budget=Decimal(2))
    drive(execution, Scripted(note=document(title="First", text="draft")))
    Execution.objects.filter(pk=execution.pk).update(cost_usd=Decimal("1.7"))
    response = visitor("vic").get(URL)
    (row,) = rows(response)
    assert row.startswith(f"Test {str(execution.pk)[:8]} Waiting for acceptance Note apollo just now by olga")
    assert "$1.70 / $2.00" in row
    assert 'aria-label="85% of the budget"' in response.content.decode()
    assert f"/executions/{execution.pk}/" in links(response)


def test_filters_narrow_the_list_and_are_kept_on_the_page() -> None:
    old, new = aged(start(single(), project="apollo"), 10), aged(start(chain(2), project="gemini"), 0)
    drive(old)
    client = visitor("vic")
    for query, expected in (
        ("status=completed", {old}),
        ("project=gemini", {new}),
        ("workflow=test", {old, new}),
        ("started_from=2026-03-15", {new}),
        ("started_to=2026-03-10", {old}),
        ("started_from=2026-03-10&started_to=2026-03-10", {old}),
        ("project=gemini&status=failed", set()),
        ("started_to=9999-12-31", {old, new}),
        ("started_from=0001-01-01", {old, new}),
    ):
        response = client.get(f"{URL}?{query}")
        found = {each for each in (old, new) if f"/executions/{each.pk}/" in links(response)}
        assert found == expected, query
    page = client.get(f"{URL}?status=completed&project=apollo&started_from=2026-03-01").content.decode()
    assert '<option value="completed" selected>' in page
    assert 'name="project" value="apollo"' in page
    assert 'name="started_from" value="2026-03-01"' in page


def test_one_filter_finds_whatever_waits_for_people() -> None:
    review, question, other = start(reviewed()), start(single()), start(single())
    drive(review)
    drive(question, Scripted(note=asking()))
    drive(other)
    response = visitor("vic").get(f"{URL}?status=waiting")
    assert len(rows(response)) == 2
    assert f"/executions/{other.pk}/" not in links(response)


def test_no_runs_and_none_that_match_are_different_texts() -> None:
    client = visitor("olga")
    assert "No runs yet" in words(client.get(URL))
    start(single())
    assert "No run matches your filter" in words(client.get(f"{URL}?status=failed"))


@pytest.mark.parametrize(
    "query", ["status=x", "workflow=x", "started_from=yesterday", "project=%00", "status=a&status=b"]
)
def test_a_wrong_filter_is_named_and_matches_nothing(query: str) -> None:
    start(single())
    response = visitor("vic").get(f"{URL}?{query}")
    assert response.status_code == 200
    assert rows(response) == []
    assert 'class="error"' in response.content.decode()


def test_pages_follow_each_other_without_gap_or_repeat_while_rows_arrive() -> None:
    for n in range(60):
        aged(start(single(), project=f"p{n:02}"), n)
    client = visitor("vic")
    first = client.get(URL)
    start(single(), project="late")
    second = client.get(URL + next(link for link in links(first) if "cursor=" in link))
    third = client.get(URL + [link for link in links(second) if "cursor=" in link][-1])
    projects = [row.split()[4] for page in (first, second, third) for row in rows(page)]
    assert projects == [f"p{n:02}" for n in range(60)]
    back = client.get(URL + next(link for link in links(third) if "cursor=" in link))
    assert rows(back) == rows(second)


def test_a_cursor_of_somewhere_else_is_the_first_page() -> None:
    start(single())
    for cursor in ("x", "%00", "a" * 3000):
        assert len(rows(visitor("vic").get(f"{URL}?cursor={cursor}"))) == 1


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows() -> None:
    client = visitor("vic")
    drive(start(reviewed(), project="first"))
    client.get(URL)
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    for n in range(20):
        drive(start(reviewed(), project=f"p{n}"))
    with CaptureQueriesContext(connection) as many:
        assert len(rows(client.get(URL))) == 21
    assert len(few) == len(many) <= 11


def test_rows_and_choices_of_a_hidden_project_do_not_exist_for_others() -> None:
    hidden = start(single(), project="vault")
    Project.objects.get(pk="vault").users.add(person("olga"))
    response = visitor("vic").get(URL)
    assert rows(response) == []
    assert "vault" not in response.content.decode()
    # Asked for by name it is like one that does not exist.
    assert "No run matches" in words(visitor("vic").get(f"{URL}?project=vault"))
    assert f"/executions/{hidden.pk}/" in links(visitor("olga").get(URL))
    assert f"/executions/{hidden.pk}/" in links(visitor("root").get(URL))


def test_only_those_who_may_start_are_offered_to() -> None:
    assert "/workflows/" in links(visitor("olga").get(URL))
    assert "/workflows/" not in links(visitor("vic").get(URL))


def changes_url(page: str) -> str:
    return page.split('data-changes="')[1].split('"')[0].replace("&amp;", "&")


def test_the_script_learns_what_changed_and_how_many_are_new() -> None:
    shown = start(reviewed())
    client = visitor("vic")
    url = changes_url(client.get(f"{URL}?project=apollo").content.decode())
    drive(shown)
    for _ in range(2):
        start(single())
    start(single(), project="other")
    answer = client.get(f"{url}&id={shown.pk}").json()
    assert (answer["count"], answer["label"]) == (2, "2 new runs")
    assert list(answer["rows"]) == [str(shown.pk)]
    assert "Waiting for acceptance" in answer["rows"][str(shown.pk)]


def test_the_script_learns_nothing_of_what_its_user_may_not_see() -> None:
    client = visitor("vic")
    start(single(), project="apollo")
    url = changes_url(client.get(URL).content.decode())
    hidden = start(single(), project="vault")
    Project.objects.get(pk="vault").users.add(person("olga"))
    answer = client.get(f"{url}&id={hidden.pk}&id={uuid.uuid4()}&id=x&id=").json()
    assert (answer["count"], answer["rows"]) == (0, {})


def test_beyond_a_hundred_new_ones_nobody_counts() -> None:
    first = aged(start(single()), 1)
    client = visitor("vic")
    url = changes_url(client.get(URL).content.decode())
    rows_to_add = [
        Execution(
            project_id=first.project_id, revision=first.revision, workflow_id="test", started_at=datetime.now(UTC),
            updated_at=datetime.now(UTC),
        )
        for _ in range(120)
    ]  # fmt: skip
    Execution.objects.bulk_create(rows_to_add)
    assert client.get(url).json()["label"] == "99+ new runs"
