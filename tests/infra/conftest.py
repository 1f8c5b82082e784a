from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from combine import embedded_postgres
from combine.postgres_home import ROOT_PARENTS, find_postgres_home


def remove_home(home: Path) -> None:
    """Stop the home's server and remove everything of it, also what had to be put elsewhere."""
    place = find_postgres_home(home)
    embedded_postgres.stop(home)
    for directory in (place.base, place.socket_dir, place.socket_dir.parent):
        if any(directory.is_relative_to(parent) and directory != parent for parent in ROOT_PARENTS):
            shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(home)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every account may enter (pytest's own are closed, which is a case of its own here)."""
    directory = Path(tempfile.mkdtemp(prefix="combine-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_home(open_directory: Path) -> Iterator[Path]:
    """An empty COMBINE_HOME, with a space in its path."""
    directory = open_directory / "the home"
    directory.mkdir()
    yield directory
    remove_home(directory)


@pytest.fixture(scope="session")
def made_home() -> Iterator[Path]:
    """A home whose database has been made and stopped, to copy: making one takes a second."""
    directory = Path(tempfile.mkdtemp(prefix="combine-test-"))
    directory.chmod(0o755)
    embedded_postgres.ensure_running(directory)
    embedded_postgres.stop(directory)
    yield directory
    remove_home(directory)


@pytest.fixture
def home(new_home: Path, made_home: Path) -> Path:
    """A home with a database that is not running."""
    subprocess.run(["cp", "-a", f"{made_home}/.", str(new_home)], check=True)
    return new_home
