from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from combine.addresses import UNKNOWN, network_of
from combine.logins import unlock


class Command(BaseCommand):
    help = "Forget failed log-ins, so that somebody who was locked out can try again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="the user's name as it was typed: unlocked from everywhere")
        parser.add_argument("--address", help="an address: unlocked for all names, or for the name given")

    def handle(self, *args: Any, **options: Any) -> None:
        name, address = options["name"], options["address"]
        if name is None and address is None:
            raise CommandError("Give a user's name, --address, or both.")
        if address is not None and (address := network_of(address)) == UNKNOWN:
            raise CommandError("--address: give an IPv4 or IPv6 address.")
        count = unlock(name=name, address=address)
        self.stdout.write("Unlocked." if count else "Nothing was locked, or counted, for that.")
