"""The small files that COMBINE_HOME keeps: each is written whole or not at all, and readable by its owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def read_file(path: Path) -> str | None:
    """The text of a small file without its outer white space; None where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except FileNotFoundError:
        return None


def write_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write, replacing what was there."""
    with _scratch(path, text, mode) as scratch:
        scratch.replace(path)


def write_file_once(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write only if there is no such file yet: of several processes one wins, and nobody reads half a file."""
    with _scratch(path, text, mode) as scratch, contextlib.suppress(FileExistsError):
        os.link(scratch, path)


@contextlib.contextmanager
def _scratch(path: Path, text: str, mode: int) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)
