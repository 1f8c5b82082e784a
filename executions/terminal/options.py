"""What ``run_workflow`` is asked for."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandParser

from executions.terminal.answers import AnswerBook
from executions.terminal.briefs import read_brief

EPILOG = """
Documents go to stdout, progress to stderr. At a terminal the command asks you the questions of the run and shows you
the documents that wait for acceptance; --accept-all asks nothing. Exit codes: 0 completed, 1 failed or cancelled,
2 wrong usage, 3 waiting for a person, 4 not found, 5 refused, 6 configuration, 130 interrupted or out of time
(the execution goes on).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    workflow_id: str
    project_id: str
    brief: dict[str, Any]
    book: AnswerBook
    accepts_all: bool
    user_name: str | None
    budget_usd: Decimal | None
    revision: str | None
    timeout: float | None
    is_json: bool
    is_quiet: bool
    may_ask: bool
    is_verbose: bool
    is_rehearsal: bool

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Read the options that argparse found.

        :raises Stop: the brief or an answer is wrong.
        """
        return cls(
            workflow_id=given["workflow"],
            project_id=given["project"],
            brief=read_brief(given["brief"]),
            book=AnswerBook.of(given["answer"] or []),
            accepts_all=given["accept_all"],
            user_name=given["as_user"],
            budget_usd=given["budget"],
            revision=given["revision"],
            timeout=given["timeout"],
            is_json=given["json"],
            is_quiet=given["quiet"],
            may_ask=not (given["no_input"] or given["json"] or given["accept_all"]),
            is_verbose=given["verbosity"] > 1,
            is_rehearsal=given["dry_run"],
        )


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of ``run_workflow``."""
    parser.epilog = " ".join(EPILOG.split())
    add = parser.add_argument
    add("workflow", metavar="WORKFLOW", help="id of a workflow, for example software_product")
    add("--project", metavar="P", required=True, help="project that the documents belong to; made by its first run")
    add(
        "--brief",
        metavar="FILE|TEXT",
        required=True,
        help="what it is about: a JSON or text file, JSON text, plain text, or - for the standard input",
    )
    add(
        "--answer",
        metavar="QUESTION=ANSWER",
        action="append",
        help="answer a question when it is asked: a text, a choice, choices separated by commas, yes or no, a number,"
        " a date, JSON (may be repeated)",
    )
    add(
        "--accept-all",
        action="store_true",
        help="ask nobody: accept every document, and take the default (or the first choice, yes, 1) of every question"
        " that --answer does not answer",
    )
    add("--as", dest="as_user", metavar="USER", help="act as this user (default: the first superuser)")
    add("--budget", metavar="USD", type=_budget, help="the most that the run may cost, in US dollars")
    add("--revision", metavar="R", help="revision of the workflow, by name or digest (default: the current one)")
    add("--timeout", metavar="S", type=_seconds, help="follow for at most S seconds; the execution goes on")
    add("--json", action="store_true", help="print each event as a line of JSON, and one object in the end")
    add("--quiet", action="store_true", help="no progress")
    add(
        "--dry-run",
        action="store_true",
        help="check everything, say what completed runs of the workflow have cost, and start nothing",
    )
    add("--no-input", action="store_true", help="never ask; exit with 3 where a person is needed")


def _budget(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is not an amount such as 2.50") from None
    if not amount.is_finite() or amount < 0:
        raise ArgumentTypeError(f"{text!r} is not an amount from 0 upwards")
    return amount


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not math.isfinite(seconds) or seconds <= 0:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
