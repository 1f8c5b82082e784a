"""The documentation says what the code does: states, words, variables, commands, routes, links."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.db import connection
from django.urls import Resolver404, resolve

from combine.env import BASE_DIR, read_env
from documents.models import DocumentStatus
from executions.engine import state
from executions.models import DecisionKind, EventType
from workflows.library import Library
from workflows.parsing import parse_workflow

PAGES = sorted(
    [
        *BASE_DIR.glob("*.md"),
        *BASE_DIR.glob("docs/**/*.md"),
        *BASE_DIR.glob("bench/*.md"),
        *BASE_DIR.glob("examples/*/*.md"),
    ]
)
OURS = ("combine", "telemetry", "executions", "documents", "workflows")
# What design calls things by; the models have entries of their own.
WORDS = ("Brief", "Path", "Scope", "Acceptance", "Clarification", "Quorum", "Wake-up", "Offline model", "Ledger")
MACHINES: dict[str, Mapping[Any, frozenset[Any]]] = {
    "Execution": state.EXECUTION_TRANSITIONS,
    "Step": state.STEP_TRANSITIONS,
}
STATUSES: dict[str, type[Enum]] = {
    "Execution": state.ExecutionStatus,
    "Step": state.StepStatus,
    "Attempt": state.AttemptStatus,
    "Model call": state.CallStatus,
    "Gate": state.GateStatus,
    "Document": DocumentStatus,
    "Events": EventType,
    "Error codes": state.ErrorCode,
}

page_ids = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE_DIR)))


@cache
def text(name: str) -> str:
    return (BASE_DIR / name).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """Return what stands under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found[1]


def first_cells(table: str) -> list[str]:
    """Return the first cell of each row whose first cell is code."""
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def arrows(diagram: str) -> set[tuple[str, str]]:
    """Return the moves of a state diagram, without where it begins and ends."""
    return set(re.findall(r"^ +(\w+) --> (\w+)", diagram, re.MULTILINE))


def values(kinds: Iterable[Any]) -> list[str]:
    return [kind.value for kind in kinds]


@pytest.mark.parametrize("title", MACHINES)
def test_states_are_drawn_with_exactly_the_moves_of_the_engine(title: str) -> None:
    moves = {(source.value, target.value) for source, targets in MACHINES[title].items() for target in targets}
    assert arrows(section("docs/states.md", title)) == moves


@pytest.mark.parametrize("title", STATUSES)
def test_every_status_event_and_error_code_has_its_row_in_order(title: str) -> None:
    assert first_cells(section("docs/states.md", title)) == values(STATUSES[title])


@pytest.mark.parametrize("title", ["Attempt", "Model call", "Gate"])
def test_what_is_drawn_without_a_transition_table_has_known_states(title: str) -> None:
    drawn = {end for arrow in arrows(section("docs/states.md", title)) for end in arrow}
    assert drawn == set(values(STATUSES[title]))


def test_the_readme_draws_only_moves_that_exist_and_every_status() -> None:
    drawn = arrows(re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", text("README.md"), re.DOTALL)[0])
    assert {end for arrow in drawn for end in arrow} == set(values(state.ExecutionStatus))
    for source, target in drawn:
        state.check_execution_move(state.ExecutionStatus(source), state.ExecutionStatus(target))


def glossary() -> dict[str, str]:
    return dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", text("docs/glossary.md"), re.MULTILINE))


def test_the_glossary_has_every_model_and_every_word_of_the_design() -> None:
    models = [model.__name__ for label in OURS for model in apps.get_app_config(label).get_models()]
    assert models
    assert {*models, *WORDS} <= set(glossary())


def test_the_glossary_is_in_alphabetical_order_and_explains_each_word_once() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text("docs/glossary.md"), re.MULTILINE)
    assert words == sorted(set(words), key=lambda word: re.sub(r"\W", " ", word).lower())


