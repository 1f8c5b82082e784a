"""The optional ``manifest.json`` of a package: which files it should have, with their SHA-256.

A manifest is a help against half-copied packages, no protection: whatever is wrong with it is a warning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.jsonfile import parse_json
from workflows.problems import Findings, Problem, child, printable

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``hashes`` are lower-case hex SHA-256 by path, relative to the package; ``places`` where they stand."""

    hashes: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def check(self, path: str, data: bytes) -> str | None:
        """Say that a file is not the one that the manifest lists, or return ``None``.

        Line ends do not count: version control rewrites them on the way from one system to another.
        """
        expected = self.hashes.get(path)
        unix = data.replace(b"\r\n", b"\n")
        forms = (data, unix, unix.replace(b"\n", b"\r\n"))
        if expected is None or any(hashlib.sha256(form).hexdigest() == expected for form in forms):
            return None
        return "is not the file that manifest.json lists: its SHA-256 differs"


def read_manifest(text: str) -> tuple[Manifest, tuple[Problem, ...]]:
    """Return what a manifest lists, in the shape ``{"packages": {directory: {"files": [{path, sha256}]}}}``.

    Other shapes are none of our business: they list nothing.
    """
    found = Findings()
    value, problems = parse_json(text)
    for problem in problems:
        found.warning("MANIFEST", problem.path, problem.detail)
    hashes: dict[str, str] = {}
    places: dict[str, str] = {}
    packages = value.get("packages") if isinstance(value, dict) else None
    for directory, package in packages.items() if isinstance(packages, dict) else ():
        files = package.get("files") if isinstance(package, dict) else None
        for index, entry in enumerate(files if isinstance(files, list) else ()):
            place = child(f"{child('$.packages', directory)}.files", index)
            listed = _entry(directory, entry, place, found)
            if listed is not None:
                hashes[listed[0]] = listed[1]
                places[listed[0]] = place
    return Manifest(hashes=hashes, places=places), found.as_tuple()


def _entry(directory: str, entry: Any, place: str, found: Findings) -> tuple[str, str] | None:
    path = entry.get("path") if isinstance(entry, dict) else None
    sha256 = entry.get("sha256") if isinstance(entry, dict) else None
    if not isinstance(path, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256.lower()):
        found.warning("MANIFEST", place, "expected a path and a SHA-256 of 64 hex digits")
        return None
    parts = [part for part in f"{directory}/{path}".replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        found.warning("MANIFEST", place, f"{printable(path, 80)} leads outside the package")
        return None
    # Some tools list paths from the package's root, some from the directory that they are listed under.
    listed = "/".join(parts)
    if path.replace("\\", "/").startswith(f"{directory}/"):
        listed = path.replace("\\", "/")
    return listed, sha256.lower()
