"""Packages on disk: what editors, copying and other people do to files."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from workflows.definition import ProductionStep
from workflows.exceptions import BadPackage
from workflows.loading import ParsedFile, parse_file, parse_package
from workflows.packages import MAX_FILE_BYTES, package_directories, read_package
from workflows.tests.samples import flat, v1, write_package


def load(root: Path) -> dict[str, ParsedFile]:
    return {parsed.path: parsed for parsed in parse_package(read_package(root))}


def only(root: Path) -> ParsedFile:
    (parsed,) = load(root).values()
    return parsed


def found(parsed: ParsedFile) -> set[tuple[str, str]]:
    return {(problem.code, problem.path) for problem in parsed.problems}


def outline_prompt(parsed: ParsedFile) -> str:
    assert parsed.definition is not None, parsed.problems
    step = parsed.definition.step("outline")
    assert isinstance(step, ProductionStep)
    return step.task_prompt


def test_a_package_is_read_with_its_prompts_and_nested_schemas(tmp_path: Path) -> None:
    write_package(tmp_path, {"book.json": v1(), "story.json": flat()})
    parsed = load(tmp_path)
    assert {path: row.problems for path, row in parsed.items()} == {
        "workflows/book.json": (),
        "workflows/story.json": (),
    }
    assert outline_prompt(parsed["workflows/book.json"]) == "Write an outline."


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "Gliederung für alle\nZeile zwei".encode(),
        codecs.BOM_UTF16_LE + "Gliederung für alle\r\nZeile zwei".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Gliederung für alle\rZeile zwei".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "Gliederung für alle\nZeile zwei".encode("utf-32-le"),
        "Gliederung für alle\r\nZeile zwei".encode(),
    ],
)
def test_byte_order_marks_and_line_ends_of_a_prompt_do_not_matter(tmp_path: Path, data: bytes) -> None:
    write_package(tmp_path, {"book.json": v1()}, files={"prompts/tasks/Outline v1.0.md": data})
    assert outline_prompt(only(tmp_path)) == "Gliederung für alle\nZeile zwei"


def test_a_workflow_file_and_a_schema_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    text = json.dumps(v1(), indent=2).replace("\n", "\r\n")
    write_package(
        tmp_path,
        {"book.json": codecs.BOM_UTF8 + text.encode(), "story.json": json.dumps(flat()).encode("utf-16")},
        files={"schemas/texts/chapter_text.json": codecs.BOM_UTF8 + b'{"type": "object"}'},
    )
    parsed = load(tmp_path)
    assert [row.problems for row in parsed.values()] == [(), ()]


def test_spaces_and_dots_in_names_are_part_of_the_stem(tmp_path: Path) -> None:
    workflow = v1()
    workflow["steps"][0]["task_prompt"] = " Outline v2.1 (new)"
    write_package(
        tmp_path / "my package",
        {"the book.json": workflow},
        files={"prompts/tasks/ Outline v2.1 (new).TXT": b"New."},
    )
    assert outline_prompt(only(tmp_path / "my package")) == "New."


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write_package(
        tmp_path,
        {
            "a-broken.json": b"{",
            "b-other.json": {"workflow_id": "x", "nodes": []},
            "c-list.json": [1],
            "d-binary.json": b"\xff\xff\xff",
            "e-story.json": flat(),
        },
    )
    parsed = load(tmp_path)
    assert [(path, row.has_errors) for path, row in parsed.items()] == [
        ("workflows/a-broken.json", True),
        ("workflows/b-other.json", True),
        ("workflows/c-list.json", True),
        ("workflows/d-binary.json", True),
        ("workflows/e-story.json", False),
    ]
    assert found(parsed["workflows/a-broken.json"]) == {("BAD_JSON", "$")}
    assert found(parsed["workflows/b-other.json"]) == {("UNKNOWN_FORMAT", "$")}
    assert found(parsed["workflows/d-binary.json"]) == {("BAD_FILE", "$")}


def test_a_duplicate_key_is_an_error(tmp_path: Path) -> None:
    text = json.dumps(v1()).replace('"revision": "r1"', '"revision": "r1", "revision": "r2"')
    write_package(tmp_path, {"book.json": text.encode()})
    assert found(only(tmp_path)) == {("DUPLICATE_KEY", "$.revision")}


def test_two_files_of_one_workflow_id_are_an_error_of_the_second(tmp_path: Path) -> None:
    write_package(tmp_path, {"a.json": flat(), "b.json": flat()})
    parsed = load(tmp_path)
    assert parsed["workflows/a.json"].problems == ()
    assert found(parsed["workflows/b.json"]) == {("DUPLICATE_WORKFLOW", "$.workflow_id")}


def test_two_prompts_of_one_stem_are_an_error_where_one_is_used(tmp_path: Path) -> None:
    same = {
        "prompts/tasks/Outline v1.0.txt": b"Other.",
        "prompts/tasks/Unused.txt": b"1",
        "prompts/tasks/Unused.md": b"2",
    }
    write_package(tmp_path, {"book.json": v1()}, files=same)
    assert found(only(tmp_path)) == {("AMBIGUOUS_PROMPT", "$.steps[0].task_prompt")}


def test_two_schemas_of_one_stem_are_an_error_where_one_is_used(tmp_path: Path) -> None:
    write_package(tmp_path, {"book.json": v1()}, files={"schemas/other/chapter_text.json": b"{}"})
    assert found(only(tmp_path)) == {("AMBIGUOUS_SCHEMA", "$.document_types.chapter_text")}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xfe\x00", "BAD_FILE"),
        (b"caf\xe9", "BAD_FILE"),
        (b"a\x00b", "BAD_TEXT"),
        (b" \n", "BAD_TEXT"),
        (b"x" * (MAX_FILE_BYTES + 1), "BAD_FILE"),
    ],
)
def test_a_prompt_that_is_no_text_is_named_where_it_is_used(tmp_path: Path, data: bytes, code: str) -> None:
    write_package(tmp_path, {"book.json": v1()}, files={"prompts/tasks/Outline v1.0.md": data})
    assert found(only(tmp_path)) == {(code, "$.steps[0].task_prompt")}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "BAD_JSON"),
        (b"[]", "BAD_SCHEMA"),
        (b'{"type": "strin"}', "BAD_SCHEMA"),
        (b'{"a": 1, "a": 2}', "DUPLICATE_KEY"),
        (b'{"title": "\\u0000"}', "BAD_TEXT"),
        (b'{"$ref": "other.json"}', "SCHEMA_REMOTE_REF"),
        (b"\xff", "BAD_FILE"),
    ],
)
def test_a_bad_schema_file_is_named_where_it_is_used(tmp_path: Path, data: bytes, code: str) -> None:
    write_package(tmp_path, {"book.json": v1()}, files={"schemas/texts/chapter_text.json": data})
    parsed = only(tmp_path)
    assert found(parsed) == {(code, "$.document_types.chapter_text")}
    assert "schemas/texts/chapter_text.json" in parsed.problems[0].detail


def test_links_that_leave_the_package_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    root = write_package(tmp_path / "package", {"book.json": v1()})
    for path in ("prompts/tasks/Outline v1.0.md", "workflows/linked.json"):
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(secret)
    parsed = load(root)
    assert found(parsed["workflows/book.json"]) == {("BAD_FILE", "$.steps[0].task_prompt")}
    assert found(parsed["workflows/linked.json"]) == {("BAD_FILE", "$")}
    assert "secret" not in "".join(problem.detail for row in parsed.values() for problem in row.problems)


def test_a_directory_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    other = write_package(tmp_path / "other", {"story.json": flat()})
    root = write_package(tmp_path / "package", {"book.json": v1()})
    (root / "schemas" / "more").symlink_to(other / "workflows")
    assert only(root).problems == ()


def test_links_within_the_package_and_to_the_package_are_fine(tmp_path: Path) -> None:
    root = write_package(tmp_path / "package", {"book.json": v1()})
    (root / "prompts/tasks/Outline v1.0.md").rename(root / "prompts/outline.md")
    (root / "prompts/tasks/Outline v1.0.md").symlink_to("../outline.md")
    (tmp_path / "link").symlink_to(root)
    assert outline_prompt(only(tmp_path / "link")) == "Write an outline."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang_the_loader(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"story.json": flat()})
    os.mkfifo(root / "workflows" / "pipe.json")
    assert found(load(root)["workflows/pipe.json"]) == {("BAD_FILE", "$")}


def test_a_name_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"story.json": flat()})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/workflows/b\xff.json")).write_bytes(b"{")
    except OSError:
        pytest.skip("the file system takes no such name")
    assert "workflows/b\\udcff.json" in load(root)


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"story.json": flat(), "._story.json": b"\x00"})
    assert list(load(root)) == ["workflows/story.json"]


@pytest.mark.parametrize("name", ["missing", "file", "empty"])
def test_what_is_no_package_is_said_clearly(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for read in (read_package, package_directories):
        with pytest.raises(BadPackage, match=r"does not exist|not a directory|no directory workflows/"):
            read(tmp_path / name)


def test_a_directory_of_packages_names_its_packages(tmp_path: Path) -> None:
    write_package(tmp_path / "b", {"story.json": flat()})
    write_package(tmp_path / "a", {"book.json": v1()})
    (tmp_path / "notes").mkdir()
    assert package_directories(tmp_path) == [(tmp_path / "a").resolve(), (tmp_path / "b").resolve()]
    assert package_directories(tmp_path / "a") == [(tmp_path / "a").resolve()]


def manifest(**files: Any) -> bytes:
    rows = [{"path": path, "sha256": sha256} for path, sha256 in files.items()]
    return json.dumps({"version": "1", "packages": {"prompts/tasks": {"files": rows}}}).encode()


def test_a_wrong_hash_in_the_manifest_is_a_warning(tmp_path: Path) -> None:
    listed = {"Outline v1.0.md": "0" * 64, "Gone v1.0.md": "1" * 64}
    root = write_package(tmp_path, {"book.json": v1()}, files={"manifest.json": manifest(**listed)})
    package = read_package(root)
    assert [(problem.severity, problem.code, problem.path) for problem in package.problems] == [
        ("warning", "MANIFEST", "$.packages['prompts/tasks'].files[0]"),
        ("warning", "MANIFEST", "$.packages['prompts/tasks'].files[1]"),
    ]
    parsed = only(root)
    assert found(parsed) == {("MANIFEST", "$.steps[0].task_prompt")}
    assert parsed.definition is not None


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_right_hash_is_quiet_whatever_the_line_ends(tmp_path: Path, ends: bytes) -> None:
    sha256 = hashlib.sha256(b"Write.\r\nNow.\r\n").hexdigest().upper()
    files = {
        "manifest.json": codecs.BOM_UTF8 + manifest(**{"Outline v1.0.md": sha256}),
        "prompts/tasks/Outline v1.0.md": b"Write." + ends + b"Now." + ends,
    }
    root = write_package(tmp_path, {"book.json": v1()}, files=files)
    assert read_package(root).problems == ()
    assert only(root).problems == ()


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b'{"packages": []}',
        b'{"packages": {"x": null, "y": {"files": {}}, "z": {"files": [1, {"path": 2}, {"path": "a"}]}}}',
        b'{"packages": {"": {"files": [{"path": "../../x", "sha256": "%s"}]}}}' % (b"0" * 64),
        b"\xff",
    ],
)
def test_a_manifest_of_any_shape_never_stops_a_package(tmp_path: Path, text: bytes) -> None:
    root = write_package(tmp_path, {"book.json": v1()}, files={"manifest.json": text})
    assert {problem.severity for problem in read_package(root).problems} <= {"warning"}
    assert only(root).problems == ()


def test_a_single_file_is_checked_with_the_package_around_it(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"book.json": v1()})
    assert parse_file(root / "workflows" / "book.json").problems == ()


def test_a_single_file_without_a_package_misses_its_prompts(tmp_path: Path) -> None:
    (tmp_path / "deep/er/still").mkdir(parents=True)
    path = tmp_path / "deep/er/still/story.json"
    path.write_text(json.dumps(flat()))
    parsed = parse_file(path)
    assert found(parsed) == {
        ("MISSING_ROLE", "$.steps[0].role"),
        ("MISSING_PROMPT", "$.steps[0].task_prompt_id"),
        ("MISSING_ROLE", "$.steps[1].role"),
        ("MISSING_PROMPT", "$.steps[1].task_prompt_id"),
        ("MISSING_SCHEMA", "$.steps[1].output_schema"),
    }


def test_a_single_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert found(parse_file(tmp_path / "none.json")) == {("BAD_FILE", "$")}
