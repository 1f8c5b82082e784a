"""Answers to what no API view sees: unknown routes, hosts we do not serve, failures in the middleware."""

from __future__ import annotations

import sys
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from combine.api.errors import INTERNAL_ERROR, problem_of
from combine.api.problems import Problem, problem_response
from combine.api.routes import is_api

UNKNOWN_ROUTE = Problem(
    status=404, code="NOT_FOUND", detail="There is no such route; paths of the API have no trailing slash."
)


@csrf_exempt
def unknown_route(request: HttpRequest) -> HttpResponse:
    """Answer every path under /api/ that nothing else takes, also while debugging."""
    return problem_response(UNKNOWN_ROUTE, request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler400``."""
    if is_api(request.path):
        return problem_response(problem_of(exception), request)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler403``."""
    if is_api(request.path):
        return problem_response(problem_of(exception), request)
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """Django's ``handler404``."""
    if is_api(request.path):
        return problem_response(UNKNOWN_ROUTE, request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    """Django's ``handler500``. Django has logged the exception by now."""
    if is_api(request.path):
        exception = sys.exc_info()[1]
        problem = problem_of(exception) if isinstance(exception, Exception) else INTERNAL_ERROR
        return problem_response(problem, request)
    return defaults.server_error(request)
