"""Who looks at costs: staff. What they see is limited to the projects that they may see."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from executions.pages.viewers import page, viewer

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def costs_view(view: View[P]) -> Callable[..., HttpResponseBase]:
    """Make a view a page for staff. :raises PermissionDenied: somebody else asks (403)."""

    @page()
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = viewer(request)
        if not (user.is_staff or user.is_superuser):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return answer
