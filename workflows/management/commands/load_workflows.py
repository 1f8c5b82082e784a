from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from workflows.exceptions import BadPackage
from workflows.packages import package_directories
from workflows.problems import printable
from workflows.services import LoadResult, load_package


class Command(BaseCommand):
    help = (
        "Load workflow packages. Whatever is good is loaded and becomes current; each bad file is named with "
        "everything that is wrong with it. Exits 1 if any was bad."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "directories",
            nargs="*",
            metavar="DIR",
            type=Path,
            help="a package, or a directory of packages (default: COMBINE_PACKAGES)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        directories: list[Path] = options["directories"] or list(settings.COMBINE_PACKAGES)
        report: list[dict[str, Any]] = []
        for directory in directories:
            for package in self._load(directory):
                report.append(package)
                if not options["json"]:
                    self._print(package)
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2))
        bad = sum(package["error"] is not None for package in report)
        bad += sum(file["status"] == "bad" for package in report for file in package["files"])
        if bad:
            raise CommandError(f"{bad} {'was' if bad == 1 else 'were'} bad.")

    def _load(self, directory: Path) -> list[dict[str, Any]]:
        try:
            packages = package_directories(directory)
        except BadPackage as error:
            return [{"directory": str(directory), "error": str(error), "files": []}]
        return [self._load_package(package) for package in packages]

    def _load_package(self, directory: Path) -> dict[str, Any]:
        try:
            results = load_package(directory, at=timezone.now())
        except BadPackage as problem:
            return {"directory": str(directory), "error": str(problem), "files": []}
        error = None if results else "there is no workflow file in workflows/"
        return {"directory": str(directory), "error": error, "files": [_file(result) for result in results]}

    def _print(self, package: dict[str, Any]) -> None:
        self.stdout.write(printable(package["directory"]))
        if package["error"]:
            self.stdout.write(self.style.ERROR(f"  bad        {package['error']}"))
        for file in package["files"]:
            style = self.style.ERROR if file["status"] == "bad" else self.style.SUCCESS
            named = f"{file['workflow_id']} {file['revision']} {file['digest'][:12]}" if file["digest"] else ""
            self.stdout.write(style(f"  {file['status']:<10} {file['path']}  {printable(named)}".rstrip()))
            for problem in file["problems"]:
                self.stdout.write(f"    {problem['severity']} {problem['code']} {problem['path']}: {problem['detail']}")


def _file(result: LoadResult) -> dict[str, Any]:
    revision = result.revision
    if result.is_bad:
        status = "bad"
    elif revision is None:
        status = "noted"
    else:
        status = "loaded" if result.is_created else "unchanged"
    return {
        "path": result.path,
        "status": status,
        "workflow_id": result.workflow_id,
        "revision": revision.revision if revision else None,
        "digest": revision.digest if revision else None,
        "problems": [problem.to_json() for problem in result.problems],
    }
