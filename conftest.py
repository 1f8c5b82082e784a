"""What every test session needs: the database server, no leftovers of sessions that were killed, a fair share of tests
for every process."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.conf import settings
from psycopg.sql import SQL, Identifier

from combine.database import ensure_database, stop_database
from tests import scheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

# Tests start a good many processes, and without these files every one of them compiles all of our code anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_was_started = pytest.StashKey[bool]()


def _is_xdist_worker(session: pytest.Session) -> bool:
    return hasattr(session.config, "workerinput")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server, or attach to it; with xdist the controlling process does it, before its workers exist."""
    session.stash[_was_started] = ensure_database()
    if not _is_xdist_worker(session):
        _drop_orphaned_test_databases()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the server if this session started it, and nothing else uses it by now."""
    if session.stash[_was_started]:
        stop_database()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    scheduling.long_ones_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    node.workerinput["keeps_places"] = _keeps_places(node.config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.ByPlace | None:
    """Share the tests out by place, unless the command line wants something else."""
    if not _keeps_places(config):
        return None
    config.option.loadscopereorder = False  # the order is ours
    return scheduling.ByPlace(config, log)


def _keeps_places(config: pytest.Config) -> bool:
    return bool(config.getoption("dist") == "load")


def _drop_orphaned_test_databases() -> None:
    place = settings.DATABASES["default"]
    with psycopg.connect(
        host=place["HOST"],
        port=place["PORT"],
        user=place["USER"],
        password=place["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^test_combine_[0-9]+'").fetchall()
        for (name,) in names:
            if not _is_running(int(re.findall(r"[0-9]+", name)[0])):
                with suppress(psycopg.errors.ObjectInUse, psycopg.errors.InvalidCatalogName):
                    connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
