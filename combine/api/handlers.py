"""Answers to what no API view sees: unknown routes, hosts we do not serve, failures in the middleware."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from combine.api.errors import INTERNAL_ERROR, problem_of
from combine.api.problems import Problem, problem_response
from combine.api.routes import is_api
from combine.logs import request_id
from executions.pages.errors import error_page, form_page

logger = logging.getLogger(__name__)

UNKNOWN_ROUTE = Problem(
    status=404, code="NOT_FOUND", detail="There is no such route; paths of the API have no trailing slash."
)


@csrf_exempt
def unknown_route(request: HttpRequest) -> HttpResponse:
    """Answer every path under /api/ that nothing else takes, also while debugging."""
    return problem_response(UNKNOWN_ROUTE, request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler400``. Anybody can bring it about, so it is a warning, and no error with a traceback."""
    facts = {"action": "bad_request", "error": type(exception).__name__, "path": request.path[:200]}
    logger.warning("A request was refused", extra=facts)
    if is_api(request.path):
        response = problem_response(problem_of(exception), request)
    else:
        response = error_page(400, reference=request_id.get())
    response._has_been_logged = True  # type: ignore[attr-defined] # for Django: in the line above
    return response


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler403``."""
    if is_api(request.path):
        return problem_response(problem_of(exception), request)
    return error_page(403, reference=request_id.get())


def page_not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """Django's ``handler404``."""
    if is_api(request.path):
        return problem_response(UNKNOWN_ROUTE, request)
    return error_page(404, reference=request_id.get())


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    """Django's ``handler500``. Django has logged the exception by now."""
    if is_api(request.path):
        exception = sys.exc_info()[1]
        problem = problem_of(exception) if isinstance(exception, Exception) else INTERNAL_ERROR
        return problem_response(problem, request)
    return error_page(500, reference=request_id.get())


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's ``CSRF_FAILURE_VIEW``: a form that was open too long, or did not come from us."""
    return form_page(back=request.get_full_path(), reference=request_id.get())
