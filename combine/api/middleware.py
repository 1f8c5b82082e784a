"""A request id for every request, and the headers of every API answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from combine.api.routes import is_api
from combine.logs import request_id

Handler = Callable[[HttpRequest], Any]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # What an account may see is nobody else's; a later answer may differ.
    "Cache-Control": "private, no-cache",
}


@sync_and_async_middleware
def request_id_middleware(get_response: Handler) -> Handler:
    """Give the request an id (the client's own, if it is one), put it on the answer and on every log line."""
    if iscoroutinefunction(get_response):
        following = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            # Never reset: Django logs the answer after all middleware, and the next request brings its own.
            request_id.set(_id_of(request))
            return _with_id(await following(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        request_id.set(_id_of(request))
        return _with_id(get_response(request))

    return answer


@sync_and_async_middleware
def api_headers_middleware(get_response: Handler) -> Handler:
    """Set the API's headers on its answers. Stands below the pages' CSP, which leaves a policy alone that is there."""
    if iscoroutinefunction(get_response):
        following = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _with_headers(request, await following(_measured(request)))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _with_headers(request, get_response(_measured(request)))

    return answer


def _id_of(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _with_id(response: HttpResponseBase) -> HttpResponseBase:
    response.headers["X-Request-ID"] = cast(str, request_id.get())
    return response


def _measured(request: HttpRequest) -> HttpRequest:
    """Say how long a body is that came in chunks: the REST framework takes a body without a length for none."""
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH") and is_api(request.path):
        request.META["CONTENT_LENGTH"] = str(len(request.body))
    return request


def _with_headers(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if is_api(request.path):
        for name, value in _API_HEADERS.items():
            response.headers.setdefault(name, value)
    return response
