"""Reading a workflow package from disk. What is found there is somebody else's: nothing is trusted.

A package is a directory with ``workflows/*.json``, ``prompts/roles`` and ``prompts/tasks`` (``.txt``,
``.md``), ``schemas/**/*.json`` and perhaps a ``manifest.json``. Prompts and schemas are read when a workflow
names them, so that a bad file matters only to the workflows that use it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workflows.exceptions import BadPackage
from workflows.jsonfile import UnreadableText, decode, unix_lines
from workflows.library import Library, LibraryFile, Shelf, Unusable
from workflows.manifest import Manifest, read_manifest
from workflows.problems import Problem

MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_FILES = 10_000
_PROMPT_SUFFIXES = (".txt", ".md")
_AROUND = 3  # directories above a single file in which its package is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a package. ``path`` is relative to the package, with forward slashes, and printable."""

    root: Path
    location: Path
    path: str
    manifest: Manifest

    @property
    def stem(self) -> str:
        return _printable(self.location.stem)

    @property
    def manifest_problem(self) -> str | None:
        if self.path not in self.manifest.hashes:
            return None
        try:
            return self.manifest.check(self.path, self.data())
        except Unusable:
            return None  # whoever needs its text says so

    def data(self) -> bytes:
        """Return the bytes of the file.

        :raises Unusable: where it cannot or must not be read.
        """
        try:
            resolved = self.location.resolve(strict=True)
            if not resolved.is_relative_to(self.root):
                raise Unusable("is a link that leads outside the package")
            # O_NONBLOCK: opening a named pipe would wait for a writer for ever.
            descriptor = os.open(resolved, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with open(descriptor, "rb") as handle:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise Unusable("is not a regular file")
                data = handle.read(MAX_FILE_BYTES + 1)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, Unusable):
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "a link goes in circles"
            raise Unusable(f"cannot be read: {reason}") from error
        if len(data) > MAX_FILE_BYTES:
            raise Unusable(f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MB")
        return data

    def text(self) -> str:
        """Return the text of the file, with LF line ends and without a byte order mark.

        :raises Unusable: where it is no text.
        """
        try:
            return unix_lines(decode(self.data()))
        except UnreadableText as error:
            raise Unusable(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package as it was found. ``problems`` are those of its manifest."""

    directory: Path
    workflows: tuple[PackageFile, ...]
    library: Library
    manifest: Manifest
    problems: tuple[Problem, ...]

    @property
    def name(self) -> str:
        return _printable(self.directory.name)


def read_package(directory: Path) -> Package:
    """Return the package in ``directory``.

    :raises BadPackage: where there is no such directory, or no workflows in it.
    """
    root = _directory(directory)
    if not (root / "workflows").is_dir():
        raise BadPackage(f"{_printable(str(directory))} is no workflow package: it has no directory workflows/")
    return _package(root)


def package_directories(directory: Path) -> list[Path]:
    """Return the packages that ``directory`` names: itself, or those directly below it.

    :raises BadPackage: where there are none.
    """
    root = _directory(directory)
    if (root / "workflows").is_dir():
        return [root]
    below = sorted(path for path in root.iterdir() if not path.name.startswith(".") and (path / "workflows").is_dir())
    if not below:
        raise BadPackage(f"{_printable(str(directory))} is no workflow package: it has no directory workflows/")
    return below


def package_around(file: Path) -> tuple[Package | None, PackageFile]:
    """Return the package that a workflow file stands in, if any, and the file as one of its files."""
    start = Path(os.path.abspath(file)).parent
    for directory in (start, *start.parents)[: _AROUND + 1]:
        if any((directory / name).is_dir() for name in ("prompts", "schemas")):
            package = _package(directory.resolve())
            return package, _file(package.directory, file.resolve(), package.manifest)
    return None, _file(start.resolve(), file.resolve(), Manifest())


def _directory(directory: Path) -> Path:
    try:
        root = directory.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise BadPackage(f"{_printable(str(directory))} does not exist") from None
    if not root.is_dir():
        raise BadPackage(f"{_printable(str(directory))} is not a directory")
    return root


def _package(root: Path) -> Package:
    manifest, problems = _manifest(root)
    problems += tuple(_disagreements(root, manifest))
    return Package(
        directory=root,
        workflows=tuple(_files(root, "workflows", (".json",), manifest)),
        library=Library(
            roles=_shelf(root, "prompts/roles", _PROMPT_SUFFIXES, manifest),
            tasks=_shelf(root, "prompts/tasks", _PROMPT_SUFFIXES, manifest),
            schemas=_shelf(root, "schemas", (".json",), manifest, recursive=True),
        ),
        manifest=manifest,
        problems=problems,
    )


def _manifest(root: Path) -> tuple[Manifest, tuple[Problem, ...]]:
    location = root / "manifest.json"
    if not os.path.lexists(location):
        return Manifest(), ()
    file = _file(root, location, Manifest())
    try:
        return read_manifest(file.text())
    except Unusable as error:
        problem = Problem(severity="warning", code="MANIFEST", path="$", detail=f"manifest.json {error}")
        return Manifest(), (problem,)


def _disagreements(root: Path, manifest: Manifest) -> Iterator[Problem]:
    for path, place in manifest.places.items():
        file = _file(root, root / path, manifest)
        try:
            detail = manifest.check(path, file.data())
        except Unusable as error:
            detail = str(error)
        if detail is not None:
            yield Problem(severity="warning", code="MANIFEST", path=place, detail=f"{file.path} {detail}")


def _shelf(
    root: Path, directory: str, suffixes: tuple[str, ...], manifest: Manifest, *, recursive: bool = False
) -> Shelf:
    files: dict[str, list[LibraryFile]] = {}
    for file in _files(root, directory, suffixes, manifest, recursive=recursive):
        files.setdefault(file.stem, []).append(file)
    return Shelf(directory, files)


def _files(
    root: Path, directory: str, suffixes: tuple[str, ...], manifest: Manifest, *, recursive: bool = False
) -> Iterator[PackageFile]:
    """Yield the files of a directory in the order of their names, without hidden ones."""
    count = 0
    for parent, directories, names in os.walk(root / directory):
        # Links to directories are not followed: what a package shows is what it contains.
        directories[:] = sorted(name for name in directories if recursive and not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                count += 1
                if count > MAX_FILES:
                    raise BadPackage(f"{directory} has more than {MAX_FILES} files")
                yield _file(root, Path(parent, name), manifest)


def _file(root: Path, location: Path, manifest: Manifest) -> PackageFile:
    path = location.relative_to(root).as_posix() if location.is_relative_to(root) else location.name
    return PackageFile(root=root, location=location, path=_printable(path), manifest=manifest)


def _printable(name: str) -> str:
    """Return a file name that is no valid text in a form that can be printed and stored."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "")
