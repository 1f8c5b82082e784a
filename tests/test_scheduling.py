"""How tests are shared out among processes."""

from __future__ import annotations

import pytest

from combine.env import BASE_DIR
from tests.scheduling import LONG_FILES, PACKAGES, long_ones_first, place_of, units_of


def test_what_is_long_is_there() -> None:
    assert [place for place in (*PACKAGES, *LONG_FILES) if not (BASE_DIR / place).exists()] == []


def test_a_package_with_a_site_stays_together_and_so_does_a_file() -> None:
    assert place_of("tests/pages/test_live.py::test_x[a::b]") == "tests/pages/"
    assert place_of("tests/access/test_tokens.py::test_x") == "tests/access/test_tokens.py"


def test_a_unit_is_what_follows_each_other_in_one_place() -> None:
    nodeids = ["a.py::x", "a.py::y", "tests/pages/b.py::x", "tests/pages/c.py::x", "a.py::z"]
    units = list(units_of(nodeids).values())
    assert units[0] == units[1] != units[4]
    assert units[2] == units[3]
    assert len(set(units)) == 3


def test_long_ones_come_first_and_the_others_keep_their_order(request: pytest.FixtureRequest) -> None:
    items = request.session.items[:500]
    places = [place_of(item.nodeid) for item in items]
    shuffled = items[::-1]
    long_ones_first(shuffled)
    order = [place for place in (*PACKAGES, *LONG_FILES) if place in places]
    assert list(dict.fromkeys(place_of(item.nodeid) for item in shuffled))[: len(order)] == order
    rest = [item for item in items if place_of(item.nodeid) not in order]
    assert [item for item in shuffled if place_of(item.nodeid) not in order] == rest[::-1]
