"""Query strings: every parameter is one that the endpoint knows, given once, as text that can be looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from documents.canonical import text_problem
from workflows.problems import printable

if TYPE_CHECKING:
    # The framework's views import this module by its setting.
    from rest_framework.views import APIView


class KnownParameters(BasePermission):
    """Refuse (400) a query that would be ignored or misread.

    No matter of permission, but the framework has this one hook between "who is it" and the view, and it holds
    for every view without its doing. A view names its parameters by ``filterset_class``; a list adds those of its
    paginator.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not hasattr(view, (request.method or "").lower()):
            return True  # 405 is what is wrong first
        known = _known_names(request, view)
        errors = {
            printable(name, 80): [problem]
            for name, values in request.query_params.lists()
            if (problem := _problem(name, list(map(str, values)), known)) is not None
        }
        if errors:
            raise ParseError(errors)
        return True


def _known_names(request: Request, view: APIView) -> list[str]:
    if request.method not in ("GET", "HEAD"):
        return []
    filterset_class = getattr(view, "filterset_class", None)
    names = list(filterset_class.base_filters) if filterset_class is not None else []
    paginator = getattr(view, "paginator", None)
    return names + (list(paginator.query_names(view)) if paginator is not None else [])


def _problem(name: str, values: list[str], known: list[str]) -> ErrorDetail | None:
    if name not in known:
        listed = f"known are {', '.join(known)}" if known else "none is known here"
        return ErrorDetail(f"unknown parameter; {listed}", code="unknown_parameter")
    if len(values) > 1:
        return ErrorDetail("is given more than once", code="duplicate_parameter")
    if (problem := text_problem(values[0])) is not None:
        return ErrorDetail(problem, code="invalid_text")
    return None
