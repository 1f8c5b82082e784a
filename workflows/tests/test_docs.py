"""docs/workflow-format.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import workflows
from workflows.definition import DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_ITEMS, DEFAULT_MAX_REWORK_ROUNDS
from workflows.formats.flat import ROLE_ALIASES
from workflows.library import Library
from workflows.parsing import parse_workflow
from workflows.problems import CODES
from workflows.tests import test_problem_codes
from workflows.tests.samples import ROLES, TASKS

PAGE = (Path(workflows.__file__).resolve().parent.parent / "docs" / "workflow-format.md").read_text()
CODE_ROW = re.compile(r"^\| `([A-Z_]+)` \| (W|E/W|) ?\| (.+) \|$", re.MULTILINE)


def examples() -> list[tuple[str, Any]]:
    texts = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    return [(text, json.loads(text)) for text in texts]


def test_the_page_lists_every_problem_code_with_its_meaning() -> None:
    assert {code: meaning for code, _, meaning in CODE_ROW.findall(PAGE)} == CODES


def test_the_page_says_which_codes_are_warnings() -> None:
    severities: dict[str, set[str]] = {}
    for code, severity, *_ in test_problem_codes.V1_CASES + test_problem_codes.FLAT_CASES:
        severities.setdefault(code, set()).add(severity)
    severities["MANIFEST"] = {"warning"}
    marks = {frozenset({"warning"}): "W", frozenset({"error", "warning"}): "E/W", frozenset({"error"}): ""}
    for code, mark, _ in CODE_ROW.findall(PAGE):
        assert mark == marks[frozenset(severities.get(code, {"error"}))], code


def test_the_workflows_on_the_page_are_valid_and_short() -> None:
    library = Library.of(roles=ROLES, tasks=TASKS)
    checked = 0
    for text, value in examples():
        if "steps" in value:
            parsed = parse_workflow(value, library)
            assert parsed.problems == ()
            assert len(text.splitlines()) <= 30
            checked += 1
    assert checked == 2


def test_the_page_lists_the_role_aliases() -> None:
    for alias, stem in ROLE_ALIASES.items():
        assert f"| `{alias}` | `{stem}` |" in PAGE


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    assert f"attempts at valid output, 1 to 10 ({DEFAULT_MAX_ATTEMPTS})" in PAGE
    assert f"1 to 10,000 ({DEFAULT_MAX_ITEMS})" in PAGE
    assert f"0 to 1000 ({DEFAULT_MAX_REWORK_ROUNDS})" in PAGE