def test_the_glossary_lists_the_statuses_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (`.+`) \|$", section("docs/glossary.md", "Statuses"), re.MULTILINE))
    listed = {name: re.findall(r"`(\w+)`", row) for name, row in rows.items()}
    named = {"Model call": "LLMCall"}
    expected = {named.get(name, name): values(kinds) for name, kinds in list(STATUSES.items())[:6]}
    assert listed == expected | {"Decision": values(DecisionKind)}


class _Asked(dict[str, str]):
    """An environment that notes which variables are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.names.append(key)
        return super().get(key, default)


def configuration() -> dict[str, str]:
    """Return the README's table: variable and default."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| .+ \|$", section("README.md", "Configuration"), re.MULTILINE)
    return dict(rows)


def test_the_readme_lists_exactly_the_variables_that_are_read() -> None:
    environ = _Asked()
    read_env(environ)
    assert set(configuration()) == set(environ.names)


def test_the_defaults_in_the_readme_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BASE_DIR)  # directories in the table are those of the project
    checked = 0
    for name, default in configuration().items():
        if found := re.match(r"`([^`]+)`(?=$|;)", default):
            assert read_env({name: found[1]}) == read_env({}), name
            checked += 1
    assert checked > 10


def test_the_changelog_has_an_entry_for_this_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    entry = rf"^## \[{re.escape(version)}\] - (unreleased|\d{{4}}-\d\d-\d\d)$"
    assert re.search(entry, text("CHANGELOG.md"), re.MULTILINE)


@page_ids
def test_commands_that_a_page_names_exist(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    commands = set(re.findall(r"manage\.py ([a-z_]+)", content))
    assert commands <= set(get_commands())
    named = r"^    make ([a-z.][\w./]*)|`(?:[A-Z_]+=\S+ )*make ([a-z.][\w./]*)"
    targets = {name for pair in re.findall(named, content, re.MULTILINE) for name in pair if name}
    makefile = text("Makefile").replace("$(VENV)", ".venv")
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as the usual renderers make them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[str]:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)


@page_ids
def test_links_between_pages_resolve(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


@page_ids
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Paths in code marks that begin with a directory of this repository."""
    roots = "|".join([*OURS, "docs", "tests", "examples", "bench", "templates", r"\.ci"])
    named = re.findall(rf"`((?:{roots})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    missing = [name for name in named if not (BASE_DIR / name).exists() and not (page.parent / name).exists()]
    assert missing == []


def test_the_routes_in_the_readme_exist() -> None:
    content = text("README.md").replace("$RUN", "00000000-0000-0000-0000-000000000000")
    paths = re.findall(r"\$API(/[\w/-]+)", content)
    assert len(paths) >= 6
    for path in paths:
        try:
            assert resolve(f"/api/v1{path}").url_name, path
        except Resolver404:
            pytest.fail(path)


def test_the_readmes_workflow_is_valid_and_short() -> None:
    example = re.findall(r"```json\n(.*?)```", text("README.md"), re.DOTALL)[0]
    assert len(example.splitlines()) <= 30
    library = Library.of(roles={"Editor 1.0": "Edit."}, tasks={"Plan v1.0": "Plan.", "Article v1.0": "Write."})
    assert parse_workflow(json.loads(example), library).problems == ()


@pytest.mark.django_db
def test_the_queries_for_operators_fit_the_tables() -> None:
    (script,) = re.findall(r"```sql\n(.*?)```", text("docs/operations.md"), re.DOTALL)
    statements = [part for part in re.sub(r"^--.*$", "", script, flags=re.MULTILINE).split(";") if part.strip()]
    assert len(statements) == 4
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")


def test_the_log_actions_that_operators_watch_are_logged() -> None:
    (line,) = re.findall(r"^- \*\*The log\*\*.*?(?=^- )", text("docs/operations.md"), re.MULTILINE | re.DOTALL)
    actions = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", line)) - {"message", "action"}
    sources = [path.read_text() for app in OURS for path in (BASE_DIR / app).rglob("*.py") if "tests" not in path.parts]
    assert actions
    for action in actions:
        assert any(f'"{action}"' in source for source in sources), action
