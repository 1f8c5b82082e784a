"""``manage.py verify``: check that the stored rows keep the engine's promises."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from executions.models import Execution
from executions.terminal.exits import ExitCode
from executions.terminal.wording import clean, counted
from executions.verification import iterate_violations


class Command(BaseCommand):
    help = (
        "Check the stored executions: documents and their hashes, events, gates, costs, budgets, statuses. Prints each"
        " broken promise; exits 1 if there is any, 4 if there is no such execution."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("execution_ids", nargs="*", type=UUID, metavar="EXECUTION_ID", help="default: all of them")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        named: list[UUID] = options["execution_ids"]
        if unknown := self._unknown(named):
            self.stderr.write(f"There is no execution {unknown}.")
            sys.exit(ExitCode.NOT_FOUND)
        checked: list[int] = []
        found = []
        for violation in iterate_violations(named or None, on_chunk=checked.append):
            execution_id = None if violation.execution_id is None else str(violation.execution_id)
            found.append({"invariant": violation.invariant, "execution_id": execution_id, "detail": violation.detail})
            if not options["json"]:
                self.stdout.write(clean(str(violation)))
        if options["json"]:
            self.stdout.write(json.dumps({"checked_count": sum(checked), "violations": found}))
        verdict = counted(len(found), "violation") if found else "no violation"
        self.stderr.write(f"{counted(sum(checked), 'execution')} checked: {verdict}.")
        sys.exit(ExitCode.FAILED if found else ExitCode.COMPLETED)

    def _unknown(self, named: Sequence[UUID]) -> UUID | None:
        known = set(Execution.objects.filter(pk__in=named).values_list("pk", flat=True)) if named else set()
        return next((each for each in named if each not in known), None)
