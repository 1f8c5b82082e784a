"""Accounts and their roles. A role is a Django group of that name, made when it is first named."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from knox.models import AuthToken

from combine.models import TokenNote

logger = logging.getLogger(__name__)

ADMIN = "admin"
VIEWER = "viewer"
OPERATOR = "operator"
# Whoever has another role than these decides at gates, which is done in the admin site.
ROLES_WITHOUT_ADMIN_SITE = frozenset({VIEWER, OPERATOR})


class AccountProblem(Exception):
    """The account cannot be made or changed; the message says why."""


def parse_roles(text: str) -> tuple[str, ...]:
    """``"operator, pm"`` as role names, in order, each once.

    :raises AccountProblem: if a name cannot be that of a group.
    """
    roles = tuple(dict.fromkeys(role.strip() for role in text.split(",") if role.strip()))
    if too_long := [role for role in roles if len(role) > 150]:
        raise AccountProblem(f"A role's name may have 150 characters: {too_long[0][:40]}...")
    return roles


def create_account(*, name: str, password: str | None, roles: Iterable[str], email: str = "") -> User:
    """Make an account; without a password it can be used with tokens only, without roles it may see nothing.

    :raises AccountProblem: if there is one of that name, or a value is refused.
    """
    user = User(username=name, email=email)
    user.set_password(password)
    with transaction.atomic():
        if User.objects.filter(username=name).exists():
            raise AccountProblem(f"There is a user {name!r} already. To change it, add --update.")
        _check(user, password)
        user.save()
        _set_roles(user, roles)
    return user


def update_account(*, name: str, password: str | None, roles: Iterable[str] | None, email: str | None = None) -> User:
    """Change what is given: the password, the whole set of roles, or the e-mail address.

    :raises AccountProblem: if there is no such account, or a value is refused.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(username=name).first()
        if user is None:
            raise AccountProblem(f"There is no user {name!r}.")
        if password is not None:
            _check(user, password)
            user.set_password(password)
            user.save(update_fields=["password"])
        if email is not None:
            user.email = email
            _check(user, None)
            user.save(update_fields=["email"])
        if roles is not None:
            _set_roles(user, roles)
    return user


def create_token(*, name: str, days: int | None, label: str = "") -> str:
    """Make an API token for the user ``name`` and return its text, which is not kept.

    :raises AccountProblem: if there is no such user, or it may not log in.
    """
    user = User.objects.filter(username=name).first()
    if user is None:
        raise AccountProblem(f"There is no user {name!r}. Make one with: manage.py create_user {name} --roles ...")
    if not user.is_active:
        raise AccountProblem(f"The user {name!r} is not active.")
    return issue_token(user, days=days, label=label)[1]


def issue_token(user: User, *, days: int | None, label: str) -> tuple[Any, str]:
    """Make an API token that lasts ``days`` (None: the deployment's default).

    :returns: its row, and its text, which is not kept.
    """
    expiry = {} if days is None else {"expiry": timedelta(days=days)}
    with transaction.atomic():
        row, text = AuthToken.objects.create(user, **expiry)
        TokenNote.objects.create(token=row, label=label)
    logger.info("A token was made", extra={"action": "token_created", "account": user.username, "token": row.token_key})
    return row, str(text)


def _check(user: User, password: str | None) -> None:
    try:
        user.clean_fields(exclude={"password"})
        if password is not None:
            validate_password(password, user)
    except ValidationError as error:
        raise AccountProblem(" ".join(error.messages)) from error


def _set_roles(user: User, roles: Iterable[str]) -> None:
    names = set(roles)
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in sorted(names)])
    user.is_superuser = ADMIN in names
    user.is_staff = bool(names - ROLES_WITHOUT_ADMIN_SITE)
    user.save(update_fields=["is_superuser", "is_staff"])
