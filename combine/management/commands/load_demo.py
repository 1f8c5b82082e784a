from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from combine.demo_data.loading import DemoRefused, check_place, is_loaded, load, planned
from combine.preparation import unapplied_migration_count
from executions.exceptions import CombineError


class Command(BaseCommand):
    help = (
        "Load a month of history: runs in every state, documents in several languages, decisions, costs. Real rows,"
        " made by the engine itself with the offline model's samples. Loaded once; takes some seconds."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be loaded, and load nothing")
        parser.add_argument("--force", action="store_true", help="load it among real runs, or in production, too")

    def handle(self, *args: Any, **options: Any) -> None:
        if unapplied_migration_count():
            raise CommandError("The database's tables are not up to date. Run first: manage.py migrate")
        if is_loaded():
            self.stdout.write("The demo is there already; nothing was changed. A new COMBINE_HOME begins from nothing.")
            return
        try:
            check_place(is_forced=options["force"])
            if options["dry_run"]:
                self._say_what_would_be_done()
                return
            self._load()
        except DemoRefused as refused:
            raise CommandError(str(refused)) from refused
        except CombineError as error:  # a limit or a budget of this installation stands in the way
            raise CommandError(f"The demo could not be played to its end, and nothing was stored: {error}") from error

    def _say_what_would_be_done(self) -> None:
        executions, projects, people = planned()
        self.stdout.write(
            f"Would load the three shipped packages, make {people} accounts, {projects} projects and {executions}"
            " executions over the past 30 days with their documents, decisions and costs, and a budget of one project."
        )

    def _load(self) -> None:
        # What the engine logs of each act would be told as if it happened now.
        logging.disable(logging.WARNING)
        try:
            loaded = load(self.stderr.write)
        finally:
            logging.disable(logging.NOTSET)
        states = ", ".join(f"{count} {status}" for status, count in sorted(loaded.by_status.items()))
        self.stdout.write(
            f"Loaded {loaded.executions} executions ({states}) with {loaded.documents} documents and {loaded.calls}"
            f" calls, as if they had cost ${loaded.cost_usd:.2f}."
        )
