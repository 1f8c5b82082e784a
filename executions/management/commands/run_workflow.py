"""``manage.py run_workflow``: one execution from start to end, at the terminal or in a script."""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, ProgrammingError

from executions.terminal.exits import ExitCode, Stop
from executions.terminal.options import Options, add_arguments
from executions.terminal.session import Streams, run


class Command(BaseCommand):
    help = "Start an execution of a workflow, show its progress, settle its gates, and print its documents."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(self._run(options))

    def _run(self, given: dict[str, Any]) -> int:
        # Django's wrappers end every write with a line break, which a live display cannot use.
        stdout, stderr = (cast(TextIO, vars(wrapper)["_out"]) for wrapper in (self.stdout, self.stderr))
        if isinstance(stdout, io.TextIOWrapper):
            stdout.reconfigure(errors="backslashreplace")  # a title that this terminal cannot show ends nothing
        streams = Streams(stdout=stdout, stderr=stderr, is_typing=sys.stdin is not None and sys.stdin.isatty())
        try:
            return run(Options.of(given), streams)
        except KeyboardInterrupt:  # once more, while the helpers were stopped: they are gone by now
            return ExitCode.INTERRUPTED
        except Stop as stop:
            stderr.write(f"{stop}\n")
            return stop.code
        except OperationalError as error:
            stderr.write(f"The database cannot be used: {error}\n")
            return ExitCode.CONFIGURATION
        except ProgrammingError as error:
            stderr.write(f"The database's tables are not those of this version: run manage.py migrate.\n({error})\n")
            return ExitCode.CONFIGURATION
