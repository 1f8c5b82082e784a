"""Which test process gets which tests, and in which order.

A file of tests stays together, so that what it sets up is set up once; so does a package whose tests share a site and a
browser. What takes long is begun first, so that all processes end at about the same time. The group marks of
pytest-xdist would say the same, but it writes them where pytest does not look any more (3.8.0 with pytest 9.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

# Together in one process: they share what is expensive. Each has a site of its own, so it may come before all else.
PACKAGES = ("tests/acceptance/", "tests/pages/", "tests/desk/")
# Long files with a database of their own, the longest first. Those that leave rows in the process's own database stay
# where pytest-django puts them: after all that expect it empty.
LONG_FILES = (
    "executions/tests/terminal/test_alone.py",
    "tests/test_schemathesis.py",
    "tests/infra/test_embedded_postgres.py",
    "tests/infra/test_up.py",
    "tests/infra/test_env.py",
)
_RANKS = {place: rank for rank, place in enumerate((*PACKAGES, *LONG_FILES))}


def place_of(nodeid: str) -> str:
    """Return what a test belongs to: its package, if that stays together, or its file."""
    file = nodeid.partition("::")[0]
    return next((package for package in PACKAGES if file.startswith(package)), file)


def long_ones_first(items: list[pytest.Item]) -> None:
    """Put what takes long before everything else, which keeps its order."""
    items.sort(key=lambda item: _RANKS.get(place_of(item.nodeid), len(_RANKS)))


def units_of(nodeids: Sequence[str]) -> dict[str, str]:
    """Return the unit of each test: tests of one place that follow each other.

    A file may have several: those of its tests that commit come later than the others.
    """
    runs = enumerate(groupby(nodeids, place_of))
    return {nodeid: f"{number} {place}" for number, (place, run) in runs for nodeid in run}


class ByPlace(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """Gives every process one unit after the other, in the order of the tests."""

    _units: Mapping[str, str] = {}

    def schedule(self) -> None:
        if not self._units:
            self._units = units_of(next(iter(self.registered_collections.values())))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._units[nodeid]
