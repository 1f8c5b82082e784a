"""Every way to give a brief, and everything that can be wrong with it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from executions.terminal.briefs import MAX_FILE_BYTES, read_brief
from executions.terminal.exits import ExitCode, Stop


def refusal(given: str) -> str:
    with pytest.raises(Stop) as stop:
        read_brief(given)
    assert stop.value.code is ExitCode.USAGE
    return str(stop.value)


def test_plain_text_becomes_the_description() -> None:
    assert read_brief("  A shop for tea/coffee.\n") == {"description": "A shop for tea/coffee."}


def test_json_text_is_taken_as_it_is() -> None:
    assert read_brief('{"product": "Lantern", "size": 3}') == {"product": "Lantern", "size": 3}


def test_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my brief.json"
    path.write_bytes(b'\xef\xbb\xbf{"product": "Lantern"}\r\n')
    assert read_brief(str(path)) == {"product": "Lantern"}


def test_a_text_file_becomes_the_description(tmp_path: Path) -> None:
    path = tmp_path / "brief.md"
    path.write_text("# Lantern\n\nA library of things.\n", encoding="utf-8")
    assert read_brief(str(path)) == {"description": "# Lantern\n\nA library of things."}


def test_a_text_file_may_hold_json(tmp_path: Path) -> None:
    path = tmp_path / "brief"
    path.write_text('{"a": 1}', encoding="utf-8")
    assert read_brief(str(path)) == {"a": 1}


def test_a_dash_means_the_standard_input() -> None:
    assert read_brief("-", stdin=io.BytesIO("Für alle".encode())) == {"description": "Für alle"}


def test_a_text_in_brackets_is_no_json() -> None:
    assert read_brief("[Draft] a shop") == {"description": "[Draft] a shop"}


def test_a_file_that_is_not_there_is_no_text() -> None:
    assert refusal("briefs/lantern.json") == "--brief: there is no file briefs/lantern.json."


def test_a_directory_is_no_brief(tmp_path: Path) -> None:
    assert "is a directory" in refusal(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "brief.json"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0)
    assert "Permission denied" in refusal(str(path))


def test_bytes_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "brief.txt"
    path.write_bytes(b"caf\xe9")
    assert "not utf-8 text: byte 3 is wrong; save it as UTF-8" in refusal(str(path))


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", '{"a": "\\u0000"}', '{"a": "\\ud800"}'])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    assert any(word in refusal(text) for word in ("NUL", "surrogate"))


def test_ten_megabytes_are_too_much(tmp_path: Path) -> None:
    path = tmp_path / "brief.txt"
    path.write_text("x" * 10_000_000, encoding="utf-8")
    assert refusal(str(path)) == f"--brief: {path} is too large: a brief may have 1,000,000 bytes."
    assert "is too large" in refusal("x " * MAX_FILE_BYTES)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("[1]", "a list"), ('"text"', "a text"), ("42", "a number"), ("true", "true or false"), ("null", "null")],
)
def test_json_that_is_no_object_is_refused(text: str, kind: str) -> None:
    assert refusal(text) == f'--brief: the JSON is {kind}, not an object; give {{"description": ...}} or plain text.'


def test_a_json_file_must_hold_an_object(tmp_path: Path) -> None:
    path = tmp_path / "brief.json"
    path.write_text("[]", encoding="utf-8")
    assert "is a list, not an object" in refusal(str(path))
    path.write_text("just text", encoding="utf-8")
    assert "not JSON: Expecting value (line 1, column 1)" in refusal(str(path))


@pytest.mark.parametrize("text", ['{"a": 1,}', '{"a": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', '{"a":' * 5000])
def test_broken_json_is_refused_with_the_place(text: str) -> None:
    assert refusal(text).startswith("--brief: ")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_brief_is_refused(text: str) -> None:
    assert "the brief is empty" in refusal(text)
