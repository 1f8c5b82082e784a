"""Unpacking what somebody uploads."""

from __future__ import annotations

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from workflows.archives import MAX_ARCHIVE_BYTES, package_name, unpack
from workflows.exceptions import BadArchive, BadPackage, WorkflowError


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, compress_type=method)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


GOOD = ("workflows/a.json", b"{}")


@pytest.mark.parametrize("prefix", ["", "fiction/"], ids=["at the top", "in a directory"])
def test_a_package_is_found_at_the_top_or_in_one_directory(prefix: str, tmp_path: Path) -> None:
    data = zipped((f"{prefix}workflows/a.json", b"{}"), (f"{prefix}prompts/roles/Editor 1.0.txt", b"You edit."))
    package = unpack(data, tmp_path, name="C:/mine/My book (2).zip")
    assert package.name == ("fiction" if prefix else "My-book-2")
    assert (package / "prompts/roles/Editor 1.0.txt").read_bytes() == b"You edit."


def test_litter_of_desktop_systems_is_left_out(tmp_path: Path) -> None:
    data = zipped(GOOD, ("__MACOSX/._workflows", b"x"), ("workflows/.DS_Store", b"x"), ("workflows/._a.json", b"x"))
    package = unpack(data, tmp_path, name="a.zip")
    assert [path.name for path in package.rglob("*") if path.is_file()] == ["a.json"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((("../a.json", b"{}"),), "leads outside"),
        ((("workflows/../../a.json", b"{}"),), "leads outside"),
        ((("/etc/a.json", b"{}"),), "leads outside"),
        ((("C:/a.json", b"{}"),), "leads outside"),
        ((("workflows\\..\\a.json", b"{}"),), "leads outside"),
        ((("workflows//a.json", b"{}"),), "leads outside"),
        (((link("workflows/a.json"), b"/etc/passwd"),), "is a link"),
        ((("workflows/a\x1b[2J.json", b"{}"),), "cannot be shown"),
        ((("/".join("abcdefghijkl"), b"{}"),), "too deep"),
        ((("workflows/" + "a" * 250 + ".json", b"{}"),), "too long"),
        ((GOOD, ("workflows/A.json", b"{}")), "twice"),
        ((("workflows/a.json", b" " * 4_000_000),), "grows more than 100 times"),
        ((("workflows/a.json", b" " * 6_000_000),), "a file may have"),
        (tuple((f"workflows/{n}.json", b" " * 450_000) for n in range(50)), "Unpacked the file has"),
        (tuple((f"workflows/{n}.json", b"") for n in range(2_001)), "2,001 entries"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_package_has_is_refused_with_its_reason(
    entries: tuple[tuple[str, bytes], ...], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BadArchive) as refused:
        unpack(zipped(*entries), tmp_path, name="p.zip")
    assert reason in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_size_that_is_declared_too_small_is_no_way_round_the_limits(tmp_path: Path) -> None:
    data = bytearray(zipped(("workflows/a.json", b" " * 3_000_000)))
    for at in (data.find(b"PK\x03\x04") + 22, data.find(b"PK\x01\x02") + 24):
        data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(BadArchive):
        unpack(bytes(data), tmp_path, name="p.zip")


def test_what_is_no_zip_file_or_too_large_is_refused(tmp_path: Path) -> None:
    whole = zipped(GOOD, ("workflows/b.json", b"some more text" * 50))
    for number, data in enumerate([b"", b"PK", b"no zip at all", whole[:40], whole[:-30], whole[20:]]):
        with pytest.raises(BadArchive):
            unpack(data, tmp_path, name=f"{number}.zip")
    with pytest.raises(BadArchive, match="at most"):
        unpack(b"x" * (MAX_ARCHIVE_BYTES + 1), tmp_path, name="large.zip")


def test_other_methods_and_passwords_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="unusual"):
        unpack(zipped(GOOD, method=zipfile.ZIP_LZMA), tmp_path, name="a.zip")
    data = bytearray(zipped(GOOD))
    data[data.find(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BadArchive, match="encrypted"):
        unpack(bytes(data), tmp_path, name="b.zip")


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = zipped(GOOD, ("prompts/roles/a.txt", b"You edit." * 30))
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 0xFF
        with suppress(WorkflowError):  # anything else would be a page that breaks
            unpack(bytes(data), tmp_path, name=f"{at}.zip")


def test_without_a_package_or_with_two_there_is_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(BadPackage, match="no directory workflows"):
        unpack(zipped(("readme.txt", b"hello")), tmp_path, name="a.zip")
    with pytest.raises(BadPackage, match="2 packages"):
        unpack(zipped(("a/workflows/a.json", b"{}"), ("b/workflows/b.json", b"{}")), tmp_path, name="b.zip")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("book.zip", "book"), ("../../x.zip", "x"), ("Ünï cøde.zip", "n-c-de"), (".zip", "package"), ("", "package")],
)
def test_a_package_has_a_name_that_a_directory_may_have(name: str, shown: str) -> None:
    assert package_name(name) == shown
