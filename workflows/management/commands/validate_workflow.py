from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflows.loading import ParsedFile, parse_file
from workflows.parsed import digest_of
from workflows.services import known_models


class Command(BaseCommand):
    help = (
        "Check one workflow file, with the prompts and schemas of the package it stands in, and print every problem. "
        "Needs no database. Exits 1 on errors."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        parsed = parse_file(path, known_models())
        if options["json"]:
            self.stdout.write(json.dumps(_report(path, parsed), indent=2))
        else:
            for problem in parsed.problems:
                self.stdout.write(str(problem))
        errors = sum(problem.severity == "error" for problem in parsed.problems)
        if errors:
            raise CommandError(f"{path}: {errors} error{'' if errors == 1 else 's'}.")
        if not options["json"]:
            self.stdout.write(self.style.SUCCESS(f"{path}: valid, {len(parsed.problems)} warnings."))


def _report(path: Path, parsed: ParsedFile) -> dict[str, Any]:
    return {
        "path": str(path),
        "is_valid": not parsed.has_errors,
        "workflow_id": parsed.workflow_id,
        "digest": digest_of(parsed.definition) if parsed.definition else None,
        "problems": [problem.to_json() for problem in parsed.problems],
    }
