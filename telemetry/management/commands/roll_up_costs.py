"""Bring the sums of the ledger up to date by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from telemetry import rollup


class Command(BaseCommand):
    help = "Brings the sums that the telemetry reads up to date now. Workers do it every minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="make all sums anew from the ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rebuild"]:
            rollup.rebuild()
        while rollup.roll_up():
            pass
        self.stdout.write("The sums are up to date.")
