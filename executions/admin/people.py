"""Who is at the desk."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest

from executions.services.access import role_names


def person(request: HttpRequest) -> User:
    """Return the user of a request that has passed the admin's log-in."""
    assert isinstance(request.user, User)
    return request.user


def has_role(request: HttpRequest) -> bool:
    """Whether whoever asks may see anything at all: administrators, and members of any group."""
    user = request.user
    return isinstance(user, User) and user.is_active and (user.is_superuser or bool(role_names(user)))
