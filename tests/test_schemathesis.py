"""Schemathesis, all its phases and checks, against the real server: it finds nothing.

It reads the OpenAPI document, calls everything with what is right and with what is wrong, follows the links from answer
to answer, and holds every answer to the document. What it is told beside the document is in tests/schemathesis.toml.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from combine.accounts import create_token
from combine.env import BASE_DIR
from tests.api_site import a_place
from tests.api_world import SHARED, World
from tests.openapi_document import operations
from tests.pages.site import LiveSite

# The site's database is a copy of the test database, which is only made for tests that say so.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CONFIG = Path(__file__).with_name("schemathesis.toml")
PHASES = ("examples", "coverage", "fuzzing", "stateful")
MIN_LINKS = 10


@pytest.fixture
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[LiveSite]:
    with LiveSite(a_place("schemathesis"), django_db_blocker) as site:
        yield site


def test_schemathesis_finds_nothing(site: LiveSite, tmp_path: Path) -> None:
    world = site.run(World)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text() + site.run(_dictionaries, world))
    token = site.run(create_token, name="alice", days=1)
    ran = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "--config-file", config),
            *("run", f"{site.url}/api/v1/schema", "--header", f"Authorization: Bearer {token}"),
            *("--phases", ",".join(PHASES), "--checks", "all", "--max-examples", "10", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    report = ran.stdout[-20_000:] + ran.stderr[-2000:] + site.log.read_text()[-3000:]
    assert ran.returncode == 0, report
    # Nothing is found where nothing is done, too. (The document itself is where it begins, and no call to be tested.)
    assert re.search(rf"Tested: +{len(operations()) - 1}$", ran.stdout, re.MULTILINE), report
    for phase in PHASES:
        assert f"✅ {phase.capitalize()}" in ran.stdout, report
    followed = re.search(r"API Links: +(\d+) covered", ran.stdout)
    assert followed is not None, report
    assert int(followed[1]) >= MIN_LINKS, report


def _dictionaries(world: World) -> str:
    """Return names of what is there, so that not every call is about nothing."""
    values = {name: [value] for name, value in (SHARED | world.alice.ids()).items()}
    values["execution_id"] = [str(run.pk) for run in world.alice.runs.values()]
    lists = [f"[dictionaries.{name}]\nvalues = {json.dumps(listed)}" for name, listed in values.items()]
    bound = [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.6 }}' for name in values]
    return "\n".join(["", *lists, "[parameters]", *bound, ""])
