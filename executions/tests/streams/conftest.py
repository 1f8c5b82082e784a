from __future__ import annotations

from collections.abc import Iterator

import pytest

from executions.tests.streams.web import WebProcess


@pytest.fixture(scope="session")
def web_process(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    process = WebProcess(tmp_path_factory.mktemp("web") / "log")
    yield process
    process.end()


@pytest.fixture
def web(web_process: WebProcess, transactional_db: None) -> WebProcess:
    """A web process on the test's database, the same for all tests."""
    return web_process
