"""The secret key of a local installation: made once, kept in its home."""

from __future__ import annotations

import secrets
from pathlib import Path

from combine.env import EnvironmentProblem
from combine.home_files import read_file, write_file_once

FILE_NAME = "secret_key"
MINIMUM_LENGTH = 50


def local_secret_key(home: Path) -> str:
    """Read the key, making it first where there is none."""
    path = home / FILE_NAME
    try:
        key = read_file(path)
        if key is None:
            write_file_once(path, secrets.token_urlsafe(64))
            key = read_file(path)
    except OSError as error:
        raise EnvironmentProblem(
            [f"{path} cannot be used ({error.strerror}): set COMBINE_HOME to a directory that you may write to"]
        ) from error
    if key is None or len(key) < MINIMUM_LENGTH:
        raise EnvironmentProblem([f"{path} holds no usable key: delete it, and a new one is made (sessions end)"])
    return key
