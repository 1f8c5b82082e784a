"""On whose behalf the command acts, and what that person may do."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User

from executions.services.access import OPERATOR, role_names
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.wording import clean, listed
from workflows.definition import AcceptancePolicy, Definition, DocumentType, ProductionStep


def find_actor(name: str | None) -> User:
    """Return the user of that name, or the first superuser.

    :raises Stop: where there is none.
    """
    users = User.objects.filter(is_active=True).order_by("pk")
    if name is not None:
        actor = users.filter(username=name).first() if "\x00" not in name else None
        if actor is None:
            raise Stop(
                ExitCode.NOT_FOUND,
                f"There is no active user {clean(name)!r}. Make one: manage.py create_user {clean(name)} --password ..."
                " --roles operator",
            )
        return actor
    actor = users.filter(is_superuser=True).first()
    if actor is None:
        raise Stop(
            ExitCode.REFUSED,
            "There is no administrator to act as. Make one: manage.py create_user admin --password ..."
            " --roles admin,operator, or name a user with --as.",
        )
    return actor


def reviewed_types(definition: Definition) -> list[tuple[DocumentType, AcceptancePolicy]]:
    """Return the document types of a workflow that people must accept, each with its policy."""
    names = {step.produces: None for step in definition.walk() if isinstance(step, ProductionStep)}
    types = (definition.document_types[name] for name in names)
    return [(each, each.acceptance) for each in types if each.acceptance is not None]


def missing_roles(actor: User, policies: Iterable[AcceptancePolicy]) -> list[str]:
    """Return the roles that ``actor`` would need, and has not, to accept under each of ``policies``."""
    missing: dict[str, None] = {}
    for policy in policies:
        if actor.get_username() in policy.users or not role_names(actor).isdisjoint(policy.roles):
            continue
        if policy.roles:
            missing[policy.roles[0]] = None
        elif not policy.users and not actor.is_superuser and OPERATOR not in role_names(actor):
            missing[OPERATOR] = None
    return list(missing)


def check_can_accept(actor: User, definition: Definition) -> list[str]:
    """Make sure that ``actor`` can accept what a workflow produces; return what one person cannot do, in words.

    :raises Stop: a role is missing; it names the command that gives it.
    """
    types = reviewed_types(definition)
    name = actor.get_username()
    if roles := missing_roles(actor, [policy for _, policy in types]):
        for_what = [each.type_id for each, policy in types if missing_roles(actor, [policy])]
        raise Stop(
            ExitCode.REFUSED,
            f"{name} may not accept {listed(for_what)} without the {'role' if len(roles) == 1 else 'roles'}"
            f" {listed(roles)}. Nothing was started."
            f" Give it: {grant_command(actor, roles)}, or name another user with --as.",
        )
    limits = []
    for each, policy in types:
        if policy.quorum > 1:
            limits.append(f"{each.type_id} needs {policy.quorum} people; {name} is one")
        elif policy.four_eyes:
            limits.append(f"{each.type_id} must be accepted by somebody else than {name}, who starts the run")
        elif policy.users and not policy.roles and name not in policy.users:
            limits.append(f"{each.type_id} can be accepted by {listed(policy.users)} only")
    return limits


def grant_command(actor: User, roles: Iterable[str]) -> str:
    """Return the command that gives ``actor`` these roles beside the ones that it has (roles are set as a whole)."""
    names = {*role_names(actor), *roles}
    if actor.is_superuser:
        names.add("admin")
    return f"manage.py create_user {actor.get_username()} --update --roles {','.join(sorted(names))}"
