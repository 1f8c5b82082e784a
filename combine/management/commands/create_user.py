from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from combine.accounts import AccountProblem, create_account, parse_roles, update_account


class Command(BaseCommand):
    help = (
        "Make an account. Roles: viewer, operator (starts, cancels, retries), admin (superuser), and the acceptance "
        "roles that workflows name. Everybody with a role may view; without any, nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--password", help="without one the account is for tokens only")
        parser.add_argument("--roles", help="role names separated by commas")
        parser.add_argument("--email", help="address for mail about what waits for them")
        parser.add_argument("--update", action="store_true", help="change an existing account instead")

    def handle(self, *args: Any, **options: Any) -> None:
        name, password = options["name"], options["password"]
        try:
            roles = None if options["roles"] is None else parse_roles(options["roles"])
            if options["update"]:
                update_account(name=name, password=password, roles=roles, email=options["email"])
                done = "changed"
            else:
                create_account(name=name, password=password, roles=roles or (), email=options["email"] or "")
                done = "made"
        except AccountProblem as problem:
            raise CommandError(str(problem)) from problem
        shown = "" if roles is None else f", roles: {', '.join(roles) or 'none'}"
        self.stdout.write(f"User {name} {done}{shown}")
        if not options["update"] and not roles:
            self.stderr.write("Without --roles the account may see nothing.")
