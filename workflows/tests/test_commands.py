"""load_workflows and validate_workflow as people run them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from workflows.models import Workflow
from workflows.tests.samples import flat, v1, write_package


def run(*arguments: str) -> tuple[str, str | None]:
    """Return what a command printed, and its error message if it ended with one (the exit code is 1 then)."""
    output = io.StringIO()
    try:
        call_command(*arguments, stdout=output, no_color=True)
    except CommandError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), None


def bad() -> dict[str, Any]:
    workflow = v1()
    workflow["steps"][0] |= {"role": "Nobody", "task_prompt": "Nothing"}
    return workflow


@pytest.mark.django_db
def test_load_workflows_tells_what_it_loaded(tmp_path: Path) -> None:
    root = write_package(tmp_path / "fiction", {"book.json": v1(), "story.json": flat()})
    output, error = run("load_workflows", str(root))
    assert error is None
    assert "loaded     workflows/book.json  book r1 " in output
    assert "loaded     workflows/story.json  short-story 1.0 " in output
    output, error = run("load_workflows", str(root))
    assert error is None
    assert "unchanged  workflows/book.json  book r1 " in output


@pytest.mark.django_db
def test_load_workflows_loads_what_is_good_and_names_every_problem_of_what_is_bad(tmp_path: Path) -> None:
    root = write_package(tmp_path / "a", {"a.json": bad(), "b.json": b"{", "c.json": flat()})
    output, error = run("load_workflows", str(tmp_path / "missing"), str(root))
    assert error == "3 were bad."
    assert "missing does not exist" in output
    assert "bad        workflows/a.json" in output
    assert "error MISSING_ROLE $.steps[0].role: no file 'Nobody' in prompts/roles" in output
    assert "error MISSING_PROMPT $.steps[0].task_prompt" in output
    assert "error BAD_JSON $: not JSON" in output
    assert "loaded     workflows/c.json" in output
    assert Workflow.objects.filter(pk="short-story").exists()


@pytest.mark.django_db
def test_load_workflows_takes_a_directory_of_packages_and_the_configured_ones(tmp_path: Path, settings: Any) -> None:
    write_package(tmp_path / "one", {"book.json": v1()})
    write_package(tmp_path / "two", {"story.json": flat()})
    settings.COMBINE_PACKAGES = [tmp_path]
    output, error = run("load_workflows", "--json")
    assert error is None
    report = json.loads(output)
    assert [(package["directory"], package["error"]) for package in report] == [
        (str((tmp_path / "one").resolve()), None),
        (str((tmp_path / "two").resolve()), None),
    ]
    (book,) = report[0]["files"]
    assert (book["path"], book["status"], book["workflow_id"], book["revision"]) == (
        "workflows/book.json",
        "loaded",
        "book",
        "r1",
    )
    assert len(book["digest"]) == 64


@pytest.mark.django_db
def test_a_package_without_workflow_files_is_bad(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    output, error = run("load_workflows", str(tmp_path))
    assert error == "1 was bad."
    assert "there is no workflow file in workflows/" in output


def test_validate_workflow_prints_every_problem_without_a_database(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"book.json": v1(), "bad.json": bad()})
    output, error = run("validate_workflow", str(root / "workflows" / "book.json"))
    assert (output, error) == (f"{root / 'workflows' / 'book.json'}: valid, 0 warnings.\n", None)
    output, error = run("validate_workflow", str(root / "workflows" / "bad.json"))
    assert error == f"{root / 'workflows' / 'bad.json'}: 2 errors."
    assert [line.split(":")[0] for line in output.splitlines()] == [
        "error MISSING_ROLE $.steps[0].role",
        "error MISSING_PROMPT $.steps[0].task_prompt",
    ]


def test_validate_workflow_prints_json_where_asked_to(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"bad.json": bad()})
    output, error = run("validate_workflow", "--json", str(root / "workflows" / "bad.json"))
    assert error is not None
    report = json.loads(output)
    assert (report["is_valid"], report["workflow_id"], report["digest"]) == (False, "book", None)
    assert [problem["code"] for problem in report["problems"]] == ["MISSING_ROLE", "MISSING_PROMPT"]


def test_validate_workflow_knows_the_model_aliases_of_the_settings(tmp_path: Path, settings: Any) -> None:
    workflow = flat()
    workflow["steps"][0]["model"] = "house"
    root = write_package(tmp_path, {"story.json": workflow})
    settings.COMBINE_MODELS = {"house": "claude-sonnet-5-5"}
    output, error = run("validate_workflow", str(root / "workflows" / "story.json"))
    assert error is None
    assert "valid, 0 warnings." in output


def test_a_file_that_is_not_there_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    output, error = run("validate_workflow", str(tmp_path / "none.json"))
    assert "error BAD_FILE $: the file cannot be read: No such file or directory" in output
    assert error is not None
