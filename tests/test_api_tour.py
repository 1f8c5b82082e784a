"""What docs/api.md shows, runs: the tour with curl as it is written, and the client in Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from combine.env import BASE_DIR
from tests.api_site import ApiSite, api_site

# The site's database is a copy of the test database, which is only made for tests that say so.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PAGE = BASE_DIR / "docs" / "api.md"
CLIENT = BASE_DIR / "docs" / "client.py"


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[ApiSite]:
    with api_site("api_tour", django_db_blocker) as site:
        yield site


def tour() -> str:
    section = re.findall(r"^## A tour\n(.*?)(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_tour_runs_as_it_is_written(site: ApiSite) -> None:
    site.make_account("demo")
    walked = subprocess.run(
        ["/bin/sh", "-eu", "-c", tour()],
        cwd=BASE_DIR,
        env={**site.environment, "API": f"{site.url}/api/v1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert walked.returncode == 0, walked.stdout[-3000:] + walked.stderr[-3000:]
    assert "This gate was decided already: demo chose accept" in walked.stdout
    frames = re.findall(r"^event: (\w+)$", walked.stdout, re.MULTILINE)
    assert (frames[0], frames[1], frames[-1]) == ("connected", "execution_started", "execution_cancelled")


def test_the_python_client_brings_a_run_to_its_end(site: ApiSite, tmp_path: Path) -> None:
    token = site.make_account("pia")
    arguments = [f"{site.url}/api/v1", token, "software_product", "python", "A library that lends tools"]
    ran = subprocess.run(
        [sys.executable, CLIENT, *arguments],
        cwd=tmp_path,
        input="true\n40\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    lines = ran.stdout.splitlines()
    numbers = [int(found[1]) for line in lines if (found := re.search(r"(?:^|\) )(\d+) \w+_\w+", line))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert f"{len(numbers)} execution_completed " in lines
    kept = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert "python-epic_backlog.json" in kept
    assert len(kept) == 17
