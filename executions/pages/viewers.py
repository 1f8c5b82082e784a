"""Who looks at a page, and what those see who may see nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from executions.services.access import role_names

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def viewer(request: HttpRequest) -> User:
    """Return the user of a request that has passed the log-in."""
    assert isinstance(request.user, User)
    return request.user


def has_role(user: User) -> bool:
    """Whether ``user`` may see anything at all: administrators, and members of any group."""
    return user.is_superuser or bool(role_names(user))


def page(*methods: str) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """Make a view a page: for people who are logged in, never kept by a shared cache.

    An account without a role is told so, on whatever page it comes to: nothing could be on it.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not has_role(viewer(request)):
                return render(request, "pages/no_role.html")
            return view(request, *args, **kwargs)

        allowed = require_http_methods(["GET", "HEAD", *methods])
        private = cache_control(private=True, no_cache=True)
        return login_required(private(allowed(answer)))

    return decorate
