"""Checks a value against a JSON Schema in a process of its own, which a deadline ends.

Some schemas can take for ever on some values (one that refers back to itself in two ways doubles its work
with every level). A thread cannot be stopped, a process can. The process costs about a tenth of a second,
so only such pairs of schema and value come here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 5.0
_ROOT = Path(__file__).resolve().parent.parent
_MAIN = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from workflows.schema_process import answer; answer()"


class CheckTimedOut(Exception):
    """The schema could not be checked within the deadline."""


class CheckCrashed(Exception):
    """The process ended without an answer (out of memory, killed from outside)."""


def check_apart(schema: dict[str, Any], value: Any, limit: int, deadline: float) -> list[list[str]]:
    """Return the problems of ``value`` as rows of path, code and detail.

    :raises CheckTimedOut: after ``deadline`` seconds; the process has ended then.
    :raises CheckCrashed: when the process gave no answer.
    """
    question = json.dumps({"schema": schema, "value": value, "limit": limit, "seconds": int(deadline) + 2})
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _MAIN],
            input=question.encode(),
            capture_output=True,
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckTimedOut from error
    if done.returncode != 0:
        raise CheckCrashed(f"exit code {done.returncode}")
    rows: list[list[str]] = json.loads(done.stdout)
    return rows


def answer() -> None:
    """Run in the process: read the question from standard input, write the rows to standard output."""
    from workflows.schema_engine import compile_schema, error_rows  # noqa: PLC0415

    question = json.load(sys.stdin)
    _end_with_parent(question["seconds"])
    validator = compile_schema(question["schema"])
    json.dump(error_rows(validator, question["value"], question["limit"]), sys.stdout)


def _end_with_parent(seconds: int) -> None:
    # Should the parent be killed, nobody enforces the deadline: the kernel does.
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # no such thing on Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
