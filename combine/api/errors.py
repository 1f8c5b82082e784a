"""From exceptions to problem details: the one place where what the domain refuses becomes a status.

executions.exceptions    NotFound 404, Invalid 422, NotPermitted 403, Conflict 409 (its kinds with more facts),
                         TooManyRuns 429
workflows                WorkflowNotFound, StepNotFound 404
REST framework           ParseError 400 (body or query), ValidationError 422, the others as they say
Django                   Http404 404, PermissionDenied 403, RequestDataTooBig 413, SuspiciousOperation 400
database                 OperationalError, InterfaceError 503; DataError 400
everything else          500, logged once with its traceback; the answer says nothing about it
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions as rest
from rest_framework.response import Response

from combine.api.problems import MEDIA_TYPE, Problem
from documents.canonical import pointer
from executions import exceptions as domain
from workflows.api.exceptions import StepNotFound
from workflows.exceptions import WorkflowError, WorkflowNotFound

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
_MAX_ERRORS = 50
_MAX_TEXT = 600
_REST_CODES = {
    rest.NotFound: "NOT_FOUND",
    rest.MethodNotAllowed: "METHOD_NOT_ALLOWED",
    rest.NotAcceptable: "NOT_ACCEPTABLE",
    rest.UnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
    rest.NotAuthenticated: "NOT_AUTHENTICATED",
    rest.AuthenticationFailed: "NOT_AUTHENTICATED",
    rest.PermissionDenied: "PERMISSION_DENIED",
    rest.Throttled: "RATE_LIMITED",
}

UNAVAILABLE = Problem(
    status=503,
    code="UNAVAILABLE",
    detail="The database does not answer at the moment; try again shortly.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)
INTERNAL_ERROR = Problem(
    status=500,
    code="INTERNAL_ERROR",
    detail="Something went wrong on our side; the log has the details under this request_id.",
)


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of an API view; the REST framework calls this for all of them."""
    problem = problem_of(exc)
    response = Response(
        problem.body(context["request"].path),
        status=problem.status,
        headers=dict(problem.headers),
        content_type=MEDIA_TYPE,
    )
    if problem.status >= 500:
        _log(exc, problem, context)
        # Django logs every answer from 400 up; this one has its line, with the traceback, already.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@singledispatch
def problem_of(exc: Exception) -> Problem:
    """Return what is told of an exception."""
    return INTERNAL_ERROR


@problem_of.register
def _(exc: domain.NotFound) -> Problem:
    return Problem(status=404, code=exc.code, detail=exc.detail)


@problem_of.register
def _(exc: domain.Invalid) -> Problem:
    errors = [{"path": each.path, "code": each.code, "detail": each.detail} for each in exc.errors]
    return _invalid(422, exc.code, errors)


@problem_of.register
def _(exc: domain.NotPermitted) -> Problem:
    return Problem(status=403, code=exc.code, detail=exc.detail)


@problem_of.register
def _(exc: domain.TooManyRuns) -> Problem:
    return Problem(status=429, code=exc.code, detail=exc.detail, headers={"Retry-After": str(exc.wait)})


@problem_of.register
def _(exc: domain.Conflict) -> Problem:
    return Problem(status=409, code=exc.code, detail=exc.detail)


@problem_of.register
def _(exc: domain.AlreadyDecided) -> Problem:
    members = {"decided_by": exc.by, "decision": exc.decision, "decided_at": _instant(exc.at)}
    return Problem(status=409, code=exc.code, detail=exc.detail, members=members)


@problem_of.register
def _(exc: domain.GateAmbiguous) -> Problem:
    gates = [{"gate_id": gate_id, "path": path} for gate_id, path in exc.gates]
    return Problem(status=409, code=exc.code, detail=exc.detail, members={"gates": gates})


@problem_of.register(WorkflowNotFound)
@problem_of.register(StepNotFound)
def _(exc: WorkflowError) -> Problem:
    return Problem(status=404, code=exc.code, detail=str(exc))


@problem_of.register
def _(exc: rest.APIException) -> Problem:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    code = _REST_CODES.get(type(exc)) or _upper(getattr(exc.detail, "code", None) or exc.default_code)
    members = getattr(exc, "members", {})
    return Problem(status=exc.status_code, code=code, detail=str(exc.detail), members=members, headers=headers)


@problem_of.register
def _(exc: rest.ValidationError) -> Problem:
    return _invalid(422, "VALIDATION_ERROR", list(field_errors(exc.detail)))


@problem_of.register
def _(exc: rest.ParseError) -> Problem:
    """A malformed body has a text, a wrong query the parameters that are wrong in it."""
    detail: Any = exc.detail
    if not isinstance(detail, dict):
        return Problem(status=400, code=_upper(detail.code), detail=str(detail))
    errors = list(field_errors(detail))
    is_status = any(error["code"] == "INVALID_STATUS" for error in errors)
    return _invalid(400, "INVALID_STATUS" if is_status else "VALIDATION_ERROR", errors)


@problem_of.register
def _(exc: Http404) -> Problem:
    return Problem(status=404, code="NOT_FOUND", detail="There is nothing here.")


@problem_of.register
def _(exc: PermissionDenied) -> Problem:
    return Problem(status=403, code="PERMISSION_DENIED", detail=str(exc) or "You may not do this.")


@problem_of.register
def _(exc: RequestDataTooBig) -> Problem:
    return Problem(status=413, code="BODY_TOO_LARGE", detail="The body of the request is too large.")


@problem_of.register(SuspiciousOperation)
@problem_of.register(DataError)
def _(exc: Exception) -> Problem:
    # DataError: a value that got past every check, and that the database cannot hold.
    return Problem(status=400, code="BAD_REQUEST", detail="The request holds a value that cannot be taken.")


@problem_of.register(OperationalError)
@problem_of.register(InterfaceError)
def _(exc: Exception) -> Problem:
    return UNAVAILABLE


def field_errors(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Yield ``{path, code, detail}`` of a serializer's nested errors; paths are JSON Pointers."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from field_errors(inner, path if key == "non_field_errors" else pointer(path, key))
    elif isinstance(detail, list) and any(isinstance(each, dict | list) for each in detail):
        for index, inner in enumerate(detail):
            yield from field_errors(inner, pointer(path, index))
    elif isinstance(detail, list):
        for each in detail:
            yield from field_errors(each, path)
    else:
        yield {"path": path, "code": _upper(detail.code), "detail": str(detail)}


def _invalid(status: int, code: str, errors: list[dict[str, str]]) -> Problem:
    listed = [{key: _clipped(text) for key, text in error.items()} for error in errors[:_MAX_ERRORS]]
    shown = "; ".join(f"{error['path'] or '/'}: {error['detail']}" for error in listed[:3])
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return Problem(status=status, code=code, detail=shown + more, errors=listed)


def _clipped(text: str) -> str:
    """Return a text short enough to be repeated: paths and details name keys that the client has chosen."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _log(exc: Exception, problem: Problem, context: Mapping[str, Any]) -> None:
    request = context["request"]
    # The formatter takes from the request what its address names.
    facts = {"action": "api_error", "code": problem.code, "method": request.method, "path": request.path}
    facts["request"] = request
    if problem is UNAVAILABLE:
        logger.warning("The database did not answer", extra={**facts, "error": type(exc).__name__})
    else:
        logger.error("A request failed by a defect", exc_info=exc, extra=facts)


def _instant(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))


def _upper(code: str | None) -> str:
    return (code or "error").upper()
