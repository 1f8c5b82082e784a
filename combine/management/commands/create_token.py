from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from combine.accounts import AccountProblem, create_token


class Command(BaseCommand):
    help = "Make an API token for a user, and print it (alone, on stdout). It is not kept, and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the user's name")
        parser.add_argument("--expires", type=int, metavar="DAYS", help="days until it ends (default: 365)")
        parser.add_argument("--label", default="", metavar="TEXT", help="what it is for, as lists of tokens show it")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["expires"]
        if days is not None and not 1 <= days <= 36500:
            raise CommandError("--expires: give a number of days from 1 to 36500.")
        label = options["label"]
        if len(label) > 100 or "\x00" in label:
            raise CommandError("--label: give at most 100 characters.")
        try:
            token = create_token(name=options["name"], days=days, label=label)
        except AccountProblem as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(token)
