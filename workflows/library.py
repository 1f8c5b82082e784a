"""The prompts and schemas that a workflow file may name, looked up by exact file stem."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

_HINT_FILES = 200  # comparing names is slow


class Unusable(ValueError):
    """A file of the package cannot be used; the message says why."""


class LibraryFile(Protocol):
    """A prompt or schema file. ``path`` is relative to the package."""

    @property
    def path(self) -> str: ...

    @property
    def manifest_problem(self) -> str | None: ...

    def text(self) -> str:
        """Return the file's text.

        :raises Unusable: where it has none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file whose text is known already."""

    path: str
    content: str
    manifest_problem: str | None = None

    def text(self) -> str:
        return self.content


class Shelf:
    """Files by stem. Two files may share one: whether that matters is known when the stem is used."""

    def __init__(self, directory: str, files: Mapping[str, Iterable[LibraryFile]]) -> None:
        self.directory = directory
        self._files = {stem: tuple(rows) for stem, rows in files.items()}

    def find(self, stem: str) -> tuple[LibraryFile, ...]:
        """Return the files of that stem: none, one, or several that are in each other's way."""
        return self._files.get(stem, ())

    def missing(self, stem: str) -> str:
        """Say that there is no such file, and which one may be meant."""
        close = difflib.get_close_matches(stem[:200], self._files, n=1) if len(self._files) <= _HINT_FILES else []
        hint = f"; there is {close[0]!r}" if close else ""
        return f"no file {stem!r} in {self.directory}{hint}"

    @classmethod
    def of(cls, directory: str, texts: Mapping[str, str], suffix: str) -> Shelf:
        """Return a shelf of texts by stem."""
        return cls(
            directory,
            {stem: (TextFile(path=f"{directory}/{stem}{suffix}", content=text),) for stem, text in texts.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Everything outside a workflow file that it may refer to."""

    roles: Shelf
    tasks: Shelf
    schemas: Shelf

    @classmethod
    def of(
        cls,
        roles: Mapping[str, str] | None = None,
        tasks: Mapping[str, str] | None = None,
        schemas: Mapping[str, str] | None = None,
    ) -> Library:
        """Return a library of texts by stem."""
        return cls(
            roles=Shelf.of("prompts/roles", roles or {}, ".txt"),
            tasks=Shelf.of("prompts/tasks", tasks or {}, ".txt"),
            schemas=Shelf.of("schemas", schemas or {}, ".json"),
        )
