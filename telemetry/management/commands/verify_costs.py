"""Compare the sums that the telemetry reads with the ledger."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from telemetry import verification


class Command(BaseCommand):
    help = (
        "Compares the sums that the telemetry reads with the ledger, to the last decimal. Prints each difference and"
        " exits with 1 if there is one. Changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for difference in verification.differences():
            count += 1
            self.stderr.write(difference)
        if count:
            self.stderr.write(
                f"{count:,} sums are not the ledger's. The ledger is right: `manage.py roll_up_costs --rebuild` makes"
                " the sums anew. Please report it with the lines above."
            )
            sys.exit(1)
        totals = verification.totals()
        unpriced = f", {totals.unpriced_count:,} of them without a price" if totals.unpriced_count else ""
        self.stdout.write(
            f"The sums are the ledger's: {totals.call_count:,} calls{unpriced}, ${totals.cost_usd.normalize():f}."
        )
