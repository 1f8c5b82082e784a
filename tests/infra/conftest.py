from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from combine import embedded_postgres
from combine.env import BASE_DIR
from combine.postgres_home import ROOT_PARENTS, find_postgres_home


def python_environment(*directories: str | Path) -> dict[str, str]:
    """This environment, with ``directories`` and the repository importable."""
    path = [*map(str, directories), str(BASE_DIR), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def remove_home(home: Path) -> None:
    """Stop the home's server and remove everything of it, also what had to be put elsewhere."""
    place = find_postgres_home(home)
    embedded_postgres.stop(home)
    for directory in (place.base, place.socket_dir):
        shutil.rmtree(directory, ignore_errors=True)
        if directory.parent.parent in ROOT_PARENTS and directory.parent.exists():
            directory.parent.rmdir()
    shutil.rmtree(home)


def copy_home(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


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
    copy_home(made_home, new_home)
    return new_home
