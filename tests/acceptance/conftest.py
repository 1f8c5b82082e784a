from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from operator import itemgetter
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.acceptance.site import Place

Scenario = Callable[[Place], None]

# Most of a scenario is waiting for a worker to be believed dead. More than these at a time, and two cores are too slow;
# fewer where other processes run tests beside them.
AT_A_TIME = 5
AT_A_TIME_AMONG_OTHERS = 2


class Batch:
    """The scenarios of a module, each on a database of its own, several at a time."""

    def __init__(self, scenarios: list[Scenario], template: Place, at_a_time: int) -> None:
        self._template = template
        self._numbers = count(1)
        self._threads = ThreadPoolExecutor(at_a_time, thread_name_prefix="scenario")
        self._results: dict[Scenario, Future[None]] = {
            scenario: self._threads.submit(self._play, scenario) for scenario in scenarios
        }

    def result(self, scenario: Scenario) -> None:
        """Wait for a scenario, and raise what it raised."""
        if scenario not in self._results:
            self._results[scenario] = self._threads.submit(self._play, scenario)
        self._results[scenario].result()

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _play(self, scenario: Scenario) -> None:
        template = self._template
        place = Place(
            host=template.host,
            port=template.port,
            user=template.user,
            name=f"{template.name}_{next(self._numbers)}",
        )
        place.create(template.name)
        try:
            scenario(place)
        finally:
            connections.close_all()
            place.drop()


@pytest.fixture(scope="module")
def batch(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Batch]:
    """Begin every scenario of the module that was asked for.

    With xdist that is only right where one process has all of them (see ``tests.scheduling``); otherwise each begins
    when its test's turn comes.
    """
    server = settings.DATABASES["default"]
    template = Place(
        host=server["HOST"],
        port=str(server["PORT"]),
        user=server["USER"],
        # A session that is killed leaves its databases; the next one knows them by this name.
        name=f"test_combine_{os.getpid()}_acceptance",
    )
    connections.close_all()  # a template must not be in use
    template.create(server["NAME"])
    workerinput: dict[str, Any] | None = getattr(request.config, "workerinput", None)
    has_all = workerinput is None or workerinput["keeps_places"]
    wanted = [item for item in request.session.items if item.path == request.path] if has_all else []
    at_a_time = AT_A_TIME if workerinput is None else AT_A_TIME_AMONG_OTHERS
    with django_db_blocker.unblock():
        # In the order of the list, where the longest stand first, whatever the order of the tests.
        scenarios = [scenario for _, scenario in sorted(map(_scenario, wanted), key=itemgetter(0))]
        batch = Batch(scenarios, template, at_a_time)
        yield batch
        batch.close()
    template.drop()


def _scenario(item: pytest.Item) -> tuple[int, Scenario]:
    """Return a test's scenario and its place in the list."""
    assert isinstance(item, pytest.Function)
    return item.callspec.indices["scenario"], cast(Scenario, item.callspec.params["scenario"])
