"""The pages of costs: who sees them, what they show, and that they obey their filter."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from executions.services.budgets import set_budget
from executions.tests.admin.desk import at_desk
from executions.tests.engine_cast import person
from executions.tests.pages.visitors import links, visitor, words
from telemetry.tests.counting import Counted
from telemetry.tests.written_ledger import HAIKU, NOON, SONNET, STRANGE, call, execution, minutes, project, roll_all

pytestmark = pytest.mark.django_db

URL = "/costs/"
MARCH = "from=2026-03-01&to=2026-03-31"
PAGES = [URL, "/costs/calls/", "/costs/workflows/test/", "/costs/workflows/test/note/"]
ODD = [
    *("cursor=nonsense", "budget=x", "from=1970-01-01&to=1970-01-01", "to=1970-01-02", "from=2999-12-30"),
    *("tz=UTC&tz=", "project=%F0%9F%92%A9", "step=%27%3B--", "model=%ED%A0%80", "unpriced=%00", "from=&to=&group="),
]
INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:|<img")


def get(client: Client, url: str, query: str = MARCH) -> Any:
    response = client.get(f"{url}?{query}")
    assert response.status_code == 200, response
    return response


def ledger() -> None:
    """Two runs of two workflows in March: $1.50 and $0.30, one call of which nobody knows the price."""
    first, second = execution("apollo"), execution("gemini", "other")
    call(first, cost="1.25", input_tokens=1000, output_tokens=500, unit_prices={"input": "1000", "output": "500"})
    call(first, at=NOON + minutes(60 * 24 * 3), cost="0.25", step_id="summary", status="failed")
    call(second, cost="0.3", model=HAIKU, at=NOON + minutes(60 * 24))
    call(second, cost=None, model=STRANGE, at=NOON + minutes(60 * 24))


def test_costs_are_for_staff_only() -> None:
    ledger()
    olga, vic, root = visitor("olga"), at_desk("vic"), visitor("root")
    for url in [*PAGES, "/costs/daily.csv", "/costs/calls.csv"]:
        assert Client().get(url)["Location"].startswith("/login?next=/costs/")
        refused = olga.get(f"{url}?{MARCH}")
        assert refused.status_code == 403
        assert "1.25" not in refused.content.decode()
        assert vic.get(url).status_code == 200
    assert root.get(URL).status_code == 200


def test_only_staff_is_led_to_the_costs() -> None:
    assert URL in links(at_desk("vic").get("/"))
    assert URL not in links(visitor("olga").get("/"))
    assert URL in links(at_desk("olga").get("/admin/"))


def test_staff_without_a_role_is_told_what_to_do() -> None:
    assert "Your account has no role yet" in words(at_desk("nobody").get(URL))


@pytest.mark.parametrize("url", PAGES)
def test_pages_run_under_the_strict_policy_and_are_private(url: str) -> None:
    ledger()
    response = get(at_desk("vic"), url)
    assert INLINE.findall(response.content.decode()) == []
    assert "private" in response["Cache-Control"]
    ids = re.findall(r'\sid="([^"]+)"', response.content.decode())
    assert len(ids) == len(set(ids))


def test_the_page_shows_what_was_spent_and_on_what() -> None:
    ledger()
    text = words(get(at_desk("vic"), URL))
    assert "1 March 2026 to 31 March 2026, days of UTC" in text
    assert "Spend $1.80" in text
    assert "4 calls, 1 of them without a price" in text
    assert f"{SONNET} $1.50" in text
    assert f"{HAIKU} $0.30" in text
    # What is not known is not zero.
    assert f"{STRANGE} unknown" in text
    assert f"1 call has no price for model {STRANGE} ; they are in no sum." in text
    assert "Compared with the 31 days before, 2026-01-29 to 2026-02-28." in text


def test_figures_lead_to_the_rows_behind_them_with_the_same_filter() -> None:
    ledger()
    client = at_desk("vic")
    page = get(client, URL, f"{MARCH}&model={STRANGE}")
    assert f"/costs/calls/?{MARCH}&model={STRANGE}" in links(page)
    unpriced = next(each for each in links(page) if "unpriced=1" in each)
    shown = get(client, *unpriced.split("?"))
    assert "Calls without a price" in words(shown)
    assert words(shown).count(STRANGE) == 1
    assert f"/costs/?{MARCH}&model={STRANGE}" in links(shown)
    assert f"/costs/workflows/other/?{MARCH}&model={STRANGE}" in links(page)
    step = next(each for each in links(page) if "/other/note/" in each)
    assert words(get(client, *step.split("?"))).count("unknown") >= 2
    # The way back has the filter too.
    back = links(get(client, "/costs/workflows/other/", f"{MARCH}&model={STRANGE}"))
    assert f"/costs/?{MARCH}&model={STRANGE}" in back


def test_a_call_leads_to_its_run_and_to_the_admin_and_names_its_price() -> None:
    run = execution()
    made = call(
        run,
        cost="0.0041",
        input_tokens=1200,
        cache_read_tokens=70,
        unit_prices={"input": "3", "output": {"base": "15", "tiers": []}, "cache_read": "0.3", "cache_write_1h": "6"},
        price_version="genai-prices 1.2",
        is_offline=True,
        is_estimated=True,
    )
    page = get(at_desk("vic"), "/costs/calls/", f"{MARCH}&tz=Asia/Kathmandu")
    assert f"/admin/executions/llmcall/{made.pk}/change/" in links(page)
    assert f"/executions/{run.pk}/" in links(page)
    text = words(page)
    assert "2026-03-10 17:45:00" in text
    assert "input $3, output $15+, cache read $0.3 genai-prices 1.2" in text
    assert "$0.0041 estimated offline" in text


def test_a_page_of_calls_is_followed_by_the_next() -> None:
    run = execution()
    for number in range(53):
        call(run, at=NOON + minutes(number), cost="0.01", step_id=f"s{number:02}")
    client = at_desk("vic")
    first = get(client, "/costs/calls/")
    older = next(each for each in links(first) if "cursor=" in each)
    second = get(client, "/costs/calls/", older.removeprefix("?"))
    assert re.findall(r"\bs\d\d\b", words(second)) == ["s02", "s01", "s00"]


def test_the_page_says_what_nobody_was_paid_for_and_what_is_not_certain() -> None:
    run = execution()
    call(run, cost="0.5", is_offline=True)
    call(run, cost="0.25", status="lost", is_estimated=True)
    text = words(get(at_desk("vic"), URL))
    assert "1 of 2 calls was answered by the offline model" in text
    assert "$0.25 is an estimate, of 1 call whose end nobody saw." in text


def test_without_calls_the_page_says_what_to_do() -> None:
    client = at_desk("vic")
    assert "No calls in these days" in words(get(client, URL))
    assert "/workflows/" in links(get(client, URL))
    ledger()
    assert "No call matches your filter" in words(get(client, URL, f"{MARCH}&model=nothing"))
    assert "No call matches your filter" in words(get(client, "/costs/workflows/nothing/"))
    assert "No call matches your filter" in words(get(client, "/costs/calls/", f"{MARCH}&unpriced=1&workflow=test"))
    assert "No calls in these days" in words(get(client, "/costs/calls/", "from=2026-04-01&to=2026-04-02"))


@pytest.mark.parametrize(
    ("query", "spend"),
    [
        ("project=apollo", "$1.50"),
        ("workflow=other", "$0.30"),
        ("step=summary", "$0.25"),
        (f"model={HAIKU}", "$0.30"),
        (f"model={STRANGE}", "unknown"),
        ("project=apollo&step=note", "$1.25"),
    ],
)
def test_the_filter_narrows_every_figure_and_stays_in_the_form(query: str, spend: str) -> None:
    ledger()
    page = get(at_desk("vic"), URL, f"{MARCH}&{query}")
    assert f"Spend {spend}" in words(page)
    for name, value in (each.split("=") for each in query.split("&")):
        assert f'name="{name}" value="{value}"' in page.content.decode()


@pytest.mark.parametrize("group", ["model", "workflow", "step", "kind"])
def test_days_are_stacked_by_what_is_asked_for(group: str) -> None:
    ledger()
    page = get(at_desk("vic"), URL, f"{MARCH}&group={group}")
    expected = {"model": SONNET, "workflow": "other", "step": "summary", "kind": "Input"}[group]
    legend = re.search(r'<ul class="chart-legend">(.*?)</ul>', page.content.decode(), re.DOTALL)
    assert legend is not None
    assert expected in legend[1]
    assert page.content.decode().count('class="chart-day"') == 31


def test_today_is_marked_as_not_over() -> None:
    call(execution(), cost="0.5", at=timezone.now())
    page = get(at_desk("vic"), URL, "period=7d").content.decode()
    assert page.count('class="chart-day"') == 7
    assert "so far: $0.50" in page
    assert "url(#daily-hatch)" in page
    assert "url(#daily-hatch)" not in get(at_desk("vic"), URL, "from=2026-03-01&to=2026-03-31").content.decode()


def test_many_days_are_drawn_by_week() -> None:
    ledger()
    page = get(at_desk("vic"), URL, "from=2026-01-01&to=2026-12-31")
    assert page.content.decode().count('class="chart-day"') == 53
    assert "Cost per week, by model" in words(page)
    assert "From 1 January 2026 to 31 December 2026" in page.content.decode()
    assert "Most in the week from " in page.content.decode()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=yesterday", "Use a day such as 2026-01-31."),
        ("from=2026-02-31", "Use a day such as 2026-01-31."),
        ("to=0001-01-01", "Use a day from 1970-01-01 to 2999-12-31."),
        ("from=2026-03-02&to=2026-03-01", "This is before the first day, 2026-03-02."),
        ("from=2020-01-01&to=2026-01-01", "These are more than 1,100 days."),
        ("tz=Mars/Olympus", "There is no such time zone."),
        ("tz=..%2F..%2Fetc%2Fpasswd", "There is no such time zone."),
        ("group=colour", "There is no group colour"),
        ("period=decade", "There is no period decade"),
        (f"model={'x' * 101}", "at most 100 characters"),
        ("workflow=%00", "Null characters are not allowed."),
    ],
)
def test_a_wrong_value_is_named_at_its_field_and_kept(query: str, message: str) -> None:
    client = at_desk("vic")
    page = get(client, URL, query)
    assert message in words(page)
    assert "The filter cannot be used" in words(page)
    name, value = query.split("&")[0].split("=")
    if name in ("from", "tz"):
        assert f'name="{name}" value="{html.escape(value.replace("%2F", "/"))}"' in page.content.decode()
    file = client.get(f"/costs/daily.csv?{query}")
    assert file.status_code == 302
    assert file["Location"].startswith("/costs/?")


@pytest.mark.parametrize("url", PAGES)
def test_nothing_that_can_be_asked_breaks_a_page(url: str) -> None:
    ledger()
    client = at_desk("vic")
    for query in ODD:
        assert client.get(f"{url}?{query}", follow=True).status_code == 200, query


@pytest.mark.parametrize(
    "path", ["workflows/%00/", f"workflows/{'x' * 65}/", "workflows/test/%0A/", "colours.csv", "steps.csv"]
)
def test_what_cannot_be_is_not_found(path: str) -> None:
    assert at_desk("vic").get(f"/costs/{path}").status_code == 404


def test_the_address_is_as_short_as_what_is_asked() -> None:
    client = at_desk("vic")
    today = timezone.now().date()
    week = today - timedelta(days=6)
    sent = client.get(f"{URL}?period=7d&from={week}&to={today}&project=&model=x")
    assert sent["Location"] == f"{URL}?period=7d&model=x"
    changed = client.get(f"{URL}?period=7d&from=2026-03-01&to={today}")
    assert changed["Location"] == f"{URL}?from=2026-03-01&to={today}"
    # Days that were asked for by themselves stay what they are.
    assert client.get(f"{URL}?from={week}&to={today}").status_code == 200


def test_without_days_the_last_thirty_are_meant() -> None:
    client = at_desk("vic")
    page = get(client, URL, "")
    assert '<a href="?period=30d" aria-current="true">30 days</a>' in page.content.decode()
    today = timezone.now().date()
    assert f'name="from" value="{today - timedelta(days=29)}"' in page.content.decode()
    assert f'name="to" value="{today}"' in page.content.decode()


def test_an_address_without_its_slash_is_led_to_the_page() -> None:
    assert at_desk("vic").get("/costs?group=step")["Location"] == "/costs/?group=step"


def test_what_one_may_not_see_changes_nothing_and_is_not_named() -> None:
    ledger()
    project("vault", "olga")
    secret = execution("vault", "secret_plan")
    call(secret, cost="99", model="secret-model", step_id="secret_step")
    call(secret, cost=None, model="secret-model", step_id="secret_step")
    client = at_desk("vic")
    asked = [(url, "model") for url in PAGES] + [(URL, "workflow"), (URL, "step")]
    for url, group in asked:
        page = get(client, url, f"{MARCH}&group={group}")
        assert "secret" not in page.content.decode()
        assert "$99" not in words(page)
    assert "Spend $1.80" in words(get(client, URL))
    hidden, absent = (words(get(client, URL, f"{MARCH}&project={name}")) for name in ("vault", "nowhere"))
    assert hidden.replace("vault", "") == absent.replace("nowhere", "")
    assert "Spend $100.80" in words(get(at_desk("olga"), URL))


@pytest.mark.parametrize("url", PAGES)
def test_the_number_of_statements_does_not_grow_with_the_ledger(url: str) -> None:
    ledger()
    client = at_desk("vic")
    get(client, url)
    with Counted() as few:
        get(client, url)
    for number in range(6):
        run = execution("apollo" if number % 2 else f"p{number}", f"w{number % 3}" if number % 2 else "test")
        for back in range(5):
            call(run, at=NOON - minutes(60 * 24 * back), model=f"m{number}", step_id=f"step{back}", cost="0.1")
    roll_all()
    with Counted() as many:
        get(client, url)
    assert len(many) == len(few)
    assert len(many) <= 30


def test_budgets_are_drawn_with_what_was_spent_by_day_and_what_is_expected() -> None:
    now = timezone.now()
    call(execution("apollo"), cost="7.5", at=now)
    root = person("root")
    root.is_staff = True
    root.save()
    for project_id, period, amount in ((None, "month", 50), ("apollo", "month", 10), ("apollo", "day", 9)):
        set_budget(actor=root, project_id=project_id, workflow_id="", period=period, amount_usd=Decimal(amount), at=now)
    page = get(visitor("root"), URL, "")
    text = words(page)
    # The most used by the month is drawn; a day's has no days to show.
    assert "Spending against the budget of project apollo" in text
    assert "$7.50 of $10.00 are spent, 75 %." in text
    assert "$7.50 so far; 75 % of the budget of project apollo is used" in text
    assert "80 % of the budget: $8.00" in text
    offered = [each for each in links(page) if each.endswith("#budget") and "budget=" in each]
    assert len(offered) == 2
    drawn = [words(get(visitor("root"), URL, each[1:].removesuffix("#budget"))) for each in offered]
    assert ["budget of all runs" in each for each in drawn] == [False, True]
    # Budgets of more than one project are for administrators.
    assert "all runs" not in words(get(at_desk("vic"), URL, ""))
    assert "project apollo" in words(get(at_desk("vic"), URL, "project=apollo"))
    assert "No budget applies here." in words(get(at_desk("vic"), URL, "project=gemini"))
