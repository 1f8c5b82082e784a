"""Plans of the statements of a request, as docs/telemetry-plans.md has them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

from django.db import connection

from documents import database
from telemetry.dashboard.page import one_state

Statement = tuple[str, Any]

# Nodes that are written further to the right are what is joined to a few rows of the ledger.
DEEPEST = 46
# What a statement of the cost page is for, by what only it reads.
PURPOSES = {
    "telemetry_gatesums": "gates",
    "telemetry_durations": "times",
    "of_day": "bars",
    "telemetry_spansums": "calls",
    "FROM executions_execution e": "runs",
    "": "forecast",
}
_NODE = re.compile(r"\(actual rows=(\d+(?:\.(?!00)\d+)?)(?:\.00)? loops=(\d+)\)")


def show_plans(name: str, ask: Callable[[], Any], *, is_page: bool = False) -> None:
    """Print what PostgreSQL does for the statements of a request: each node that was run, with its rows."""
    for sql, params in _statements(ask):
        with one_state() if is_page else nullcontext(), connection.cursor() as cursor:
            lines = _explained(cursor, sql, list(params))
        buffers = next(line for line in lines if "Buffers:" in line).split("temp")[0]
        pages = sum(int(number) for number in re.findall(r"(?:hit|read)=(\d+)", buffers))
        purpose = f": {next(words for part, words in PURPOSES.items() if part in sql)}" if is_page else ""
        print(f"\n## {name}{purpose}\n\n{pages:,} pages, {lines[-1].split(': ')[1]}.\n\n```")
        for line in lines:
            if "(actual" in line and len(line) - len(line.lstrip()) <= DEEPEST:
                print(_NODE.sub(_rows, line))
        print("```")


def _explained(cursor: Any, sql: str, params: list[Any]) -> list[str]:
    """Return the plan of a statement that is prepared, as it is for a request."""
    numbers = itertools.count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql).replace("%%", "%")
    cursor.execute(f"PREPARE explained AS {numbered}")
    given = f"({', '.join(['%s'] * len(params))})" if params else ""
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE explained {given}", params)
    lines = [line for (line,) in cursor.fetchall()]
    cursor.execute("DEALLOCATE explained")
    return lines


def _rows(found: re.Match[str]) -> str:
    """Return how many rows a node gave, and how often it was run if that was more than once."""
    count, times = found.groups()
    return f"({count})" if times == "1" else f"({count} × {times})"


def _statements(ask: Callable[[], Any]) -> list[Statement]:
    """Return what a request reads of the sums and of runs."""
    found: list[Statement] = []
    run_prepared = database.rows

    def prepared(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        found.append((sql, params))
        return run_prepared(sql, params)

    def plain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append((sql, params))
        return execute(sql, params, many, context)

    with patch.object(database, "rows", prepared), connection.execute_wrapper(plain):
        ask()
    return [(sql, params) for sql, params in found if "part AS" in sql or "FROM executions_execution e" in sql]
