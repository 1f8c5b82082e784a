"""Price the calls that had no known price."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from executions.llm.pricing import price_version
from telemetry.repricing import reprice


class Command(BaseCommand):
    help = (
        "Prices calls whose model had no known price when they were made, by the price data that is installed now; its"
        " version is noted with each."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be priced, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry_run: bool = options["dry_run"]
        done = reprice(is_dry_run=is_dry_run)
        for model, count in sorted(done.priced.items()):
            self.stdout.write(f"{model}: {count:,} calls, ${done.costs[model].normalize():f}")
        total = sum(done.costs.values())
        act = "would be priced" if is_dry_run else "priced"
        self.stdout.write(
            f"{done.priced.total():,} calls {act} with {price_version()}, together ${total:f}."
            if done.priced
            else "There is nothing to price."
        )
        for model, count in sorted(done.unknown.items()):
            self.stdout.write(f"{model}: {count:,} calls stay without a price; {price_version()} does not know it.")
