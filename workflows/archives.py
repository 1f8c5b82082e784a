"""Unpacking the zip file of a workflow package. Nothing about it is trusted: it is bounded in every direction first."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from workflows.exceptions import BadArchive, BadPackage
from workflows.packages import MAX_FILE_BYTES, package_directories
from workflows.problems import printable

# A request may have 2 MB, the form around the file included.
MAX_ARCHIVE_BYTES = 1_900_000
MAX_ENTRIES = 2_000
MAX_UNPACKED_BYTES = 20_000_000
# Text is seldom packed to less than a twentieth. Small files may be: one line over and over.
MAX_RATIO = 100
_RATIO_FROM_BYTES = 500_000
_MAX_NAME_BYTES = 200
_MAX_DEPTH = 10
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What desktop systems add to archives; a package has no use for it.
_LITTER = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._)")
_DRIVE = re.compile(r"[A-Za-z]:")


def unpack(data: bytes, directory: Path, *, name: str) -> Path:
    """Unpack an archive below ``directory`` and return the one package that is in it.

    ``name`` is the file's: a package that is not in a directory of its own is called so.

    :raises BadArchive: it is no zip file, too large, or has entries that no package has.
    :raises BadPackage: there is no package in it, or more than one.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BadArchive(f"The file has {len(data):,} bytes; at most {MAX_ARCHIVE_BYTES:,} are taken.")
    root = directory / package_name(name)
    root.mkdir()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for path, entry in _checked(archive):
                target = root.joinpath(*path.split("/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                # At most as much as was declared is read, and that was added up before.
                target.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadArchive(f"The file is no zip file that can be read: {printable(str(error), 200)}.") from error
    except (OSError, ValueError) as error:
        raise BadArchive(f"The file cannot be unpacked: {printable(str(error.args[-1]), 200)}.") from error
    packages = package_directories(root)
    if len(packages) > 1:
        names = ", ".join(printable(package.name, 60) for package in packages[:5])
        raise BadPackage(f"There are {len(packages)} packages in the file ({names}); upload one at a time.")
    return packages[0]


def package_name(name: str) -> str:
    """Return the name of an archive as a directory may have it."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name.removesuffix(".zip")).strip(".-")
    return stem[:64] or "package"


def _checked(archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the files of an archive by path, once all of them are known to be harmless."""
    entries = [entry for entry in archive.infolist() if not _LITTER.search(entry.filename)]
    if len(entries) > MAX_ENTRIES:
        raise BadArchive(f"The file has {len(entries):,} entries; at most {MAX_ENTRIES:,} are taken.")
    files = [(_path(entry), entry) for entry in entries if not entry.is_dir()]
    seen: set[str] = set()
    for path, entry in files:
        _check_entry(path, entry)
        if path.casefold() in seen:
            raise BadArchive(f"{_shown(path)} is in the file twice.")
        seen.add(path.casefold())
    total = sum(entry.file_size for _, entry in files)
    if total > MAX_UNPACKED_BYTES:
        raise BadArchive(f"Unpacked the file has {total:,} bytes; at most {MAX_UNPACKED_BYTES:,} are taken.")
    return files


def _check_entry(path: str, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BadArchive(f"{_shown(path)} is a link, or no regular file.")
    if entry.flag_bits & 1:
        raise BadArchive(f"{_shown(path)} is encrypted.")
    if entry.compress_type not in _METHODS:
        raise BadArchive(f"{_shown(path)} is packed in an unusual way; use plain zip.")
    if entry.file_size > MAX_FILE_BYTES:
        raise BadArchive(f"{_shown(path)} has {entry.file_size:,} bytes; a file may have {MAX_FILE_BYTES:,}.")
    if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise BadArchive(f"{_shown(path)} grows more than {MAX_RATIO} times when it is unpacked.")


def _path(entry: zipfile.ZipInfo) -> str:
    """Return the path of an entry, relative to the package."""
    path = entry.filename
    parts = path.split("/")
    if "\\" in entry.orig_filename or _DRIVE.match(path) or any(part in ("", ".", "..") for part in parts):
        raise BadArchive(f"{_shown(path)} leads outside the package.")
    if "\x00" in entry.orig_filename or not path.isprintable():
        raise BadArchive(f"{_shown(path)} has characters in its name that cannot be shown.")
    if len(parts) > _MAX_DEPTH or any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        raise BadArchive(f"{_shown(path)} is too long, or too deep.")
    return path


def _shown(path: str) -> str:
    return repr(printable(path, 120))
