"""Charts: drawings compared with those that were looked at, and what each of them has to keep."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from telemetry.charts.axis import axis_for
from telemetry.charts.burndown import BurnDown
from telemetry.charts.colours import OTHER, colours_of
from telemetry.charts.elements import element, number
from telemetry.charts.stacked import Series, StackedBars

DRAWN = Path(__file__).parent / "drawn"
FIRST = date(2026, 3, 27)


def days(count: int, first: date = FIRST) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def amounts(*values: str) -> list[Decimal]:
    return [Decimal(value) for value in values]


def stacked(**changes: object) -> StackedBars:
    given: dict[str, object] = {
        "name": "daily",
        "title": "Cost per day, by model",
        "description": "From 27 March 2026 to 30 March 2026.",
        "days": days(4),
        "series": [
            Series(label="sonnet <5>", values=amounts("1.5", "0", "0.25", "0.0041"), colour=2),
            Series(label="Other", values=[Decimal(1), Decimal(0), None, Decimal(0)]),
        ],
        "is_partial": True,
        **changes,
    }
    return StackedBars(**given)  # type: ignore[arg-type]


def burn_down(**changes: object) -> BurnDown:
    given: dict[str, object] = {
        "name": "burn-down",
        "title": "Spending against the budget",
        "description": "$12.00 of $40.00 are spent.",
        "days": days(5),
        "spent": amounts("4", "10", "12"),
        "budget": Decimal(40),
        "forecast": Decimal("50.5"),
        **changes,
    }
    return BurnDown(**given)  # type: ignore[arg-type]


def lines(svg: str) -> str:
    return svg.replace("><", ">\n<") + "\n"


@pytest.mark.parametrize(
    ("name", "svg"),
    [
        ("stacked", stacked().svg()),
        ("burn-down", burn_down().svg()),
    ],
    ids=["stacked", "burn-down"],
)
def test_a_drawing_is_the_one_that_was_looked_at(name: str, svg: str) -> None:
    assert lines(svg) == (DRAWN / f"{name}.svg").read_text()


@pytest.mark.parametrize("svg", [stacked().svg(), burn_down().svg()], ids=["stacked", "burn-down"])
def test_a_drawing_is_well_formed_named_and_without_inline_styles(svg: str) -> None:
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own text
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert root.get("role") == "img"
    named = str(root.get("aria-labelledby")).split()
    assert set(named) <= set(ids)
    assert len(ids) == len(set(ids))
    assert not [each for each in root.iter() if "style" in each.attrib]
    assert not re.search(r"\son\w+=|javascript:|<script|<style", svg)


def test_every_day_has_its_place_and_says_what_it_cost() -> None:
    root = ElementTree.fromstring(stacked().svg())  # noqa: S314 - our own text
    titles = [each.findtext("title") for each in root.iter("g") if each.get("class") == "chart-day"]
    assert titles == [
        "Friday 27 March 2026: $2.50\nOther: $1.00\nsonnet <5>: $1.50",
        "Saturday 28 March 2026: $0.00",
        "Sunday 29 March 2026: $0.25\nOther: unknown\nsonnet <5>: $0.25",
        "Monday 30 March 2026, so far: $0.0041\nsonnet <5>: $0.0041",
    ]


def test_a_day_of_which_nothing_is_known_is_not_shown_as_zero() -> None:
    svg = stacked(series=[Series(label="strange", values=[None, None, None, None])], is_partial=False).svg()
    assert "Friday 27 March 2026: unknown\nstrange: unknown" in svg
    assert "hatch" not in svg


def test_bars_fill_the_axis_in_proportion() -> None:
    svg = stacked(series=[Series(label="a", values=amounts("1", "2", "3", "4"), colour=1)], is_partial=False).svg()
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" class="series-1"', svg)]
    assert heights == [50, 100, 150, 200]


@pytest.mark.parametrize("count", [0, 1, 31, 1100], ids=["none", "one", "a month", "three years"])
def test_any_number_of_days_can_be_drawn(count: int) -> None:
    series = [Series(label="a", values=[Decimal(1)] * count, colour=1)]
    svg = stacked(days=days(count), series=series, is_partial=False).svg()
    assert svg.count('class="chart-day"') == count
    assert svg.count("chart-day-name") <= 10


def test_a_bar_may_be_a_week() -> None:
    begins = [FIRST, date(2026, 3, 30), date(2026, 4, 6), date(2026, 4, 13)]
    series = [Series(label="a", values=amounts("3", "42", "91", "54")), Series(label="b", values=[None] * 4)]
    svg = stacked(days=begins, series=series, is_weekly=True).svg()
    assert "Week from Monday 13 April 2026, so far: $54.00" in svg


def test_a_budget_that_is_overspent_is_drawn_within_the_axis() -> None:
    svg = burn_down(spent=amounts("30", "60", "130"), forecast=Decimal(200)).svg()
    assert "$200" in svg
    places = re.findall(r'points="([^"]*)"', svg)[0].split()
    assert places == ["0,100", "20,85", "40,70", "60,35"]


def test_there_is_no_forecast_once_the_period_is_over_and_none_without_days() -> None:
    assert "chart-forecast" not in burn_down(spent=amounts("1", "2", "3", "4", "5")).svg()
    assert "chart-forecast" not in burn_down(forecast=None).svg()
    assert "polyline" not in burn_down(spent=[]).svg()


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        ("0", ["$0.00", "$0.01"]),
        ("0.0041", ["$0.000", "$0.001", "$0.002", "$0.003", "$0.004", "$0.005"]),
        ("1", ["$0.00", "$0.20", "$0.40", "$0.60", "$0.80", "$1.00"]),
        ("7.3", ["$0", "$2", "$4", "$6", "$8"]),
        ("12000.01", ["$0", "$5,000", "$10,000", "$15,000"]),
    ],
    ids=["nothing", "less than a cent", "a dollar", "dollars", "thousands"],
)
def test_the_axis_has_round_marks_above_everything(highest: str, marks: list[str]) -> None:
    drawn = axis_for(Decimal(highest), height=100, above=10).drawn()
    assert re.findall(r"<text[^>]*>([^<]*)<", drawn) == marks


def test_a_series_keeps_its_colour_whatever_is_shown_beside_it() -> None:
    known = [f"model-{letter}" for letter in "abcdef"]
    alone = colours_of(["model-c"], known)
    among = colours_of(["model-f", "model-a", "model-c"], known)
    assert alone["model-c"] == among["model-c"] == 3
    assert among == {"model-a": 1, "model-c": 3, "model-f": 6}


def test_beyond_eight_colours_no_two_that_are_shown_share_one_and_the_rest_has_its_own() -> None:
    known = [f"model-{number:02}" for number in range(20)]
    found = colours_of(["model-00", "model-08", "model-16", "model-01"], known)
    assert found["model-00"] == 1
    assert found["model-01"] == 2
    assert len(set(found.values())) == 4
    everything = colours_of(known, known)
    assert sorted(everything.values()) == [OTHER] * 12 + list(range(1, 9))
    assert colours_of(["new"], known)["new"] == 5


def test_whatever_is_put_into_a_drawing_is_escaped() -> None:
    made = element("text", "<b>&", x='"1"', class_="a", aria_label=None)
    assert made == '<text x="&quot;1&quot;" class="a">&lt;b&gt;&amp;</text>'
    assert [number(value) for value in (1, 1.5, 0.0001, -0.0001, Decimal("33.33333"))] == [
        "1",
        "1.5",
        "0",
        "0",
        "33.333",
    ]
