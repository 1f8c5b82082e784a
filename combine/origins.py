"""What every request tells the audit log: by which door it came, from which address, under which id."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from combine.addresses import full_address
from combine.api.routes import is_api
from combine.logs import request_id
from executions.origin import Origin, coming_from
from executions.services.audit import write_refused

Handler = Callable[[HttpRequest], HttpResponseBase]

_ADMIN = "/admin/"


def origin_middleware(get_response: Handler) -> Handler:
    """Have all that a request does come from it, and write down what it was refused, when its transactions are over.

    Directly below the middleware that gives the request its id.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        origin = Origin(
            channel=_channel(request.path),
            address=full_address(request),
            request_id=request_id.get() or "",
            refused=[],
            person=lambda: _person(request),
        )
        with coming_from(origin):
            try:
                return get_response(request)
            finally:
                write_refused(origin.refused or ())

    return answer


def _person(request: HttpRequest) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _channel(path: str) -> str:
    if is_api(path):
        return "api"
    return "admin" if path.startswith(_ADMIN) else "page"
