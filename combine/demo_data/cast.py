"""The people of the demo, beside its accounts: who has written, reviewed and decided in the past month."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission, User

from combine.accounts import ADMIN, OPERATOR, VIEWER, create_account
from combine.demo import ACCOUNTS

# Who sees the project that is not open to everybody.
BOARD = "board"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    roles: tuple[str, ...]
    sets_budgets: bool = False


PEOPLE = (
    Person(name="marta", roles=(OPERATOR, "pm", BOARD), sets_budgets=True),
    Person(name="oskar", roles=(OPERATOR, "pm", BOARD)),
    Person(name="priya", roles=("architect",)),
    Person(name="tomas", roles=("ba",)),
    Person(name="amelie", roles=(OPERATOR, "editor")),
    Person(name="youssef", roles=(OPERATOR, "editor")),
    Person(name="ines", roles=("editor",)),
    Person(name="claire", roles=(VIEWER,)),
)


def gather_people(*, with_passwords: bool) -> dict[str, User]:
    """Make the people, and return them by name. ``with_passwords``: the password is the name.

    Accounts of the local demo that are there get the roles of the examples which they lack.
    """
    people = {}
    for person in PEOPLE:
        password = person.name if with_passwords else None
        made = people[person.name] = create_account(name=person.name, password=password, roles=person.roles)
        if person.sets_budgets:
            made.user_permissions.add(Permission.objects.get(codename="change_budget"))
    for account in ACCOUNTS:
        user = User.objects.filter(username=account.name).first()
        if with_passwords and user is not None and ADMIN in account.roles:
            user.groups.add(*[Group.objects.get_or_create(name=role)[0] for role in account.roles])
    return people
