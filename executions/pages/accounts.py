"""Logging in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie


class DemoAccount(Protocol):
    """An account whose password is its name, as a local demo has them."""

    @property
    def name(self) -> str: ...

    @property
    def purpose(self) -> str: ...


class LogIn(LoginView):
    """The log-in. ``demo_accounts`` are named on the page; the composition root says whether there are any."""

    template_name = "pages/login.html"
    redirect_authenticated_user = True
    next_page = "home"
    demo_accounts: Callable[[], Sequence[DemoAccount]] | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        accounts = self.demo_accounts() if self.demo_accounts is not None else ()
        return super().get_context_data(demo_accounts=accounts, **kwargs)


class LogOut(LogoutView):
    """Logging out is a POST; whoever follows a link here is asked."""

    http_method_names = ["get", "head", "post", "options"]
    next_page = "login"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return ensure_csrf_cookie(render)(request, "pages/logout.html")
