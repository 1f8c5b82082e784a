"""``manage.py verify_audit``: check that the audit log is what was written."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from executions.services.audit_chain import Checked, verify
from executions.terminal.exits import ExitCode
from executions.terminal.wording import counted

# A worker seals every minute.
_LATE = timedelta(minutes=10)
_KNOWN = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})", re.ASCII)


def _known(text: str) -> tuple[int, str]:
    found = _KNOWN.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not ENTRY:SHA256, as an earlier check has printed it")
    return int(found[1]), found[2]


class Command(BaseCommand):
    help = (
        "Check the chain over the audit log: that no entry was changed, removed or put in between. Names the first"
        " broken entry and exits 1. Keep the head that it prints where nobody can change it, and give it to the next"
        " check with --known: only so is it found out if the end of the log was cut off."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--known",
            action="append",
            type=_known,
            default=[],
            metavar="ENTRY:SHA256",
            help="the head that an earlier check has printed; may be given several times",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        checked = verify(dict(options["known"]))
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(checked)))
        if checked.broken is not None:
            self.stderr.write(f"Entry {checked.broken.entry_id} {checked.broken.detail}.")
            sys.exit(ExitCode.FAILED)
        if not options["json"]:
            self.stdout.write(f"{checked.head_id}:{checked.head}")
        self.stderr.write(
            f"{counted(checked.sealed, 'entry', 'entries')} checked, {checked.unsealed} not sealed yet:"
            " the log is whole."
        )
        oldest = checked.oldest_unsealed_at
        if oldest is not None and oldest < timezone.now() - _LATE:
            self.stderr.write("Sealing is behind. A worker does it every minute: is one running?")


def _as_json(checked: Checked) -> dict[str, Any]:
    broken = checked.broken
    return {
        "sealed_count": checked.sealed,
        "unsealed_count": checked.unsealed,
        "head": f"{checked.head_id}:{checked.head}",
        "broken": None if broken is None else {"entry_id": broken.entry_id, "detail": broken.detail},
    }
